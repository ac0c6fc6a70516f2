"""Both databases for every test of this folder."""

from tests.db.postgres import database_url, postgres

__all__ = ["database_url", "postgres"]
