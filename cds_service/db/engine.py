"""From a database URL to an Engine: the drivers, the pragmas of SQLite, the time limits of PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from cds_service.errors import ConfigurationError

BUSY_MS = 2000  # how long a SQLite writer waits for another one
STATEMENT_MS = 10_000  # after this PostgreSQL gives up a statement, so that no thread of ours hangs for ever
_PATIENCE = {  # libpq: a server that vanished is noticed in seconds, not hours
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def address(url: str) -> URL:
    """The URL with our driver: ``postgresql://`` means psycopg; a private in-memory SQLite is refused."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("CDS_DATABASE_URL is not a database URL: sqlite:///file or postgresql://…") from None
    backend = parsed.drivername.split("+")[0]
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"CDS_DATABASE_URL names {backend}; only sqlite and postgresql are supported")
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("CDS_DATABASE_URL names an in-memory SQLite; name a file: sqlite:///cds.sqlite3")
    return parsed


def open_engine(url: str, connections: int = 5) -> Engine:
    """An Engine of at most ``connections`` connections. Statement parameters never appear in its errors or logs."""
    parsed = address(url)
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": connections, "max_overflow": 0, "pool_timeout": 1}
    if parsed.get_backend_name() == "sqlite":
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_engine(parsed, **options)
        event.listen(engine, "connect", _pragmas)
    else:
        engine = create_engine(parsed, connect_args=_PATIENCE, **options)
        event.listen(engine, "connect", _limits)
    return engine


def _pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "wal_autocheckpoint = 4000",  # pages: rows come in a steady stream, the same index pages again and again
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _limits(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
    connection.commit()
