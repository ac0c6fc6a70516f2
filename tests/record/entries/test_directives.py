"""Code status, goals, flags, and the documented oxygen target that permits NEWS2 SpO2 scale 2."""

from __future__ import annotations

from typing import Any

import pytest

from tests.record.resources import LOINC, SNOMED, chart, concept, observation, quantity, resource

CONSENT = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"


@pytest.mark.parametrize(
    "made",
    [
        resource("Consent", status="active", category=[concept("dnr", CONSENT, "Do Not Resuscitate")]),
        resource("Condition", code={"text": "DNR status"}),
        resource("Condition", code=concept("304253006", SNOMED, "Not for resuscitation")),
        resource("ServiceRequest", status="active", code={"text": "Do-not-resuscitate order"}),
        resource("Flag", status="active", code={"text": "DNACPR in place"}),
        resource("Goal", lifecycleStatus="active", description={"text": "Comfort care only"}),
    ],
)
def test_a_code_status_is_found_wherever_a_site_files_it(made: dict[str, Any]) -> None:
    assert [g.category for g in chart(made).goals] == ["code-status"]


@pytest.mark.parametrize(
    "made",
    [
        resource("Consent", status="rejected", category=[concept("dnr", CONSENT)]),
        resource("Consent", status="active", category=[concept("npp", CONSENT, "Notice of privacy practices")]),
        resource("Flag", status="inactive", code={"text": "DNR"}),
        resource("Flag", status="active", code={"text": "DNR"}, period={"end": "2026-01-01"}),
        resource("Condition", code={"text": "DNR status"}, clinicalStatus="resolved"),
        resource("ServiceRequest", status="revoked", code={"text": "DNR"}),
        resource("Goal", lifecycleStatus="cancelled", description={"text": "Comfort care only"}),
    ],
)
def test_a_directive_that_no_longer_holds_is_none(made: dict[str, Any]) -> None:
    assert chart(made).goals == []


def test_a_coded_code_status_is_a_reading() -> None:
    answer = concept("304253006", SNOMED, "Not for resuscitation")
    reading = chart(observation("75320-2", None, valueCodeableConcept=answer)).latest("code_status")
    assert reading is not None
    assert (reading.text, reading.written) == ("do not resuscitate", "Not for resuscitation")


def saturation_goal(low: str, high: str, code: str = "59408-5") -> dict[str, Any]:
    limits = {"low": quantity(low, "%"), "high": quantity(high, "%")}
    target = [{"measure": concept(code, LOINC), "detailRange": limits}]
    return resource("Goal", lifecycleStatus="active", description={"text": "Oxygen"}, target=target)


@pytest.mark.parametrize(
    "made",
    [
        saturation_goal("88", "92"),
        resource("Goal", lifecycleStatus="active", description={"text": "Target SpO2 88-92%"}),
        resource("Flag", status="active", code={"text": "Hypercapnic: aim for saturations 88 – 92 %"}),
        resource("ServiceRequest", status="active", code={"text": "Oxygen therapy, target 88% to 92%"}),
        observation("9999-9", None, valueString="SpO2 target 88–92 %"),
    ],
)
def test_a_documented_target_of_88_to_92_is_a_reading(made: dict[str, Any]) -> None:
    (reading,) = chart(made).readings["hypercapnic_target"]
    assert reading.text == "88–92 %"
    assert reading.reference


@pytest.mark.parametrize(
    "made",
    [
        saturation_goal("94", "98"),
        saturation_goal("88", "92", "8867-4"),
        resource("Goal", lifecycleStatus="active", description={"text": "Target weight 88-92 kg"}),
        resource("Goal", lifecycleStatus="completed", description={"text": "Target SpO2 88-92%"}),
        resource("ServiceRequest", status="completed", code={"text": "Oxygen therapy, target 88-92"}),
        resource("Condition", code={"text": "COPD"}),
        observation("59408-5", "90", "%", referenceRange=[{"low": quantity("88", "%"), "high": quantity("92", "%")}]),
    ],
)
def test_no_target_is_inferred_from_anything_else(made: dict[str, Any]) -> None:
    assert "hypercapnic_target" not in chart(made).readings


def test_an_ordinary_goal_says_what_it_aims_at() -> None:
    target = [{"measure": concept("4548-4"), "detailQuantity": quantity("7", "%", comparator="<")}]
    (made,) = chart(resource("Goal", lifecycleStatus="active", description={"text": "Control"}, target=target)).goals
    assert (made.category, made.text) == ("goal", "HbA1c <7 %")
