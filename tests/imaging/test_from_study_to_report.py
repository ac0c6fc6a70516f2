"""From the simulator's pneumonia patient to a draft: DICOMweb, pixels, a model of random weights, the card. Never a canned read."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import create_app
from cds_service.call import Ask
from cds_service.calling import Caller
from cds_service.demo import _free_port
from cds_service.serve import server
from cds_service.settings import Settings
from tests.models.in_process.checkpoints import tiny_multimodal

PATIENT = "demo-pneumonia"


@asynccontextmanager
async def demo(state: Path, **settings: Any) -> AsyncIterator[str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    app = create_app(Settings(mode="demo", imaging=True, public_url=url, state_dir=state, **settings))
    running = server(app, "127.0.0.1", port)
    serving = asyncio.create_task(running.serve())
    try:
        while not running.started:  # noqa: ASYNC110 - uvicorn tells by this flag alone
            await asyncio.sleep(0.02)
        yield url
    finally:
        running.should_exit = True
        await serving


async def imaging_card(caller: Caller, base: str) -> dict[str, Any]:
    ask = Ask(hook="patient-view", service="imaging-read", patient=PATIENT, fhir_server=f"{base}/simulator/fhir")
    status, body = await caller.call(ask)
    assert status == 200
    card: dict[str, Any] = body["cards"][0]
    return card


async def test_without_an_image_model_the_demo_patients_study_is_said_to_be_unread(tmp_path: Path) -> None:
    async with demo(tmp_path) as base, Caller(base) as caller:
        card = await imaging_card(caller, base)
    assert "no image model is configured" in card["summary"]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dbos, about its own query
@pytest.mark.long
async def test_the_demo_patients_study_is_read_by_test_weights_and_ends_as_a_draft_or_a_refusal_that_says_so(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(tiny_multimodal(tmp_path_factory.getbasetemp() / "checkpoints"), weights)
    config = weights / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "test_weights": True}))
    options = {"image_engine": "in-process", "image_model": str(weights)}
    async with demo(tmp_path / "state", **options) as base, Caller(base) as caller:
        until, seen = time.monotonic() + 240, []
        while time.monotonic() < until:
            card = await imaging_card(caller, base)
            if card["summary"] not in seen:
                seen.append(card["summary"])
            if "TEST WEIGHTS" in card["summary"]:
                break
            await asyncio.sleep(2)
    assert card["summary"].startswith("TEST WEIGHTS, not a read"), (seen, card["detail"])
    assert "know nothing of images" in card["detail"]
    assert card.get("suggestions", []) == []
    assert "/review/" in card["links"][0]["url"]
