"""``python -m cds_service.db.migrate``: brings the database of ``CDS_DATABASE_URL`` to the newest schema.

The only module that imports alembic; the web process runs it as a child and never imports it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cds_service.db.engine import open_engine
from cds_service.db.schema import URL_VARIABLE
from cds_service.errors import ConfigurationError


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply the migrations up to ``revision`` (a number, or ``head``)."""
    command.upgrade(configuration(engine), revision)


def configuration(engine: Engine | None = None) -> Config:
    """Alembic's configuration, without an ini file: where the scripts lie and which Engine they run on."""
    config = Config(attributes={"engine": engine})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def main() -> int:
    """Exit code 0 when the schema is current, 1 with one line on standard error when it could not be made so."""
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        sys.stderr.write(f"{URL_VARIABLE} is not set\n")
        return 1
    try:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
    except (SQLAlchemyError, CommandError, ConfigurationError) as fault:
        sys.stderr.write(f"{type(fault).__name__}: {str(fault).splitlines()[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
