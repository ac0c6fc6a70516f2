"""From FHIR JSON to scores: the fact table and the feeding agree on units, answers, panels and targets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.record.build import from_bundle
from cds_service.record.facts import Record
from cds_service.rules.calculators import CALCULATORS
from cds_service.rules.from_record import FED, aki_stage, all_scores, egfr_now, news2, pregnancy_state, score

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def coded(code: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def observation(code: str, *, hours: float = 1, **value: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o-{code}-{hours}".replace(".", "-"),
        "status": "final",
        "code": coded(code),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (NOW - timedelta(hours=hours)).isoformat(),
        **value,
    }


def measured(code: str, value: str, unit: str, **more: Any) -> dict[str, Any]:
    quantity = {"value": float(Decimal(value)), "unit": unit, "system": UCUM, "code": unit}
    return observation(code, valueQuantity=quantity, **more)


def chart(*resources: dict[str, Any], gender: str = "female", born: str = "1950-02-03") -> Record:
    patient = {"resourceType": "Patient", "id": "p1", "gender": gender, "birthDate": born}
    entries = [{"resource": resource} for resource in (patient, *resources)]
    return from_bundle(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode(), NOW)


def ill() -> list[dict[str, Any]]:
    """A septic patient as an EHR writes it: Fahrenheit, a blood pressure panel, coded consciousness, oxygen flow."""
    pressure = [
        {"code": coded("8480-6"), "valueQuantity": {"value": 88, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}},
        {"code": coded("8462-4"), "valueQuantity": {"value": 50, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}},
    ]
    return [
        measured("9279-1", "26", "/min"),
        measured("59408-5", "90", "%"),
        measured("8867-4", "124", "/min"),
        measured("8310-5", "102.6", "[degF]"),
        observation("85354-9", component=pressure),
        observation("80288-4", valueCodeableConcept=coded("LA6560-2")),
        measured("3151-8", "4", "L/min"),
    ]


def test_news2_of_an_ehr_s_own_units_and_codes() -> None:
    result = news2(chart(*ill()))
    assert result.result["parts"] == {
        "rr": 3, "spo2": 3, "o2": 2, "sbp": 3, "hr": 2, "consciousness": 3, "temp": 2,
    }  # fmt: skip
    assert result.text == "NEWS2 18, high risk"
    assert {fact.reference for fact in result.inputs} >= {"Observation/o-9279-1-1", "Observation/o-3151-8-1"}


def test_a_goal_of_88_to_92_percent_is_a_documented_hypercapnic_target() -> None:
    goal = {
        "resourceType": "Goal",
        "id": "g1",
        "lifecycleStatus": "active",
        "description": {"text": "Oxygen saturation target 88-92 %"},
        "subject": {"reference": "Patient/p1"},
        "startDate": "2026-11-01",
    }
    assert news2(chart(*ill(), goal)).result["parts"]["spo2"] == 0


def test_creatinine_in_umol_l_is_staged_by_the_limits_of_that_unit() -> None:
    risen = chart(measured("14682-9", "80", "umol/L", hours=24), measured("14682-9", "106.5", "umol/L"))
    just_not = chart(measured("14682-9", "80", "umol/L", hours=24), measured("14682-9", "106.4", "umol/L"))
    assert (aki_stage(risen).result["stage"], aki_stage(just_not).result["stage"]) == (1, 0)


def test_creatinine_gives_the_same_egfr_in_both_units() -> None:
    molar = egfr_now(chart(measured("14682-9", "123.76", "umol/L")))
    mass = egfr_now(chart(measured("2160-0", "1.4", "mg/dL")))
    assert molar.result == mass.result
    assert molar.result["status"] == "ok"


def test_a_recorded_pregnancy_status_reaches_the_guards() -> None:
    status = observation("82810-3", valueCodeableConcept=coded("77386006", "http://snomed.info/sct"))
    pregnant = chart(*ill(), measured("2160-0", "0.7", "mg/dL"), status, born="1995-05-05")
    assert pregnancy_state(pregnant).state == "pregnant"
    assert news2(pregnant).result["reason"] == "pregnancy"
    assert egfr_now(pregnant).result["reason"] == "pregnancy"


@pytest.mark.sample_data
def test_every_sample_patient_is_scored_without_exception_and_with_facts(sample_data: Path) -> None:
    files = [
        p
        for folder in ("bulk-data-server", "generated-sample-data")
        for p in (sample_data / "fhir" / folder).glob("*.json")
    ]
    assert files
    for path in files:
        body = path.read_bytes()
        dates = [e["resource"].get("effectiveDateTime") for e in json.loads(body)["entry"]]
        last = max(datetime.fromisoformat(d) for d in dates if d)
        source = from_bundle(body, last.astimezone(UTC) + timedelta(hours=1))
        for result in all_scores(source):
            assert result.inputs
            assert result.result["status"] in ("ok", "incomplete", "not-applicable")
        for name in FED:
            assert score(name, source).text
            assert {o.key for o in CALCULATORS[name].outputs} <= set(score(name, source).result)
