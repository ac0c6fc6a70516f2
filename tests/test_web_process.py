"""What the web process may never do: load the heavy libraries, or stand still while a call is answered."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller
from cds_service.commands.demo import embedded
from cds_service.web.simulator.patients import load_patients

BLOCKED_S = 0.25  # far above the few milliseconds a callback takes, far below what a clinician would notice

ANSWER_EVERYTHING = """
import asyncio, sys
from pathlib import Path
from cds_service.app import heavy_modules
from cds_service.commands.demo import embedded
from tests.test_web_process import call_everything

async def main():
    async with embedded(Path(sys.argv[1])) as base:
        await call_everything(base)
        print("heavy:", *heavy_modules())
        tracing = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests")
        print("tracing:", *(name for name in tracing if name in sys.modules))

asyncio.run(main())
"""


async def call_everything(base: str) -> None:
    """Every hook of every demo patient, imaging on."""
    async with Caller(base) as caller:
        for patient in load_patients(datetime.now(UTC)):
            for hook in ("patient-view", "order-select", "order-sign"):
                if hook != "patient-view" and patient.draft_orders is None:
                    continue
                ask = Ask(
                    hook=hook,
                    patient=patient.id,
                    fhir_server=f"{base}/simulator/fhir",
                    draft_orders=patient.draft_orders if hook != "patient-view" else None,
                )
                for entry in (await caller.services()).services:
                    if entry.hook == hook:
                        status, _ = await caller.call(_at(ask, entry.id))
                        assert status == 200, (patient.id, entry.id)


def _at(ask: Ask, service: str) -> Ask:
    return Ask(**{name: getattr(ask, name) for name in ask.__struct_fields__} | {"service": service})


def test_the_web_process_answers_every_hook_without_loading_a_heavy_library(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", ANSWER_EVERYTHING, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "heavy:" in done.stdout.splitlines()
    assert "tracing:" in done.stdout.splitlines(), "nothing of it while it is off"


async def test_no_call_blocks_the_event_loop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = BLOCKED_S
    async with embedded(tmp_path) as base:
        loop.set_debug(True)
        with caplog.at_level(logging.WARNING, logger="asyncio"):
            await call_everything(base)
        loop.set_debug(False)
    slow = [record.getMessage() for record in caplog.records if "took" in record.getMessage()]
    assert not slow


async def test_the_detector_sees_a_callback_that_blocks(caplog: pytest.LogCaptureFixture) -> None:
    import time

    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 0.01
    loop.set_debug(True)
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        loop.call_soon(time.sleep, 0.05)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    loop.set_debug(False)
    assert any("took" in record.getMessage() for record in caplog.records)
