"""A job queued ahead of need is begun past the queue when a call comes to wait for it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from cds_service.assessments import workflow
from cds_service.assessments.jobs import WAITING, WARM, Jobs, Limits
from cds_service.assessments.store import Store
from cds_service.db.gateway import Gateway
from cds_service.encryption import Cipher
from tests.assessments.running import KEY, jobs_url

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite
FIRST, LATE, PATIENT = ("1" * 32, "2" * 32, "3" * 32)


async def test_a_caller_who_waits_takes_a_queued_job_past_the_queue(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    gateway = Gateway(url, tmp_path)
    await gateway.start()
    gate, begun = asyncio.Event(), []

    async def work(key: str, snapshot: bytes) -> bytes:
        begun.append(key)
        if key == FIRST:
            await gate.wait()
        return snapshot

    counted: list[str] = []
    store = Store(Cipher([KEY]), ttl_s=3600)
    jobs = Jobs(
        gateway,
        store,
        {"text": work},
        url=jobs_url(url, tmp_path),
        limits=Limits(slots=1),
        count=lambda name, _n: counted.append(name),
    )
    jobs.start()
    try:
        async with asyncio.timeout(30):
            while not jobs.ready:  # noqa: ASYNC110 - dbos starts in a thread
                await asyncio.sleep(0.02)
            for key in (FIRST, LATE, PATIENT):
                assert jobs.ask(key, "text:triage", key.encode, WARM) == ""
                while key == FIRST and not begun:  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.8)
            assert begun == [FIRST], "the one slot is taken, the others stand in the queue"
            assert jobs.ask(LATE, "text:triage", LATE.encode, WAITING) == ""
            await jobs.wait(LATE, asyncio.get_running_loop().time() + 5)
        assert store.held(LATE) == LATE.encode()
        assert begun == [FIRST, LATE], "the patient one keeps its place"
        assert counted.count("assessment_jobs:hurried") == 1
    finally:
        gate.set()
        await jobs.close()
        await gateway.close()


async def test_jobs_are_looked_for_seldom_while_no_call_may_wait_and_quickly_again_when_one_may(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    gateway = Gateway(url, tmp_path)
    await gateway.start()
    may_wait = False

    async def work(_key: str, snapshot: bytes) -> bytes:
        return snapshot

    jobs = Jobs(
        gateway,
        Store(Cipher([KEY]), ttl_s=3600),
        {"text": work},
        url=jobs_url(url, tmp_path),
        limits=Limits(beat_s=0.1),
        hurries=lambda: may_wait,
    )
    jobs.start()
    try:
        for wait, expected in ((False, workflow.UNHURRIED_POLL_S), (True, workflow.HURRIED_POLL_S)):
            may_wait = wait
            async with asyncio.timeout(20):
                while await asyncio.to_thread(pace, tmp_path) != expected:  # noqa: ASYNC110 - it stands in dbos's own table
                    await asyncio.sleep(0.1)
    finally:
        await jobs.close()
        await gateway.close()


def pace(folder: Path) -> float | None:
    """How often dbos looks into the queue of those who wait, as its database has it."""
    if not (folder / "jobs.sqlite3").exists():
        return None
    with sqlite3.connect(folder / "jobs.sqlite3") as reader:
        tables = [name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        query = "SELECT polling_interval_sec FROM queues WHERE name = ?"
        found = reader.execute(query, (workflow.HURRIED,)).fetchone() if "queues" in tables else None
    reader.close()
    return float(found[0]) if found else None
