"""Row 36: out of memory or accelerator lost under the model. Its requests fail at once, the breaker opens, the service stays ready."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from cds_service.models.engine import Request
from cds_service.models.faults import BreakerOpen, ConnectionFault, EngineUnavailable, NotReady
from cds_service.models.in_process import engine as seen
from cds_service.models.in_process.engine import InProcess
from cds_service.models.wrappers.breaker import Breaker
from tests.models.in_process.checkpoints import tiny_text
from tests.models.in_process.conftest import LOADED_S, loading


async def test_row_36_a_lost_worker_drains_its_queue_and_opens_the_breaker(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "BACKOFF_S", (30.0,))
    checkpoint: Path = tiny_text(tmp_path_factory.mktemp("checkpoint"))
    engine = InProcess(loading(checkpoint))
    await engine.start()
    await engine.ready(LOADED_S)
    breaker = Breaker(engine)
    queued = [asyncio.create_task(breaker.generate(Request(prompt="Go on.", max_tokens=6000))) for _ in range(20)]
    await asyncio.sleep(0.3)
    os.kill(engine.pid, signal.SIGKILL)  # what the kernel does to a process that takes too much
    async with asyncio.timeout(2):
        ends = await asyncio.gather(*queued, return_exceptions=True)
    assert all(isinstance(end, ConnectionFault) for end in ends), ends
    assert breaker.state == "open"
    with pytest.raises((BreakerOpen, NotReady)) as refused:
        await breaker.generate(Request(prompt="And now?"))
    assert isinstance(refused.value, EngineUnavailable)
    assert engine.state == "loading", "it is coming back (tests/models/in_process/test_worker.py sees it answer again)"
    await engine.aclose()
