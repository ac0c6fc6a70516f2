"""What is kept for as long as the site says: audit events, feedback and issued cards older than that go, all others stay."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Connection, LargeBinary, insert, select

from cds_service.db import models, writer
from cds_service.db.gateway import Gateway
from cds_service.settings import Settings

DAY = writer.DAY_MS
TABLES = tuple(writer.KEPT_SINCE)


def made(table: str, identity: str, age_days: float) -> dict[str, Any]:
    """A row of any of the three tables, ``age_days`` old."""
    blank = {BigInteger: 0, Boolean: False, LargeBinary: None}
    (key,) = models.metadata.tables[table].primary_key.columns
    row = {c.name: blank.get(type(c.type), "") for c in models.metadata.tables[table].columns}
    return row | {key.name: identity, writer.KEPT_SINCE[table]: int(time.time() * 1000 - age_days * DAY)}


async def left(url: str, folder: Path, keep_days: Mapping[str, int], counts: Counter[str]) -> dict[str, set[str]]:
    """What each table holds after rows of 40, 20 and 0 days were looked through."""
    gateway = Gateway(url, folder, keep_days=keep_days, count=lambda name, n: counts.update({name: n}))
    await gateway.start()

    def fill(connection: Connection) -> None:
        for table in TABLES:
            rows = [made(table, f"{age}", age) for age in (40, 20)]
            connection.execute(insert(models.metadata.tables[table]), rows)

    def keys(connection: Connection) -> dict[str, set[str]]:
        return {
            table: set(connection.execute(select(*models.metadata.tables[table].primary_key.columns)).scalars())
            for table in TABLES
        }

    await gateway.run(fill, deadline=asyncio.get_running_loop().time() + 5)
    for table in TABLES:
        gateway.later(table, made(table, "0", 0))
    gone = {0: 0, 10: 2, 30: 1}
    until = asyncio.get_running_loop().time() + 10
    while counts["written"] < len(TABLES) or counts["retired"] < sum(gone[days] for days in keep_days.values()):
        assert asyncio.get_running_loop().time() < until, counts
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # another look through changes nothing
    found = await gateway.run(keys, deadline=asyncio.get_running_loop().time() + 5)
    await gateway.close()
    return found


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    monkeypatch.setattr(writer, "PURGE_S", 0.1)
    return Counter()


async def test_rows_older_than_the_site_keeps_them_go_and_the_younger_stay(
    database_url: str, tmp_path: Path, counts: Counter[str]
) -> None:
    keep = Settings(keep_audit_days=30, keep_feedback_days=10, keep_cards_days=0, state_dir=tmp_path).keep_days
    assert await left(database_url, tmp_path, keep, counts) == {
        "audit_event": {"20", "0"},
        "feedback": {"0"},
        "issued_card": {"40", "20", "0"},
    }
    assert counts["retired"] == 3


async def test_a_long_backlog_goes_in_portions(
    database_url: str, tmp_path: Path, counts: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETIRED", 1)
    assert await left(database_url, tmp_path, dict.fromkeys(TABLES, 10), counts) == {table: {"0"} for table in TABLES}
    assert counts["retired"] == 6


@pytest.mark.parametrize("name", ["keep_audit_days", "keep_feedback_days", "keep_cards_days"])
def test_by_default_nothing_goes_and_a_negative_time_is_refused(name: str) -> None:
    assert set(Settings().keep_days.values()) == {0}
    with pytest.raises(ValueError, match=name):
        Settings(**{name: -1})
