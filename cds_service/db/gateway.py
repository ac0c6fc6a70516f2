"""The one way to the database. Bounded, under a deadline, and never in the way of the event loop.

``run`` sends one short transaction to a bounded pool of threads and waits for it until the caller's deadline; a
database that hangs costs the caller that time, then a breaker makes later calls fail at once. ``later`` queues a row
that the request need not wait for. Discovery and the deterministic cards use neither and go on without a database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from queue import Full
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cds_service.db import schema
from cds_service.db.breaker import Breaker
from cds_service.db.engine import open_engine
from cds_service.db.spool import LIMIT_BYTES, Row, Spool
from cds_service.db.threads import Threads
from cds_service.db.writer import KEPT, QUEUE, Count, Tap, Writer
from cds_service.errors import ConfigurationError, Unavailable

T = TypeVar("T")
THREADS = 4
WAITING = 64
CLOSE_S = 5.0
FAIR_S = 0.02  # a caller that came with less time than this says nothing about the database
_FAILURES = (OperationalError, InterfaceError, PoolTimeoutError)


class DatabaseUnavailable(Unavailable):
    """The database did not answer in time or cannot be reached; go on without it, or retry after ``retry_after`` s."""


class _Late(DatabaseUnavailable):
    """The deadline came first."""


def _uncounted(_name: str, _n: int) -> None:
    """Where nobody asked for counts."""


class Gateway:
    """Owns the Engine, its threads and the write-behind queue. ``start`` before use, ``close`` when done."""

    def __init__(
        self,
        url: str,
        state_dir: Path,
        *,
        count: Count = _uncounted,
        breaker: Breaker | None = None,
        queue: int = QUEUE,
        spool_bytes: int = LIMIT_BYTES,
        keep_days: Mapping[str, int] = KEPT,
    ) -> None:
        self.engine: Engine = open_engine(url, connections=THREADS + 1)
        self._plain: Engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.shared = self.engine.dialect.name != "sqlite"  # whether other processes may write to it
        self.breaker = breaker or Breaker()
        self._threads = Threads(THREADS, WAITING, "database")
        self._spool = Spool(state_dir / "spool", spool_bytes)
        self._writer = Writer(self.engine, self._spool, count, queue=queue, keep_days=keep_days)

    async def start(self, limit: float = schema.MIGRATION_LIMIT_S) -> None:
        """Bring the schema up to date and begin to store. ``ConfigurationError`` when that cannot be done."""
        if self._threads.closed:
            raise RuntimeError(
                "this gateway was closed: an application that was stopped does not start again, make a new one"
            )
        try:
            async with asyncio.timeout(limit):
                await asyncio.wrap_future(self._threads.submit(partial(schema.prepare, self.engine)))
        except (SQLAlchemyError, TimeoutError) as fault:
            raise ConfigurationError(
                f"the database cannot be used ({_reason(fault)}); check CDS_DATABASE_URL and that its server runs"
            ) from None
        self._writer.start()

    async def run(self, call: Callable[[Connection], T], *, deadline: float, single: bool = False) -> T:
        """``call`` in one transaction, its result by ``deadline`` (event-loop clock), else ``DatabaseUnavailable``.

        ``call`` must be safe to repeat: after a lost connection it is tried once more on a new one. ``single`` says
        that it is one query: no transaction is opened around it, which spares a server two round trips.
        """
        if not self.breaker.admits():
            raise DatabaseUnavailable("the database does not answer", retry_after=5)
        granted = deadline - asyncio.get_running_loop().time()
        try:
            result = await self._ask(call, deadline, self._plain if single else self.engine)
        except _Late:
            if granted >= FAIR_S:
                self.breaker.failed()
            else:
                self.breaker.abandoned()
            raise
        except DatabaseUnavailable:
            self.breaker.failed()
            raise
        except BaseException:
            self.breaker.abandoned()
            raise
        self.breaker.succeeded()
        return result

    async def check(self, *, deadline: float) -> None:
        """``DatabaseUnavailable`` when it does not answer one query by ``deadline``, whatever the breaker says.

        The breaker opens for hook calls that could not wait; a database too slow for them for a moment is not down.
        """
        await self._ask(lambda connection: connection.execute(text("SELECT 1")).scalar(), deadline, self._plain)

    async def _ask(self, call: Callable[[Connection], T], deadline: float, engine: Engine) -> T:
        try:
            future = self._threads.submit(partial(self._transact, call, engine))
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(future)
        except Full:
            raise DatabaseUnavailable("too many database calls are waiting", retry_after=5) from None
        except TimeoutError:
            raise _Late("the database did not answer in time", retry_after=5) from None
        except _FAILURES:
            raise DatabaseUnavailable("the database cannot be reached", retry_after=5) from None

    def later(self, table: str, row: Row, *, durable: bool = True) -> None:
        """Queue a row (every column of the table) to be stored within about 100 ms, off the request path.

        Durable rows outlive a database that is down (they wait in the spool); others are dropped then and counted.
        """
        self._writer.later(table, row, durable=durable)

    def tap(self, table: str, call: Tap) -> None:
        """Let ``call`` see the rows queued for a table too (an audit file), in the writer's thread."""
        self._writer.tap(table, call)

    @property
    def depth(self) -> int:
        """Rows waiting in memory."""
        return self._writer.depth

    @property
    def spooled(self) -> int:
        """Bytes waiting in the spool."""
        return self._spool.size

    @property
    def keeps(self) -> bool:
        """False when the next durable row could be lost (spool or disk full): nothing by AI may be written then."""
        return not self._spool.failed

    @property
    def fault(self) -> str:
        """Kind of the failure that keeps rows from being stored, '' when there is none."""
        return self._writer.fault

    async def close(self, grace: float = CLOSE_S) -> None:
        """Store what is queued within ``grace`` seconds, spool the rest, let go of everything."""
        helper = Threads(1, 1, "database-close")
        await asyncio.wrap_future(helper.submit(partial(self._finish, grace)))
        helper.close()

    def _finish(self, grace: float) -> None:
        until = time.monotonic() + grace
        self._writer.finish(grace)
        self._threads.close()
        self._threads.join(max(0.1, until - time.monotonic()))
        self.engine.dispose()

    def _transact(self, call: Callable[[Connection], T], engine: Engine) -> T:
        try:
            return _once(call, engine)
        except DBAPIError as fault:
            if not fault.connection_invalidated:
                raise
            return _once(call, engine)


def _reason(fault: Exception) -> str:
    """The kind of a fault, and what the server said of a connection: accounts, databases and hosts, nothing of a row."""
    kind = type(fault).__name__
    if not isinstance(fault, OperationalError):
        return kind
    said = str(fault.orig).strip().splitlines() or [""]
    words = said[0].rpartition("FATAL:")[2].rpartition(" failed: ")[2].strip()
    return f"{kind}: {words}" if words else kind


def _once(call: Callable[[Connection], T], engine: Engine) -> T:
    with engine.begin() as connection:
        return call(connection)
