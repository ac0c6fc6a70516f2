"""Write-behind: rows are queued on the request path and stored in batches by one thread of its own.

A batch is gathered for at most 100 ms. When the database does not take it, rows that must not be lost go to the
spool and are stored later; the others (answers kept for a retry) are dropped and counted. A row the database refuses
as such never holds up the rows beside it. What is not yet stored when a process is killed outright is lost: at most
the last 100 ms.
"""

from __future__ import annotations

import base64
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Any

import msgspec
from sqlalchemy import Column, Delete, Engine, Insert, LargeBinary, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from cds_service.db import models
from cds_service.db.spool import Row, Spool
from cds_service.telemetry import log

GATHER_S = 0.08
BATCH = 1000
QUEUE = 10_000
RETRY_S = 2.0  # pause after a failed batch before the database is tried again
PURGE_S = 60.0
RETIRED = 5000  # rows of a table taken away at a time: what waits to be stored is never held up for long
DAY_MS = 24 * 3600 * 1000
_REPLACING = ("answer", "quiet")  # a newer row takes the place of an older one; all others keep the first
_EXPIRY = {
    "answer": "expires_at",
    "quiet": "until",
    "token_id": "expires_at",
    "assessment": "expires_at",
    "assessment_job": "expires_at",
    "assessment_snapshot": "expires_at",
}
KEPT_SINCE = {
    "audit_event": "at",
    "feedback": "received_at",
    "issued_card": "issued_at",
}  # kept as long as the site says

KEPT: Mapping[str, int] = dict.fromkeys(KEPT_SINCE, 0)  # days; 0: for good
_log = log(__name__)
Item = tuple[str, Row, bool]
Tap = Callable[[Sequence[Row]], None]
Count = Callable[[str, int], None]


def replacing(table: Table, dialect: str) -> Insert:
    """An insert that takes the place of a row with the same key, unless that one lasts longer."""
    statement = _insert(table, dialect)
    expiry = _EXPIRY.get(table.name)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key},
        where=statement.excluded[expiry] >= table.c[expiry] if expiry else None,
    )


def statements(dialect: str) -> dict[str, Insert]:
    """One idempotent insert a table."""
    return {
        table.name: replacing(table, dialect)
        if table.name in _REPLACING
        else _insert(table, dialect).on_conflict_do_nothing()
        for table in models.metadata.sorted_tables
    }


