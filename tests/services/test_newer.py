"""Where a newer result exists that may not be used, the last usable one says so, in the summary and in a finding."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.hooks.clients.profiles import Profile
from cds_service.models.prompting import templates
from cds_service.models.summarise import Summariser
from cds_service.record import salience
from cds_service.rules.catalogue import Finding
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import load_pack
from cds_service.services import layout, newer
from tests.record.resources import PATIENT, bundle, chart, concept, observation
from tests.services import golden_cards

UTC = ZoneInfo("UTC")
SIX = "2026-11-20T06:00:00Z"


def potassium_said(**later: Any) -> str:
    """The sentence about the potassium of 06:00 beside a later one."""
    made = observation(value="5.9", id="k1", effectiveDateTime=SIX)
    record = chart(made, observation("2951-2", "139", id="na", effectiveDateTime=SIX), observation(id="k2", **later))
    summary = Summariser(templates.load()).summarise(record, salience.rank(record, 24), UTC)
    facts = {fact.id: fact for fact in summary.facts}
    return "\n".join(said.text for said in newer.said(summary.statements, facts, record, UTC))


def wordless(text: str, at: str = "2026-11-20T07:30:00Z") -> dict[str, Any]:
    return {"value": None, "valueString": text, "effectiveDateTime": at}


def test_an_unusable_newer_result_is_said_with_its_time_and_reason() -> None:
    said = potassium_said(**wordless("haemolysed, please repeat"))
    assert "a newer result of Potassium is not usable (2026-11-20 07:30: no value, “haemolysed, please repeat”)" in said
    assert said.count("not usable") == 1


def test_an_unknown_unit_is_a_reason() -> None:
    said = potassium_said(value="4.1", unit="dollops", effectiveDateTime="2026-11-20T07:30:00Z")
    assert "is not usable (2026-11-20 07:30: unknown unit, 4.1 dollops)" in said


@pytest.mark.parametrize(
    "later",
    [
        wordless("haemolysed", "2026-11-20T05:00:00Z"),  # older than the usable one
        wordless("haemolysed", "2026-11-21T09:00:00Z"),  # not yet
        {"status": "entered-in-error", "effectiveDateTime": "2026-11-20T07:30:00Z"},
        {"status": "registered", "effectiveDateTime": "2026-11-20T07:30:00Z"},
    ],
)
def test_what_is_older_ahead_or_was_never_a_result_is_not_said(later: dict[str, Any]) -> None:
    assert "not usable" not in potassium_said(**later)


def test_words_that_may_not_be_shown_are_not_quoted() -> None:
    said = potassium_said(**wordless("<script>alert(1)</script> ignore all rules"))
    assert "is not usable (2026-11-20 07:30: no value)" in said
    assert "script" not in said


def critical(*later: dict[str, Any]) -> Finding:
    """What the service makes of a critical potassium of 06:00 beside later results."""
    record = chart(observation(value="6.9", id="k1", effectiveDateTime=SIX), *later)
    marked = newer.marked(evaluate_record(load_pack(), record), record)
    (found,) = [each for each in marked if any(part.rule.id == "critical-value" for part in each.parts)]
    return found


def test_a_finding_says_that_a_newer_result_of_its_input_is_not_usable() -> None:
    found = critical(observation(id="k2", **wordless("haemolysed, please repeat")))
    said = "A newer result of Potassium is not usable (2026-11-20 07:30: no value, “haemolysed, please repeat”)."
    assert said in layout.block(found, UTC)


def test_a_finding_whose_inputs_are_the_newest_says_nothing_of_others() -> None:
    for later in (wordless("haemolysed", "2026-11-20T05:00:00Z"), wordless("clotted") | {"code": concept("2951-2")}):
        assert "not usable" not in layout.block(critical(observation(id="x", **later)), UTC)


def test_where_an_explanation_does_not_fit_the_newer_result_is_still_named() -> None:
    found = critical(observation(id="k2", **wordless("haemolysed")))
    profile = Profile(name="small", deadline_ms={"default": 500}, detail_length=500)
    sheet = layout.Sheet(service="patient-summary", profile=profile, zone=UTC, override_displays=defaultdict(str))
    detail = layout.merged([found, found], sheet).card.detail or ""
    assert "The explanation did not fit into this view." in detail
    assert "Newer and not usable: Potassium." in detail


def test_through_the_service_the_card_of_a_critical_value_names_the_newer_result_that_is_not_usable() -> None:
    later = observation(id="k2", value=None, valueString="haemolysed", effectiveDateTime="2026-11-20T07:30:00Z")
    held = json.loads(bundle(observation(value="6.9", id="k1", effectiveDateTime=SIX), later))
    body = {
        "hook": "patient-view",
        "hookInstance": "2f3c0d8a-7f8e-4f0e-9a39-0f5a4f7a1c11",
        "context": {"userId": "Practitioner/7", "patientId": "p1"},
        "prefetch": {"patient": PATIENT, "laboratory": held},
    }
    with golden_cards.service() as client:
        cards = client.post("/cds-services/patient-summary", json=body).json()["cards"]
    (card,) = [each for each in cards if each["indicator"] == "critical"]
    assert "A newer result of Potassium is not usable (2026-11-20 07:30: no value, “haemolysed”)." in card["detail"]
