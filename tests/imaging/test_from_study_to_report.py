"""From the simulator's pneumonia patient to a report: DICOMweb, pixels, a model, the card, the review page, the record."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from cds_service.app import create_app
from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller
from cds_service.commands.embedded import free_port
from cds_service.models import engines
from cds_service.serve import server
from cds_service.settings import Settings, Subscription
from tests.imaging.image_engines import Probeable
from tests.models.in_process.checkpoints import tiny_multimodal

PATIENT = "demo-pneumonia"


@asynccontextmanager
async def demo(state: Path, **settings: Any) -> AsyncIterator[str]:
    port = free_port()
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


async def until(summary: str, caller: Caller, base: str, seconds: float) -> dict[str, Any]:
    """The card once its summary begins so."""
    end, seen = time.monotonic() + seconds, list[str]()
    while time.monotonic() < end:
        card = await imaging_card(caller, base)
        if card["summary"].startswith(summary):
            return card
        seen.append(card["summary"])
        await asyncio.sleep(0.25)
    raise AssertionError(f"no card '{summary}' in {seconds} s: {set(seen)}, {card['detail']}")


async def record(client: httpx2.AsyncClient, kind: str, mark: str) -> list[dict[str, Any]]:
    """Resources of a type in the simulator's store that hold a mark anywhere."""
    found = (await client.get(f"/simulator/fhir/{kind}?_count=200")).raise_for_status().json().get("entry", [])
    return [e["resource"] for e in found if e["resource"]["resourceType"] == kind and mark in json.dumps(e["resource"])]


async def decide(client: httpx2.AsyncClient, address: str, decision: str) -> str:
    """A decision on the review page, as its form sends it; the page that follows."""
    page = (await client.get(address)).raise_for_status().text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    answer = await client.post(address, data={**hidden, "decision": decision})
    assert answer.status_code == 303, answer.text
    return (await client.get(address)).text


async def through_review(client: httpx2.AsyncClient, card: dict[str, Any], model: str) -> None:
    """Accept, accept again, withdraw: one of each in the record, first preliminary, then entered in error."""
    address = card["links"][0]["url"]
    picture = await client.get(f"{address}/image")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png"), picture.text
    assert picture.headers["cache-control"] == "no-store"
    page = await decide(client, address, "accept")
    place = re.search(r"In the record: (DiagnosticReport/[\w-]+), status preliminary", page)
    assert place is not None, page
    (report,) = await record(client, "DiagnosticReport", place[1].partition("/")[2])
    (provenance,) = await record(client, "Provenance", place[1])
    (task,) = await record(client, "Task", place[1])
    assert report["status"] == "preliminary"
    assert report["imagingStudy"][0]["reference"] == "ImagingStudy/demo-pneumonia-imaging-1"
    assert "Practitioner/demo-practitioner" in json.dumps(provenance)
    assert task["status"] == "completed"
    machines = await record(client, "Device", model)
    assert len(machines) == 1
    assert f"Device/{machines[0]['id']}" in json.dumps(provenance)
    assert "status entered-in-error" in await decide(client, address, "reject")
    (withdrawn,) = await record(client, "DiagnosticReport", place[1].partition("/")[2])
    assert withdrawn["status"] == "entered-in-error"


async def test_without_an_image_model_the_demo_patients_study_is_said_to_be_unread(tmp_path: Path) -> None:
    async with demo(tmp_path) as base, Caller(base) as caller:
        card = await imaging_card(caller, base)
    assert "no image model is configured" in card["summary"]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dbos, about its own query
async def test_a_study_is_read_drafted_accepted_on_the_review_page_and_withdrawn_with_one_report_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_bare", lambda _settings, name, _door: Probeable() if name == "image" else None)
    async with demo(tmp_path, image_engine="in-process") as base, Caller(base) as caller:
        card = await until("TEST WEIGHTS, not a read", caller, base, 30)
        assert "Consolidation, right lower zone" in card["detail"]
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            await through_review(client, card, "double")


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dbos, about its own query
@pytest.mark.long
async def test_the_demo_patients_study_is_read_by_test_weights_and_ends_as_a_report_a_person_accepted_and_withdrew(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(tiny_multimodal(tmp_path_factory.getbasetemp() / "checkpoints"), weights)
    config = weights / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "test_weights": True}))
    options = {"image_engine": "in-process", "image_model": str(weights)}
    async with demo(tmp_path / "state", **options) as base, Caller(base) as caller:
        card = await until("TEST WEIGHTS, not a read", caller, base, 240)
        assert "know nothing of images" in card["detail"]
        assert card.get("suggestions", []) == []
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            await through_review(client, card, weights.name)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dbos, about its own query
async def test_a_notification_of_the_study_leads_to_the_draft_a_later_call_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_bare", lambda _settings, name, _door: Probeable() if name == "image" else None)
    known = {"pacs": Subscription(secret=SecretStr("a-secret-of-some-length"))}
    study = {"resourceType": "ImagingStudy", "id": "demo-pneumonia-imaging-1"}
    headers = {"X-Subscription-Secret": "a-secret-of-some-length"}
    async with demo(tmp_path, image_engine="in-process", subscriptions=known) as base, Caller(base) as caller:
        async with httpx2.AsyncClient(base_url=base, timeout=30) as client:
            statuses, end = [0], time.monotonic() + 30
            while statuses[-1] != 200 and time.monotonic() < end:  # 503 while jobs and engine are starting
                statuses.append((await client.post("/subscriptions/pacs", json=study, headers=headers)).status_code)
                await asyncio.sleep(0.2)
            assert set(statuses) <= {0, 200, 503}
            while "Chest radiograph" not in (listing := (await client.get("/review/")).text):
                assert time.monotonic() < end, listing
                await asyncio.sleep(0.2)
        card = await imaging_card(caller, base)
    assert card["summary"].startswith("TEST WEIGHTS, not a read")