def _insert(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class Writer:
    """The queue and its thread. ``later`` may be called from any thread and never blocks on the database."""

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        count: Count,
        *,
        queue: int = QUEUE,
        gather: float = GATHER_S,
        keep_days: Mapping[str, int] = KEPT,
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._count = count
        self._limit = queue
        self._gather = gather
        self._keep_days = {name: days for name, days in keep_days.items() if days}
        self._statements = statements(engine.dialect.name)
        self._queue: deque[Item] = deque()
        self._batch: list[Item] = []
        self._handing_over = Lock()
        self._taps: dict[str, Tap] = {}
        self._wake, self._closing, self._idle = Event(), Event(), Event()
        self._rest_until = 0.0
        self._fault = ""
        self._purge_at = time.monotonic() + PURGE_S
        self._thread = Thread(target=self._work, name="database-writer", daemon=True)

    @property
    def depth(self) -> int:
        """Rows waiting in memory."""
        return len(self._queue)

    @property
    def fault(self) -> str:
        """Kind of the last failure to store, '' while storing works."""
        return self._fault

    def tap(self, table: str, call: Tap) -> None:
        """``call`` sees every row of a table as well, in the writer's thread, whatever the database does."""
        self._taps[table] = call

    def start(self) -> None:
        """Begin to store; what an earlier process left in the spool comes first."""
        self._wake.set()
        self._thread.start()

    def later(self, table: str, row: Row, *, durable: bool = True) -> None:
        """Queue a row (all columns of the table). Not durable: it may be dropped when the database is behind."""
        if len(self._queue) >= (self._limit if durable else self._limit // 2):
            self._tell_taps([(table, row, durable)])
            self._keep([(table, row, durable)])
            return
        self._queue.append((table, row, durable))
        if not self._wake.is_set():
            self._wake.set()

    def finish(self, grace: float) -> None:
        """Store what is queued within ``grace`` seconds, put the rest into the spool. Blocks: call it in a thread."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._idle.wait(grace)
        with self._handing_over:
            rest, self._batch = [*self._batch, *self._queue], []
            self._queue.clear()
        self._keep(rest)
        self._spool.close()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(RETRY_S if self._spool.size else PURGE_S)
            self._closing.wait(self._gather)
            self._wake.clear()
            self._drain()
        self._drain()
        self._idle.set()

    def _drain(self) -> None:
        while self._take():
            self._tell_taps(self._batch)
            self._store_or_keep()
            with self._handing_over:
                self._batch = []
        if time.monotonic() >= self._rest_until:
            self._attempt(self._catch_up)

    def _take(self) -> bool:
        with self._handing_over:
            self._batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH))]
        return bool(self._batch)

    def _store_or_keep(self) -> None:
        batch = self._batch
        if time.monotonic() < self._rest_until or not self._attempt(lambda: self._store(batch)):
            self._keep(batch)

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as fault:  # noqa: BLE001 - whatever it was, the rows are kept and this thread goes on
            self._rest_until = time.monotonic() + RETRY_S
            self._count("failed", 1)
            if not self._fault:
                _log.warning("rows are not stored, they wait in the spool", error=type(fault).__name__)
            self._fault = type(fault).__name__
            return False
        if self._fault:
            _log.warning("rows are stored again")
            self._fault = ""
        return True

    def _store(self, batch: Sequence[Item]) -> None:
        try:
            self._execute(batch)
        except StatementError as fault:
            if not _refused(fault):
                raise
            self._store_singly(batch)

    def _execute(self, batch: Sequence[Item]) -> None:
        groups: dict[str, list[Row]] = {}
        for table, row, _ in batch:
            groups.setdefault(table, []).append(row)
        with self._engine.begin() as connection:
            for table, rows in groups.items():
                connection.execute(self._statements[table], rows)
        self._count("written", len(batch))
        self._spool.relieved()

    def _store_singly(self, batch: Sequence[Item]) -> None:
        for item in batch:
            try:
                self._execute([item])
            except StatementError as fault:
                if not _refused(fault):
                    raise
                self._count("rejected", 1)
                _last_resort([item], "rejected")

    def _catch_up(self) -> None:
        if self._spool.size:
            self._count("replayed", self._spool.replay(lambda rows: self._store(_revived(rows))))
        if time.monotonic() >= self._purge_at:
            self._purge_at = time.monotonic() + PURGE_S
            self._purge(int(time.time() * 1000))

    def _purge(self, now: int) -> None:
        with self._engine.begin() as connection:
            for name, expiry in _EXPIRY.items():
                table = models.metadata.tables[name]
                connection.execute(delete(table).where(table.c[expiry] < now))
        for name, days in self._keep_days.items():
            with self._engine.begin() as connection:
                gone = connection.execute(_retire(models.metadata.tables[name], now - days * DAY_MS)).rowcount
            if gone:
                self._count("retired", gone)

    def _tell_taps(self, items: Sequence[Item]) -> None:
        for table, call in self._taps.items():
            if rows := [row for name, row, _ in items if name == table]:
                try:
                    call(rows)
                except OSError:
                    self._count("untold", len(rows))

    def _keep(self, items: Sequence[Item]) -> None:
        durable = [(table, row) for table, row, must in items if must]
        if dropped := len(items) - len(durable):
            self._count("dropped", dropped)
        if not durable:
            return
        kept = self._spool.append(durable)
        if kept:
            self._count("spooled", kept)
        if lost := durable[kept:]:
            self._count("lost", len(lost))
            _last_resort([(table, row, True) for table, row in lost], "lost")


def _retire(table: Table, before: int) -> Delete:
    """Deletes the oldest rows of a table whose time of keeping is over, ``RETIRED`` at most."""
    (key,) = table.primary_key.columns
    since = table.c[KEPT_SINCE[table.name]]
    oldest = select(key).where(since < before).order_by(since).limit(RETIRED)
    return delete(table).where(key.in_(oldest))


def _refused(fault: StatementError) -> bool:
    """True when the database (or the driver) refuses this row as such; false when it is the database that fails."""
    return isinstance(fault, DataError | IntegrityError) or type(fault) is StatementError


def _revived(rows: Sequence[tuple[str, Row]]) -> list[Item]:
    """Rows of the spool as they were queued (JSON writes bytes as base64), cut to the columns this version has."""
    items: list[Item] = []
    for name, row in rows:
        if (table := models.metadata.tables.get(name)) is None:
            continue
        items.append((name, {column.name: _cell(column, row) for column in table.columns}, True))
    return items


def _cell(column: Column[Any], row: Row) -> Any:
    """A column of a revived row; one that an older version did not have is empty."""
    if not isinstance(column.type, LargeBinary):
        return row.get(column.name, "")
    written = row.get(column.name)
    return base64.b64decode(written) if isinstance(written, str) else None


def _last_resort(items: Sequence[Item], fate: str) -> None:
    """No loss is silent: what neither the database nor the disk took is written to standard error. It holds no PHI."""
    lines: list[Any] = [{"fate": fate, "table": table, "row": row} for table, row, _ in items]
    sys.stderr.write("".join(msgspec.json.encode(line).decode() + "\n" for line in lines))
