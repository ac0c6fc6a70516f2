"""The gateway: under a deadline, bounded, and never in the way of the event loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text
from structlog.testing import capture_logs

from cds_service.db import models
from cds_service.db.breaker import Breaker, State
from cds_service.db.gateway import THREADS, WAITING, DatabaseUnavailable, Gateway
from cds_service.errors import ConfigurationError
from tests.db.rows import audit_row, quiet_row


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.fixture
def counts() -> Counter[str]:
    return Counter()


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path, counts: Counter[str]) -> AsyncIterator[Gateway]:
    made = Gateway(database_url, tmp_path, count=lambda name, n: counts.update({name: n}))
    await made.start()
    yield made
    await made.close()


def rows_of(table: str) -> Callable[[Connection], list[dict[str, Any]]]:
    return lambda connection: [
        dict(row) for row in connection.execute(select(models.metadata.tables[table])).mappings()
    ]


async def test_a_transaction_gives_its_result(gateway: Gateway) -> None:
    assert await gateway.run(lambda c: c.execute(text("SELECT 1")).scalar_one(), deadline=soon()) == 1


async def test_a_transaction_that_raises_leaves_nothing_behind(gateway: Gateway) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(models.quiet), quiet_row())
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await gateway.run(half, deadline=soon())
    assert await gateway.run(rows_of("quiet"), deadline=soon()) == []
    assert gateway.breaker.state is State.CLOSED


async def test_a_hung_database_costs_the_caller_its_deadline_and_the_loop_nothing(gateway: Gateway) -> None:
    release = threading.Event()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await gateway.run(lambda _: release.wait(30), deadline=soon(0.2))
    waited = time.monotonic() - started
    ticking.cancel()
    release.set()
    assert ticks >= 5
    assert waited < 5


async def test_after_repeated_time_outs_calls_fail_at_once_until_a_probe_succeeds(gateway: Gateway) -> None:
    release = threading.Event()
    now = [0.0]
    gateway.breaker = Breaker(failures=3, rest=2.0, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await gateway.run(lambda _: release.wait(30), deadline=soon(0.03))
    assert gateway.breaker.state is State.OPEN
    asked: list[int] = []
    with pytest.raises(DatabaseUnavailable):
        await gateway.run(lambda _: asked.append(1), deadline=soon())
    assert asked == []
    release.set()
    now[0] = 3.0
    assert await gateway.run(lambda _: "probe", deadline=soon()) == "probe"
    assert gateway.breaker.state is State.CLOSED


async def test_a_caller_without_time_left_does_not_open_the_breaker(gateway: Gateway) -> None:
    for _ in range(10):
        with pytest.raises(DatabaseUnavailable):
            await gateway.run(lambda _: time.sleep(0.05), deadline=soon(-1))
    assert gateway.breaker.state is State.CLOSED


async def test_waiting_calls_are_bounded(gateway: Gateway) -> None:
    release = threading.Event()
    gateway.breaker = Breaker(failures=1000)
    calls = [
        asyncio.create_task(gateway.run(lambda _: release.wait(30), deadline=soon(10)))
        for _ in range(THREADS + WAITING + 10)
    ]
    await asyncio.sleep(0.1)
    refused = [call for call in calls if call.done()]
    release.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert len(refused) >= 9  # a thread may not have taken its call yet
    assert sum(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes) == len(refused)
    assert outcomes.count(True) == len(calls) - len(refused)


async def test_a_cancelled_caller_frees_its_place_in_the_line(gateway: Gateway) -> None:
    release = threading.Event()
    running = [asyncio.create_task(gateway.run(lambda _: release.wait(30), deadline=soon(10))) for _ in range(THREADS)]
    await asyncio.sleep(0.05)
    done: list[int] = []
    waiting = asyncio.create_task(gateway.run(lambda _: done.append(1), deadline=soon(10)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    release.set()
    await asyncio.gather(*running)
    assert await gateway.run(lambda _: "after", deadline=soon()) == "after"
    assert done == []


async def test_queued_rows_are_stored_off_the_request_path(gateway: Gateway, counts: Counter[str]) -> None:
    for number in range(2500):
        gateway.later("audit_event", audit_row(f"event-{number}"))
    await gateway.close()
    other = Gateway(gateway.engine.url.render_as_string(hide_password=False), Path("unused"))
    stored = await other.run(
        lambda c: c.execute(select(func.count()).select_from(models.audit_event)).scalar(), deadline=soon()
    )
    await other.close()
    assert stored == 2500
    assert counts["written"] == 2500


async def test_a_row_queued_twice_is_stored_once(gateway: Gateway) -> None:
    gateway.later("audit_event", audit_row("same"))
    gateway.later("audit_event", audit_row("same"))
    await stored(gateway, "audit_event", 1)


async def test_of_two_quiet_rows_the_one_that_lasts_longer_stays(gateway: Gateway) -> None:
    gateway.later("quiet", quiet_row(until=2_000, sealed=b"2"))
    gateway.later("quiet", quiet_row(until=1_000, sealed=b"1"))
    (row,) = await stored(gateway, "quiet", 1)
    assert (row["until"], row["sealed"]) == (2_000, b"2")


async def test_a_row_the_database_refuses_does_not_hold_up_the_others(
    gateway: Gateway, counts: Counter[str], capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.later("audit_event", audit_row("one"))
    gateway.later("audit_event", {**audit_row("two"), "kind": None})
    gateway.later("audit_event", audit_row("three"))
    rows = await stored(gateway, "audit_event", 2)
    assert {row["id"] for row in rows} == {"one", "three"}
    assert counts["rejected"] == 1
    assert '"fate":"rejected"' in capsys.readouterr().err


def test_a_database_that_goes_and_comes_back_is_logged_once_each(tmp_path: Path) -> None:
    writer = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)._writer

    def away() -> None:
        raise OSError("not a word of this")

    with capture_logs() as lines:
        for work in (away, away, lambda: None, lambda: None):
            writer._attempt(work)
    assert [(line["log_level"], line.get("error")) for line in lines] == [("warning", "OSError"), ("warning", None)]
    assert "not a word" not in repr(lines)


async def test_the_start_fails_with_the_setting_to_look_at_when_the_database_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "cds.sqlite3").write_bytes(b"this is no database, it is a text file" * 50)
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    with pytest.raises(ConfigurationError, match="CDS_DATABASE_URL"):
        await gateway.start()
    await gateway.close()


async def test_sqlite_is_opened_for_readers_beside_a_writer(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    await gateway.start()

    def pragmas(connection: Connection) -> list[Any]:
        return [
            connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "synchronous", "busy_timeout")
        ]

    assert await gateway.run(pragmas, deadline=soon()) == ["wal", 1, 2000]
    await gateway.close()


async def test_a_row_an_older_version_spooled_is_stored_without_what_this_version_seals(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    old = {c.name: "a" for c in models.issued_card.columns if c.name != "shown"} | {"issued_at": 1}
    line = json.dumps(["issued_card", old | {"quiet": '{"who": "a", "findings": [["b", 28.6]]}'}])
    (tmp_path / "spool" / "left.jsonl").write_text(line + "\n")
    gateway = Gateway(f"sqlite:///{tmp_path / 'a.sqlite3'}", tmp_path)
    await gateway.start()
    assert await stored(gateway, "issued_card", 1) == [old | {"shown": None}]
    await gateway.close()


async def test_closing_with_a_locked_database_keeps_the_rows_in_the_spool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    gateway = Gateway(url, tmp_path)
    await gateway.start()
    locker = sqlite3.connect(tmp_path / "cds.sqlite3", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    gateway.later("audit_event", audit_row("kept"))
    await gateway.close(grace=0.3)
    assert gateway.spooled > 0
    locker.execute("ROLLBACK")
    locker.close()
    again = Gateway(url, tmp_path)
    await again.start()
    rows = await stored(again, "audit_event", 1)
    assert rows[0]["id"] == "kept"
    await again.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def stored(gateway: Gateway, table: str, at_least: int) -> list[dict[str, Any]]:
    """The rows of a table once there are ``at_least`` so many and the queue is empty."""
    for _ in range(100):
        rows = await gateway.run(rows_of(table), deadline=soon())
        if len(rows) >= at_least and gateway.depth == 0:
            await asyncio.sleep(0.15)
            return await gateway.run(rows_of(table), deadline=soon())
        await asyncio.sleep(0.05)
    raise AssertionError(f"{table} never held {at_least} rows")


async def test_a_gateway_that_was_closed_says_so_when_it_is_started_again_and_does_not_hang(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    await gateway.start()
    await gateway.close()
    with pytest.raises(RuntimeError, match="closed"):
        async with asyncio.timeout(5):
            await gateway.start()
