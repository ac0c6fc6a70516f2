"""Results no rule can look at although their names and units are those of results rules look at (rows 46, 55)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.record.observations.unmatched import inexact, uncoded
from tests.record.resources import LOINC, chart, concept, observation


def local(name: str, value: str = "6.9", unit: str = "mmol/L", **more: Any) -> dict[str, Any]:
    """A result under a code of the site's own."""
    made = {"coding": [{"system": "urn:oid:1.2.840.99", "code": "K17", "display": name}], "text": name}
    return observation(value=value, unit=unit) | {"code": made} | more


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("Potassium", "6.9", "mmol/L"), ("POC potassium, whole blood", "6.9", "mEq/L"), ("K+", "6.9", "mmol/L"),
        ("Hgb", "6.1", "g/dL"), ("Glucose, bedside", "31", "mg/dL"), ("Venous pH", "6.9", "pH"),
        ("SpO2", "71", "%"), ("Creatinine", "612", "umol/L"),
    ],
)  # fmt: skip
def test_a_local_code_whose_name_and_unit_are_those_of_a_known_result_is_found(
    name: str, value: str, unit: str
) -> None:
    assert [r.label for r in uncoded(chart(local(name, value, unit)))] == [name]


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("Potassium [Moles/volume] in Urine", "35", "mmol/L"), ("Platelet mean volume", "10.1", "fL"),
        ("Erythrocyte distribution width [Entitic volume]", "42", "fL"), ("Ketones in Urine by Test strip", "5", "mg/dL"),
        ("Target SpO2", "92", "%"), ("Potassium intake", "6.9", "mmol/L"), ("Vitamin D", "31", "ng/mL"),
        ("Potassium", "6.9", "dollops"), ("Potassium", "690", "mmol/L"), ("Egg white IgE Ab in Serum", "0.3", "kU/L"),
    ],
)  # fmt: skip
def test_another_specimen_another_measure_and_another_unit_are_not(name: str, value: str, unit: str) -> None:
    assert uncoded(chart(local(name, value, unit))) == []


def test_what_its_code_places_is_judged_and_not_named() -> None:
    assert uncoded(chart(observation(value="6.9"))) == []


def test_codes_that_disagree_and_a_code_without_system_are_named_for_what_they_are() -> None:
    both = {
        "coding": [{"system": LOINC, "code": "2823-3"}, {"system": LOINC, "code": "2951-2"}],
        "text": "Kidney profile",
    }
    bare = {"coding": [{"code": "2823-3"}], "text": "Kalium im Serum"}
    record = chart(observation(id="a") | {"code": both}, observation(id="b") | {"code": bare})
    assert {r.label for r in uncoded(record)} == {"Kidney profile", "Kalium im Serum"}


def test_only_the_newest_of_a_name_and_nothing_older_than_a_week() -> None:
    record = chart(
        local("Potassium", "6.9", id="new"),
        local("Potassium", "6.1", id="before", effectiveDateTime="2026-11-19T08:00:00Z"),
        local("Sodium", "112", id="old", effectiveDateTime="2026-11-01T08:00:00Z"),
    )
    assert [r.reference for r in uncoded(record)] == ["Observation/new"]


def test_a_result_of_a_month_is_named_where_no_dated_one_stands_beside_it() -> None:
    month = observation(id="m", value="6.9", effectiveDateTime="2026-11")
    assert [r.reference for r in inexact(chart(month))] == ["Observation/m"]
    assert inexact(chart(month, observation(id="d"))) == []
    assert inexact(chart(observation(concept("2951-2")["coding"][0]["code"], "140", id="n"))) == []
