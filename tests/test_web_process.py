"""What the web process may never do: load the heavy libraries, or stand still while a call is answered."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller
from cds_service.commands.embedded import embedded
from cds_service.services.assessed import DRAFTED
from cds_service.web.simulator.patients import load_patients
from tests.commands.test_demo_with_a_model import quotes_a_fact
from tests.models.answering_engine import Server, serving

BLOCKED_S = 0.25  # far above the few milliseconds a callback takes, far below what a clinician would notice

# Their work is done in processes of its own: none of them may be loaded where calls are answered.
HEAVY = {
    "PIL", "_gdcm", "accelerate", "alembic", "fhir", "gdcm", "highdicom", "huggingface_hub", "jsonschema", "llguidance",
    "numpy", "openjpeg", "pydicom", "pylibjpeg", "reportlab", "rle", "safetensors", "tokenizers", "torch", "transformers",
}  # fmt: skip
TRACING = {
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "google.protobuf",
    "requests",
}  # nothing of it while it is off
JOBS = {"dbos"}  # only where there is a model, whose answers jobs wait for

PROCESS = """
import asyncio, sys
from pathlib import Path
from cds_service.commands.embedded import embedded
from tests import test_web_process

async def main():
    async with embedded(Path(sys.argv[1])) as base:
        await getattr(test_web_process, sys.argv[2])(base)
        print("loaded:", *sys.modules)

asyncio.run(main())
"""


def loaded(folder: Path, calls: str, **environment: str) -> set[str]:
    """The modules of a service of its own process that has answered the ``calls``."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(folder), calls],
        cwd=Path(__file__).resolve().parents[1],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded: ")]
    return set(line.split()[1:])


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


async def until_drafted(base: str) -> None:
    """One chart, opened until its summary is the model's."""
    ask = Ask(hook="patient-view", patient="demo-sepsis", fhir_server=f"{base}/simulator/fhir")
    async with asyncio.timeout(60), Caller(base) as caller:
        while True:
            status, body = await caller.call(_at(ask, "patient-summary"))
            assert status == 200
            if any(DRAFTED in card["source"]["label"] for card in body["cards"]):
                return
            await asyncio.sleep(0.1)


def test_the_web_process_answers_every_hook_without_loading_a_heavy_library(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "call_everything")
    assert "sqlalchemy" in modules, "the answer is of a service that ran"
    assert not modules & (HEAVY | TRACING | JOBS)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite
def test_a_model_brings_its_jobs_into_the_web_process_and_no_heavy_library(tmp_path: Path) -> None:
    with serving(Server(quotes_a_fact)) as server:
        engine = {"CDS_TEXT_ENGINE": "openai", "CDS_TEXT_BASE_URL": server.url, "CDS_TEXT_MODEL": "tiny"}
        modules = loaded(tmp_path, "until_drafted", **engine)
    assert modules >= JOBS
    assert not modules & (HEAVY | TRACING)


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
