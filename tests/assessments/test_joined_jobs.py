"""A caller who joins a job that ends elsewhere, or has ended before, learns of its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cds_service.assessments.jobs import WARM, Limits
from tests.assessments.test_durable_jobs import NAME, Told, running, until
from tests.assessments.test_killed_processes import process, until_ready
from tests.db.postgres import Cluster

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite


async def test_a_job_that_ended_in_an_earlier_life_is_not_called_under_way(tmp_path: Path) -> None:
    first, second = Told(), Told()
    async with running(tmp_path, first) as jobs:
        await until(lambda: jobs.ready)
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == ""
        await until(lambda: first.ended)
    async with running(tmp_path, second) as jobs:
        await until(lambda: jobs.ready)
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == ""
        await until(lambda: not jobs.has(NAME))
        assert "assessment_jobs:joined" in second.counted
        found = await jobs.look([NAME], asyncio.get_running_loop().time() + 5)
        assert found[NAME].sealed


@pytest.mark.integration
async def test_a_job_of_another_replica_is_not_called_under_way_once_it_has_ended(
    tmp_path: Path, postgres: Cluster
) -> None:
    database = postgres.database()
    keys = [str(n) * 32 for n in range(1, 7)]
    with process(database, tmp_path, *keys, seconds=0.5) as other:
        until_ready(other)
        limits = Limits(slots=1, beat_s=0.2, stale_s=30)
        async with running(tmp_path, Told(), url=database, limits=limits) as jobs:
            await until(lambda: jobs.ready)
            for key in keys:
                assert jobs.ask(key, "text:record-summary", key.encode, WARM) == ""
            await until(lambda: not any(jobs.has(key) for key in keys))
            found = await jobs.look(keys, asyncio.get_running_loop().time() + 5)
            assert [found[key].state for key in keys] == ["done"] * len(keys)
