"""Every sample patient through the running service: cards, or a truthful empty answer, and nothing unread."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest

from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller, from_bundle
from cds_service.commands.embedded import embedded
from cds_service.commands.terminal import STYLE

pytestmark = pytest.mark.sample_data


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a record comes to is asked here; the tests of the deadline are elsewhere."""
    monkeypatch.setenv("CDS_DEADLINE_MS", "60000")


def bundles_of(sample_data: Path) -> Sequence[Path]:
    bundles = sorted((sample_data / "fhir").glob("*/*_*_*-*.json"))
    assert len(bundles) == 24
    return bundles


def assert_truthful(name: str, status: int, answer: Any) -> None:
    assert status == 200, (name, answer)
    for card in answer["cards"]:
        assert card["indicator"] in STYLE
        assert len(card["summary"]) < 140
        assert "could not be completed" not in card["summary"], name
        assert "resources could not be read" not in card.get("detail", ""), name


def post_transaction(base: str, bundle: bytes) -> str:
    """The id the simulator gave the patient of a transaction Bundle."""
    request = Request(f"{base}/simulator/fhir", bundle, {"Content-Type": "application/fhir+json"})
    with urlopen(request) as reply:
        entries = msgspec.json.decode(reply.read())["entry"]
    places = [entry["response"]["location"].split("/") for entry in entries]
    return next(place[place.index("Patient") + 1] for place in places if "Patient" in place)


async def test_every_sample_patient_gets_cards_or_a_truthful_empty_answer(sample_data: Path, tmp_path: Path) -> None:
    async with embedded(tmp_path) as base, Caller(base) as caller:
        for path in bundles_of(sample_data):
            entries = msgspec.json.decode(path.read_bytes())["entry"]
            patient = next(e["resource"]["id"] for e in entries if e["resource"]["resourceType"] == "Patient")
            ask = Ask(hook="patient-view", patient=patient, service="patient-summary")
            status, body = await caller.post(ask, from_bundle(path))
            assert_truthful(path.name, status, msgspec.json.decode(body))


async def test_every_sample_patient_on_a_fhir_server_is_answered_with_and_without_prefetch(
    sample_data: Path, tmp_path: Path
) -> None:
    async with embedded(tmp_path) as base, Caller(base) as caller:
        fhir = f"{base}/simulator/fhir"
        for path in bundles_of(sample_data):
            patient = await asyncio.to_thread(post_transaction, base, path.read_bytes())
            ask = Ask(hook="patient-view", patient=patient, service="patient-summary", fhir_server=fhir)
            for query in (caller.fhir(fhir), None):
                status, body = await caller.post(ask, query)
                answer = msgspec.json.decode(body)
                assert_truthful(path.name, status, answer)
                assert answer["cards"], path.name
        command = str(Path(sys.executable).with_name("medgemma-cds"))
        options = ("--patient", patient, "--fhir", fhir, "--service-url", base, "--json")
        called = await create_subprocess_exec(command, "call", "patient-view", *options, stdout=PIPE, stderr=PIPE)
        out, err = await called.communicate()
        assert called.returncode == 0, err
        assert msgspec.json.decode(out)["cards"]
