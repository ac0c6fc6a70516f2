"""Every sample patient through the running service: cards, or a truthful empty answer, and nothing unread."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cds_service.call import Ask
from cds_service.calling import Caller, from_bundle
from cds_service.demo import embedded
from cds_service.terminal import STYLE

pytestmark = pytest.mark.sample_data


async def test_every_sample_patient_gets_cards_or_a_truthful_empty_answer(sample_data: Path, tmp_path: Path) -> None:
    bundles = sorted((sample_data / "fhir").glob("*/*_*_*-*.json"))
    assert len(bundles) == 24
    async with embedded(tmp_path) as base, Caller(base) as caller:
        for path in bundles:
            entries = msgspec.json.decode(path.read_bytes())["entry"]
            patient = next(e["resource"]["id"] for e in entries if e["resource"]["resourceType"] == "Patient")
            ask = Ask(hook="patient-view", patient=patient, service="patient-summary")
            status, body = await caller.post(ask, from_bundle(path))
            answer = msgspec.json.decode(body)
            assert status == 200, (path.name, answer)
            for card in answer["cards"]:
                assert card["indicator"] in STYLE
                assert len(card["summary"]) < 140
                assert "could not be completed" not in card["summary"], path.name
                assert "resources could not be read" not in card.get("detail", ""), path.name
