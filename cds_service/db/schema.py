"""Brings a database to the schema of this version before it is used, without importing alembic into this process.

Fresh: all tables are made from the models and the newest revision is stamped. Old: the migrations run in a process
of their own. Newer than this code, or tables without a stamp: a refusal that says what to do. Processes that start
together take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from cds_service.db.models import HEAD, alembic_version, metadata
from cds_service.errors import ConfigurationError

URL_VARIABLE = "CDS_DATABASE_URL"
MIGRATION_LIMIT_S = 600
_LOCK = 0x6D656467  # the advisory lock of PostgreSQL that start-ups of this service share


def prepare(engine: Engine) -> None:
    """Make or migrate the schema; ``ConfigurationError`` when neither is possible."""
    with engine.begin() as connection:
        take_turn(connection)
        found = revision(connection)
        if found == "" and _ours(connection):
            raise ConfigurationError("the database holds tables of ours without a schema version; restore a backup")
        if found == "":
            metadata.create_all(connection)
            connection.execute(insert(alembic_version).values(version_num=HEAD))
            return
    if found > HEAD:
        raise ConfigurationError(f"the database has schema {found}, this version knows {HEAD}; start a newer version")
    if found < HEAD:
        migrate(engine)


def revision(connection: Connection) -> str:
    """The schema version stamped in the database; '' when there is none."""
    if not inspect(connection).has_table(alembic_version.name):
        return ""
    return connection.execute(select(alembic_version.c.version_num)).scalar() or ""


def migrate(engine: Engine) -> None:
    """Run ``python -m cds_service.db.migrate``; the URL goes by environment: no process list shows its password."""
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "cds_service.db.migrate"],
        env={**os.environ, URL_VARIABLE: url},
        capture_output=True,
        text=True,
        timeout=MIGRATION_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ConfigurationError(f"the database could not be migrated to schema {HEAD}: {reason}")


def _ours(connection: Connection) -> bool:
    return bool({table.name for table in metadata.sorted_tables} & set(inspect(connection).get_table_names()))


def take_turn(connection: Connection) -> None:
    """Wait until no other start-up works on the schema; the turn ends with the transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MIGRATION_LIMIT_S}s'")
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
