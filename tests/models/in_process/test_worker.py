"""The life of the worker process: loading, dying, coming back, being asked to stop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service.models.engine import Request
from cds_service.models.faults import ConnectionFault, EngineRefused, EngineTimeout, NotReady, Unsupported
from cds_service.models.in_process import engine as seen
from cds_service.models.in_process.engine import InProcess
from cds_service.models.in_process.wire import Progress, Working
from tests.models.in_process.conftest import LOADED_S, loading
from tests.models.in_process.schemas import summary

pytestmark = pytest.mark.asyncio(loop_scope="session")
LONG = Request(prompt="Go on.", max_tokens=6000)  # minutes of decoding, unless it is stopped
SHORT = Request(prompt="Short.", schema=summary(statements=1), max_tokens=300)


async def test_a_dead_or_hanging_worker_fails_its_requests_at_once_and_comes_back(
    text_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "BACKOFF_S", (0.05,))
    stages: list[Progress] = []
    engine = InProcess(loading(text_checkpoint), progress=stages.append)
    with pytest.raises(NotReady):
        await engine.generate(SHORT)
    with pytest.raises(NotReady, match="loading"):
        await engine.probe()
    await engine.ready(LOADED_S)
    assert [stage.stage for stage in stages] == ["fingerprint", "libraries", "weights", "ready"]
    await engine.probe()
    assert engine.identity.revision.startswith("local-")
    assert "/" not in engine.identity.model  # the path of a checkpoint is on no card and in no Device
    before = (await engine.generate(SHORT)).text
    doomed = [asyncio.create_task(engine.generate(LONG)) for _ in range(3)]
    await asyncio.sleep(0.3)
    os.kill(engine.pid, signal.SIGKILL)
    async with asyncio.timeout(2):
        ends = await asyncio.gather(*doomed, return_exceptions=True)
    assert all(isinstance(end, ConnectionFault) for end in ends), ends
    assert engine.state == "loading"
    await engine.ready(LOADED_S)
    assert (await engine.generate(SHORT)).text == before
    hung = engine.pid
    os.kill(hung, signal.SIGSTOP)  # as a device that never answers
    with monkeypatch.context() as patched:
        patched.setattr(seen, "HUNG_S", 0.3)
        with pytest.raises(ConnectionFault, match="hung"):
            await engine.probe()
    async with asyncio.timeout(10):
        while engine.pid in (0, hung):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    assert engine.state == "loading"
    os.kill(engine.pid, signal.SIGKILL)  # that it loads again was seen above
    await engine.aclose()
    assert engine.pid == 0


async def test_cancelling_the_caller_stops_the_work_and_frees_its_slot(text_engine: InProcess) -> None:
    going = asyncio.create_task(text_engine.generate(LONG))
    await asyncio.sleep(0.3)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    async with asyncio.timeout(5):  # the long one would have held the model for a minute
        assert (await text_engine.generate(SHORT)).finish_reason == "stop"


async def test_a_refused_request_spoils_no_other_of_its_batch(text_engine: InProcess) -> None:
    bad = Request(prompt="x", schema={"type": "array", "uniqueItems": True, "maxItems": 1}, max_tokens=50)
    good, refused = await asyncio.gather(text_engine.generate(SHORT), text_engine.generate(bad), return_exceptions=True)
    assert isinstance(refused, Unsupported)
    assert not isinstance(good, BaseException)


async def test_weights_that_are_no_safetensors_are_refused_with_what_to_do(
    text_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(text_checkpoint, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    engine = InProcess(loading(folder))
    await engine.start()
    with pytest.raises(EngineRefused, match="safetensors"):
        await engine.ready(LOADED_S)
    assert engine.state == "failed"
    await engine.aclose()


async def test_a_model_that_is_not_on_the_machine_is_not_fetched_without_leave(tmp_path: Path) -> None:
    engine = InProcess(loading(Path("google/medgemma-27b-text-it")))
    await engine.start()
    with pytest.raises(EngineRefused, match="is not on this machine"):
        await engine.ready(LOADED_S)
    await engine.aclose()


async def test_a_decoder_that_loses_the_grammar_or_its_memory_gives_a_fault_or_every_answer(
    text_checkpoint: Path,
) -> None:
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.models.in_process.sabotage", str(text_checkpoint)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout)
    kinds = told["lost"]
    assert kinds[0] == "stop"
    assert len(kinds) == 4
    assert "stop" not in kinds[1:], kinds
    assert told["narrow"] == ["stop"] * 3, "a batch that does not fit is answered row by row"
    assert told["most"] == [1], "the next ones are not so many"
    assert told["freed"] == [True] * 3, "and what filled the memory is let go of first"


async def test_a_look_at_the_engine_does_not_shorten_the_pause_before_a_restart(
    text_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "BACKOFF_S", (60.0,))
    engine = InProcess(loading(text_checkpoint))
    await engine.start()
    os.kill(engine.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while engine.pid:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    with pytest.raises(NotReady):
        await engine.probe()
    assert engine.pid == 0
    await engine.aclose()


async def test_a_worker_that_is_only_busy_is_left_alone(
    text_engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_request: Request) -> None:
        text_engine._told(Working())
        await asyncio.Event().wait()

    monkeypatch.setattr(text_engine, "generate", busy)
    monkeypatch.setattr(seen, "HUNG_S", 0.05)
    pid = text_engine.pid
    with pytest.raises(EngineTimeout, match="busy"):
        await text_engine.probe()
    monkeypatch.undo()
    assert (text_engine.pid, text_engine.state) == (pid, "ready")
    assert (await text_engine.generate(SHORT)).finish_reason == "stop"


async def test_a_worker_that_could_not_be_started_is_started_by_the_next_look(
    text_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = InProcess(loading(text_checkpoint))

    async def none(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "create_subprocess_exec", none)
        with pytest.raises(ConnectionFault, match="temporarily unavailable"):
            await engine.probe()
    with pytest.raises(NotReady, match="loading"):
        await engine.probe()
    os.kill(engine.pid, signal.SIGKILL)
    await engine.aclose()


async def test_a_checkpoint_without_images_is_no_image_engine(
    text_engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_engine, "_wants_images", True)
    with pytest.raises(EngineRefused, match="takes no images"):
        await text_engine.probe()


async def test_a_folder_that_is_not_the_pinned_revision_is_refused_and_says_what_it_is(text_checkpoint: Path) -> None:
    engine = InProcess(loading(text_checkpoint, revision="0123abcd"))
    await engine.start()
    with pytest.raises(EngineRefused, match=r"holds local-[0-9a-f]{12}, not the pinned revision"):
        await engine.ready(LOADED_S)
    await engine.aclose()
