"""Blood pressure in pregnancy and in the six weeks after it, on both sides of both limits."""

from __future__ import annotations

from typing import Any

import pytest
from checking import on_record, one, order, pack
from feeding_records import born, problem, procedure, reading, record, vitals

from cds_service.rules.catalogue import Severity, Urgency
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.triage import urgency_floor

RULE = "pregnancy-hypertension"
WOMAN: dict[str, Any] = {"sex": "female", "born": born(30)}
PREGNANT: dict[str, Any] = {**WOMAN, "problems": [problem("Normal pregnancy")]}


def pressure(systolic: Any, diastolic: Any, **more: Any) -> list[Any]:
    pairs = (("systolic_bp", systolic), ("diastolic_bp", diastolic))
    return [reading(concept, value, unit="mm[Hg]", **more) for concept, value in pairs if value is not None]


@pytest.mark.parametrize(
    ("systolic", "diastolic", "severity"),
    [
        (139, 89, None),
        (140, 89, Severity.WARNING),
        (139, 90, Severity.WARNING),
        (159, 109, Severity.WARNING),
        (160, 80, Severity.CRITICAL),
        (120, 110, Severity.CRITICAL),
        (None, 110, Severity.CRITICAL),
        (145, None, Severity.WARNING),
        (None, None, None),
    ],
)
def test_140_over_90_is_a_warning_in_pregnancy_and_160_over_110_critical(
    systolic: Any, diastolic: Any, severity: Severity | None
) -> None:
    found = on_record(RULE, record(*pressure(systolic, diastolic), **PREGNANT))
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert [f.urgency for f in found] == (
        [Urgency.URGENT if severity is Severity.CRITICAL else Urgency.ROUTINE] * len(found)
    )


def test_the_sentence_names_both_pressures_the_limit_and_the_facts_the_pregnancy() -> None:
    finding = one(on_record(RULE, record(*pressure(148, 94), **PREGNANT)))
    assert finding.summary == "Pregnant: blood pressure 148/94 mmHg, at or above 140/90 mmHg"
    assert {fact.label for fact in finding.facts} == {"systolic_bp", "diastolic_bp", "Normal pregnancy"}


@pytest.mark.parametrize(("hours", "speaks"), [(24, True), (24.1, False)])
def test_a_pressure_counts_for_a_day(hours: float, speaks: bool) -> None:
    assert bool(on_record(RULE, record(*pressure(150, 95, hours=hours), **PREGNANT))) is speaks


def test_a_bound_counts_only_where_it_proves_the_limit() -> None:
    assert on_record(RULE, record(*pressure(150, None, comparator="<"), **PREGNANT)) == []
    assert on_record(RULE, record(*pressure(140, None, comparator=">"), **PREGNANT))


@pytest.mark.parametrize(("days", "speaks"), [(0.5, True), (42, True), (42.1, False)])
def test_it_holds_for_six_weeks_after_a_delivery(days: float, speaks: bool) -> None:
    delivered = procedure("Caesarean section", snomed="11466000", days=days)
    found = on_record(RULE, record(*pressure(150, 95), **WOMAN, procedures=[delivered]))
    assert [f.summary.startswith("Within 6 weeks after a pregnancy: ") for f in found] == ([True] if speaks else [])


def test_without_a_recorded_pregnancy_nothing_is_said() -> None:
    high = pressure(170, 115)
    assert on_record(RULE, record(*high, **WOMAN)) == []
    assert on_record(RULE, record(*high)) == []
    man = record(*high, procedures=[procedure("Caesarean section", snomed="11466000", days=2)])
    assert on_record(RULE, man) == []


def test_severe_pressure_in_pregnancy_makes_acute_orders_urgent() -> None:
    lab = order("Platelets", category="laboratory")
    for systolic, priority in ((159, ""), (160, "urgent")):
        findings = evaluate_record(pack(), record(*pressure(systolic, 80), **PREGNANT))
        assert urgency_floor(pack(), findings, lab).priority == priority


def test_the_remark_of_a_pregnancy_says_that_no_early_warning_score_applies() -> None:
    subject = record(*vitals(heart_rate=104, systolic_bp=148), **PREGNANT)
    assert (
        "NEWS2 does not apply, and no early warning score replaces it" in one(on_record("pregnancy", subject)).summary
    )
    assert on_record("news2", subject) == []
