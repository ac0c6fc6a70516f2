"""dbos behind the jobs: its start is tried again, what it gives up is seen, and none of its threads outlives the jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.assessments import durable, workflow
from cds_service.assessments.jobs import LOST, WARM, Jobs, Limits
from cds_service.assessments.store import Store
from cds_service.db.gateway import Gateway
from cds_service.encryption import Cipher
from cds_service.models.faults import BreakerOpen, NotJson, NotReady
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand
from tests.assessments.running import KEY, jobs_url
from tests.services.test_patient_summary_with_a_model import LABEL, detail
from tests.services.test_patient_summary_with_a_model import until as until_

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite
NAME = "1" * 32
LIMITS = Limits(beat_s=0.2, stale_s=0.5)
OF_DBOS = ("dbos", "queue-worker", "_run_event_loop", "run_notification_listener", "queue_thread", "scheduler_loop")


class Told:
    """What the jobs counted and how they ended."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self.ended: list[tuple[str, str, str]] = []


@asynccontextmanager
async def running(
    folder: Path,
    told: Told,
    *,
    url: str = "",
    limits: Limits = LIMITS,
    before: Callable[[Jobs], None] = lambda _jobs: None,
) -> AsyncIterator[Jobs]:
    url = url or f"sqlite:///{folder / 'cds.sqlite3'}"
    gateway = Gateway(url, folder)
    await gateway.start()

    async def work(_key: str, snapshot: bytes) -> bytes:
        return snapshot

    jobs = Jobs(
        gateway,
        Store(Cipher([KEY]), ttl_s=3600),
        {"text": work},
        url=jobs_url(url, folder),
        limits=limits,
        count=lambda name, _n: told.counted.append(name),
        ended=lambda _key, task, state, reason: told.ended.append((task, state, reason)),
    )
    before(jobs)
    jobs.start()
    try:
        yield jobs
    finally:
        await jobs.close()
        await gateway.close()


async def until(found: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not found():  # noqa: ASYNC110 - dbos works in threads
            await asyncio.sleep(0.02)


def threads_of_dbos() -> list[str]:
    return [thread.name for thread in threading.enumerate() if any(part in thread.name for part in OF_DBOS)]


@pytest.mark.parametrize("moment", ["at once", "while it starts", "when it runs"])
async def test_no_thread_of_dbos_is_left_when_the_jobs_are_closed(tmp_path: Path, moment: str) -> None:
    async with running(tmp_path, Told()) as jobs:
        if moment == "while it starts":
            await until(lambda: jobs._durable._launching is not None)
        elif moment == "when it runs":
            await until(lambda: jobs.ready)
            assert threads_of_dbos()
    assert not threads_of_dbos()


async def test_a_database_that_cannot_be_opened_is_tried_again_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "FIRST_PAUSE_S", 0.1)
    file, told = tmp_path / "jobs.sqlite3", Told()
    file.write_bytes(b"this is no database, it only has the name of one" * 100)
    async with running(tmp_path, told) as jobs:
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == durable.STARTING
        await until(lambda: told.counted.count("assessment_jobs:not started") >= 2)
        assert jobs.standing() == durable.UNOPENED
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == durable.UNOPENED
        file.unlink()
        await until(lambda: jobs.ready)
        assert jobs.standing() == ""
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == ""
        await until(lambda: told.ended == [("text:triage", "done", "")])


async def test_row_43_a_job_that_dbos_itself_ends_in_an_error_is_given_up_where_everybody_sees_it(
    tmp_path: Path,
) -> None:
    told = Told()

    async def breaks(_workflow: str, _last: bool) -> str:
        raise RuntimeError("a fault between dbos and the attempt")

    def sabotage(jobs: Jobs) -> None:
        jobs._from_thread = breaks  # type: ignore[method-assign]

    async with running(tmp_path, told, before=sabotage) as jobs:
        await until(lambda: jobs.ready)
        assert jobs.ask(NAME, "text:triage", NAME.encode, WARM) == ""
        await until(lambda: told.ended)
        await asyncio.sleep(0.6)
        assert told.ended == [("text:triage", "failed", LOST)], "and that once"
        assert told.counted.count("assessment_jobs:failed") == 1
        assert not jobs.has(NAME)
        found = await jobs.look([NAME], asyncio.get_running_loop().time() + 2)
        assert (found[NAME].state, found[NAME].reason) == ("failed", LOST)


async def test_a_job_under_way_for_long_is_left_to_itself(tmp_path: Path) -> None:
    told = Told()
    async with running(tmp_path, told) as jobs:
        gate = asyncio.Event()

        async def slow(_key: str, snapshot: bytes) -> bytes:
            await gate.wait()
            return snapshot

        jobs._works = {"text": slow}
        await until(lambda: jobs.ready)
        jobs.ask(NAME, "text:triage", NAME.encode, WARM)
        await asyncio.sleep(2.5)  # several times what counts as untouched
        assert not told.ended
        gate.set()
        await until(lambda: told.ended == [("text:triage", "done", "")])


@pytest.mark.parametrize(
    ("faults", "ends"),
    [
        ([NotReady(), BreakerOpen(), NotReady()], ["shed"]),
        ([NotJson()], ["failed"]),
    ],
    ids=["engine away", "bad answer"],
)
async def test_only_what_speaks_against_the_question_itself_keeps_it_from_being_asked_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[Exception], ends: list[str]
) -> None:
    monkeypatch.setattr(workflow, "BACKOFF_S", (0.05, 0.05))
    told = Told()
    async with running(tmp_path, told, limits=Limits()) as jobs:

        async def work(_key: str, snapshot: bytes) -> bytes:
            if faults:
                raise faults.pop(0)
            return snapshot

        jobs._works = {"text": work}
        await until(lambda: jobs.ready)
        jobs.ask(NAME, "text:triage", NAME.encode, WARM)
        await until(lambda: told.ended)
        jobs.ask(NAME, "text:triage", NAME.encode, WARM)
        await until(lambda: not jobs.has(NAME))
        assert [state for _, state, _ in told.ended] == ends + ["done"] * (ends == ["shed"])


async def test_with_all_ai_off_what_was_queued_before_is_not_made_and_may_be_asked_for_again_once_it_is_on(
    tmp_path: Path,
) -> None:
    told = Told()
    async with running(tmp_path, told, limits=Limits()) as jobs:
        off = [True]
        jobs._off = lambda: off[0]
        await until(lambda: jobs.ready)
        for task in ("text:triage", "image:read"):
            jobs.ask(NAME, task, NAME.encode, WARM)
            await until(lambda: told.ended)
            assert told.ended.pop() == (task, "shed", "the AI part was switched off")
        off[0] = False
        jobs.ask(NAME, "text:triage", NAME.encode, WARM)
        await until(lambda: told.ended == [("text:triage", "done", "")])


def test_readiness_tells_how_the_jobs_stand_and_the_service_answers_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "FIRST_PAUSE_S", 0.1)
    file = tmp_path / "jobs.sqlite3"
    file.write_bytes(b"this is no database, it only has the name of one" * 100)
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path), Stand(Double()))) as client:
        until_(lambda: client.get("/readyz").json()["jobs"] == durable.UNOPENED, 60)
        assert client.get("/readyz").status_code == 200
        assert f"could not be prepared: {durable.UNOPENED}" in detail(client)
        file.unlink()
        until_(lambda: client.get("/readyz").json()["jobs"] == "ok", 60)
        until_(lambda: LABEL in detail(client), 60)
