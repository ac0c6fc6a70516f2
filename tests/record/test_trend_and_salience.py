"""Which way a series goes, and which facts a short prompt should hold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cds_service.record.facts import Reading, Record
from cds_service.record.salience import rank
from cds_service.record.trend import trend
from tests.record.resources import RXNORM, chart, concept, observation, quantity, resource


def series(code: str, unit: str, *values: str) -> list[dict[str, Any]]:
    """Values oldest first, one a day, the last on the day of the chart."""
    days = range(20 - len(values) + 1, 21)
    return [
        observation(code, v, unit, id=f"{code}-{d}", effectiveDateTime=f"2026-11-{d:02}T08:00:00Z")
        for v, d in zip(values, days, strict=True)
    ]


@pytest.mark.parametrize(
    ("code", "unit", "values", "direction"),
    [
        ("2160-0", "mg/dL", ("1.0", "1.1"), "rising"),
        ("2160-0", "mg/dL", ("1.0", "1.09"), "stable"),
        ("2160-0", "mg/dL", ("2.0", "1.2"), "falling"),
        ("2951-2", "mmol/L", ("140", "136"), "falling"),
        ("2951-2", "mmol/L", ("140", "137"), "stable"),
        ("2823-3", "mmol/L", ("4.0", "4.4"), "rising"),
        ("2744-1", "[pH]", ("7.40", "7.30"), "falling"),
        ("2160-0", "mg/dL", ("1.0",), ""),
        ("29463-7", "kg", ("79.0", "75.05"), "falling"),
        ("29463-7", "kg", ("79.0", "75.1"), "stable"),
        ("29463-7", "g", ("3400", "3210"), "falling"),
        ("11555-0", "mmol/L", ("0", "0"), "stable"),
        ("11555-0", "mmol/L", ("0", "-2"), "falling"),
    ],
)
def test_a_direction_needs_a_change_that_counts(code: str, unit: str, values: tuple[str, ...], direction: str) -> None:
    (found,) = chart(*series(code, unit, *values)).readings.values()
    assert trend(found).direction == direction


def test_a_bound_and_an_undated_value_take_no_part_in_a_trend() -> None:
    made = [
        *series("2160-0", "mg/dL", "1.0", "2.0"),
        observation("2160-0", None, id="b", effectiveDateTime="2026-11-20T09:00:00Z",
                    valueQuantity=quantity("9", "mg/dL", comparator=">")),
        observation("2160-0", "30", "mg/dL", id="u", effectiveDateTime="2026"),
    ]  # fmt: skip
    found = trend(chart(*made).readings["creatinine"])
    assert found.last is not None
    assert (str(found.last.value), found.direction) == ("2.0", "rising")


def test_a_window_ends_the_series() -> None:
    found = chart(*series("2160-0", "mg/dL", "3.0", "1.0", "1.3")).readings["creatinine"]
    assert trend(found).direction == "falling"
    assert trend(found, timedelta(days=1)).direction == "rising"


def sick() -> Record:
    drug = concept("7980", RXNORM, "Penicillin G")
    reaction = [{"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}]
    vaccines = [
        resource("Immunization", status="completed", vaccineCode={"text": f"V{i}"}) | {"id": f"v{i}"} for i in range(30)
    ]
    return chart(
        *series("2823-3", "mmol/L", "4.0", "5.0", "6.9"),
        *series("2951-2", "mmol/L", "140", "140"),
        observation("8302-2", "170", "cm", id="h", effectiveDateTime="2010-01-01"),
        resource("AllergyIntolerance", code=drug, reaction=reaction),
        resource("Condition", code={"text": "Old sprain"}, clinicalStatus="resolved") | {"id": "c1"},
        resource("Condition", code={"text": "Heart failure"}, clinicalStatus="active") | {"id": "c2"},
        resource("Consent", status="active", category=[{"text": "Do not resuscitate"}]),
        *vaccines,
    )


def test_what_must_be_mentioned_comes_first_and_what_is_left_out_is_counted() -> None:
    record = sick()
    selection = rank(record, 6)
    labels = [f.label for f in selection.facts]
    assert labels[0] == "Penicillin G"
    assert {"Do not resuscitate", "Heart failure", "Potassium"} <= set(labels)
    assert len(selection.facts) == 6
    assert len(selection.facts) + selection.left_out.total() == len(list(record.facts()))
    assert selection.left_out["immunizations"] == 30


def test_a_changing_series_brings_its_predecessor_and_a_steady_one_does_not() -> None:
    facts = rank(sick(), 1000).facts
    assert sum(f.label == "Potassium" for f in facts) == 2
    assert sum(f.label == "Sodium" for f in facts) == 1


@pytest.mark.parametrize("budget", [0, -1, 1, 10**6])
def test_a_budget_is_never_exceeded(budget: int) -> None:
    assert len(rank(sick(), budget).facts) <= max(budget, 0)


def test_the_same_record_is_ranked_the_same() -> None:
    assert rank(sick(), 12) == rank(sick(), 12)


def test_critical_flags_outrank_ordinary_results() -> None:
    record = chart(
        observation("2951-2", "140", id="na"),
        observation(value="6.9", id="k", interpretation=[concept("HH", "x")]),
        observation("2075-0", "100", id="cl"),
    )
    assert rank(record, 1).facts[0].reference == "Observation/k"


def test_a_slow_fall_is_compared_with_the_value_it_notably_differs_from() -> None:
    values = [("12:00", "7.0"), ("08:00", "7.3"), ("04:00", "7.6"), ("00:00", "8.4")]
    record = chart(
        *(
            observation("718-7", value, "g/dL", id=f"hb{n}", effectiveDateTime=f"2026-11-20T{at}:00Z")
            for n, (at, value) in enumerate(values)
        )
    )
    chosen = [f for f in rank(record, 5).facts if isinstance(f, Reading)]
    assert chosen[0].value == Decimal("7.0")
    assert trend(chosen[:2]).direction == "falling"


def stay(*more: Any, status: str = "in-progress") -> Record:
    """Abnormal results enough to fill a prompt, and the vital signs of this morning, none of them flagged."""
    vital = [("9279-1", "16", "/min"), ("8867-4", "72", "/min"), ("8480-6", "118", "mm[Hg]"), ("2708-6", "97", "%")]
    high = [
        ("2823-3", "5.6", "mmol/L"), ("2951-2", "150", "mmol/L"), ("2075-0", "115", "mmol/L"),
        ("2160-0", "2.0", "mg/dL"), ("1988-5", "100", "mg/L"), ("2345-7", "200", "mg/dL"),
    ]  # fmt: skip
    return chart(
        resource("Encounter", status=status, period={"start": "2026-11-19T08:00:00Z"}),
        *(observation(code, value, unit, id=code, interpretation=[concept("H", "x")]) for code, value, unit in high),
        *(observation(code, value, unit, id=code, effectiveDateTime="2026-11-20T07:40:00Z") for code, value, unit in vital),
        observation("29463-7", "81", "kg", id="weight", effectiveDateTime="2026-11-19T08:00:00Z"),
        *more,
    )  # fmt: skip


def references(record: Record, budget: int) -> set[str]:
    return {fact.reference for fact in rank(record, budget).facts}


VITAL = {"Observation/9279-1", "Observation/8867-4", "Observation/8480-6", "Observation/2708-6"}


def test_the_newest_vital_signs_of_a_current_encounter_are_chosen_together_and_count_as_one() -> None:
    chosen = references(stay(), 4)
    assert chosen >= VITAL
    assert "Observation/weight" not in chosen
    assert len(chosen) == len(VITAL) + 3
    selection = rank(stay(), 4)
    assert len(selection.facts) + selection.left_out.total() == len(list(stay().facts()))


def test_without_a_current_encounter_vital_signs_are_weighed_one_by_one() -> None:
    assert len(references(stay(status="finished"), 4)) == 4
    assert not references(stay(status="finished"), 4) & VITAL


@pytest.mark.parametrize(("performed", "first"), [("2026-11-17T10:00:00Z", True), ("2026-11-03T10:00:00Z", False)])
def test_a_procedure_of_the_last_week_is_weighed_like_a_medication(performed: str, first: bool) -> None:
    resection = resource("Procedure", status="completed", code={"text": "Resection"}, performedDateTime=performed)
    plain = observation("2951-2", "140", id="na")
    ranked = [fact.label for fact in rank(chart(resection, plain), 2).facts]
    assert ranked == (["Resection", "Sodium"] if first else ["Sodium", "Resection"])
