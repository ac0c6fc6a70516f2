"""Both databases for the tests of jobs."""

from tests.db.postgres import database_url, postgres

__all__ = ["database_url", "postgres"]
