"""Both sides of every limit in time and value that decides what a record feeds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from feeding_records import NOW, born, creatinine, problem, procedure, reading, record, vitals

from cds_service.record.facts import Event, Reading
from cds_service.rules.from_record import aki_stage, dialysis_state, egfr_now, g_stage, news2, pregnancy_state, score


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        (2, "the lowest of the last 48 h"),
        (2.1, "the lowest of the last 7 days"),
        (7, "the lowest of the last 7 days"),
        (7.1, "the median of 8–365 days before"),
        (365, "the median of 8–365 days before"),
    ],
)
def test_which_rule_finds_the_baseline_by_its_age(days: float, rule: str) -> None:
    result = aki_stage(record(creatinine(1.0, days=days), creatinine(1.6, hours=0)))
    assert result.result["stage"] == 1
    assert rule in result.text


def test_a_baseline_of_more_than_a_year_is_none() -> None:
    assert aki_stage(record(creatinine(1.0, days=365.1), creatinine(1.6, hours=0))).result["stage"] is None


def test_the_median_of_an_even_number_lies_between_the_middle_values() -> None:
    older = [creatinine(value, days=30 + value) for value in (1, 2, 3, 8)]
    result = aki_stage(record(*older, creatinine(5, hours=0)))
    assert "2.0 × the median of 8–365 days before (2.5 mg/dL)" in result.text
    assert {fact.value for fact in result.inputs[1:] if isinstance(fact, Reading)} == {Decimal(2), Decimal(3)}


@pytest.mark.parametrize(("days", "peak"), [(7, 3), (7.1, 0)])
def test_a_peak_counts_for_seven_days(days: float, peak: int) -> None:
    source = record(
        creatinine(1.0, days=40), creatinine(3.0, days=days), creatinine(1.0, days=20), creatinine(1.0, hours=0)
    )
    assert aki_stage(source).result["peak_stage"] == peak


@pytest.mark.parametrize(("value", "chronic"), [("1.31", False), ("1.33", True)])  # eGFR 60 and 59 at 66 years
def test_chronic_needs_both_values_below_60(value: str, chronic: bool) -> None:
    low = creatinine(1.5, days=120)
    assert g_stage(record(creatinine(value, hours=0), low)).result["chronic"] is chronic
    assert g_stage(record(creatinine(1.5, hours=0), creatinine(value, days=120))).result["chronic"] is chronic


def test_a_laboratory_egfr_older_than_an_unusable_creatinine_is_not_used() -> None:
    bound = creatinine(20, comparator=">", hours=1)
    assert egfr_now(record(reading("egfr", 52, hours=5), bound)).result["status"] == "incomplete"
    assert egfr_now(record(reading("egfr", 52, hours=0.5), bound)).result["reported"] == 52


@pytest.mark.parametrize(("value", "reported"), [("52.5", 53), ("52.49", 52)])
def test_a_laboratory_egfr_is_rounded_half_up(value: str, reported: int) -> None:
    assert egfr_now(record(reading("egfr", value))).result["reported"] == reported


OXYGEN = [
    (reading("oxygen_flow", 0), 0),
    (reading("oxygen_flow", 0.5), 2),
    (reading("inhaled_oxygen", 21), 0),
    (reading("inhaled_oxygen", 21.5), 2),
]


@pytest.mark.parametrize(("observation", "points"), OXYGEN)
def test_any_flow_and_any_concentration_above_air_is_oxygen(observation: Reading, points: int) -> None:
    assert news2(record(*vitals(oxygen_therapy=None), observation)).result["parts"]["o2"] == points


def test_a_hypercapnic_target_holds_for_a_year() -> None:
    observations = vitals(oxygen_saturation=89)
    for days, points in ((365, 0), (365.1, 3)):
        target = reading("hypercapnic_target", text="88–92 %", days=days)
        assert news2(record(*observations, target)).result["parts"]["spo2"] == points


@pytest.mark.parametrize(("value", "least"), [(92, 2), (91, 3), (85, 3)])
def test_a_bound_counts_as_near_to_normal_as_it_can_be(value: int, least: int) -> None:
    """``<92`` may be 91.9, which the chart rounds to 92."""
    bound = reading("oxygen_saturation", value, comparator="<")
    result = news2(record(*vitals(oxygen_saturation=None), bound))
    assert result.at_least == least


def test_bounds_away_from_danger_add_nothing() -> None:
    high = reading("respiratory_rate", 8, comparator=">")
    assert news2(record(*vitals(respiratory_rate=None), high)).at_least == 0
    fast = reading("respiratory_rate", 24, comparator=">")
    assert news2(record(*vitals(respiratory_rate=None), fast)).at_least == 2


@pytest.mark.parametrize(
    ("days", "expected"), [(301, "pregnant"), (301.1, "unknown")], ids=["last day of week 43", "past it"]
)
def test_a_pregnancy_is_at_most_43_weeks_old(days: float, expected: str) -> None:
    entry = problem(snomed="77386006", days=days)
    assert pregnancy_state(record(sex="female", born=born(30), problems=[entry])).state == expected
    status = reading("pregnancy_status", text="pregnant", days=days)
    assert pregnancy_state(record(status, sex="female", born=born(30))).state == expected
    weeks = reading("gestational_age", 10, days=days - 70)
    assert pregnancy_state(record(weeks, sex="female", born=born(30))).state == expected


@pytest.mark.parametrize(("days", "maintenance"), [(14, True), (14.1, False)])
def test_end_stage_failure_with_dialysis_within_14_days(days: float, maintenance: bool) -> None:
    source = record(problems=[problem(snomed="46177005")], procedures=[procedure(snomed="302497006", days=days)])
    assert dialysis_state(source).maintenance is maintenance


@pytest.mark.parametrize(("days", "stage"), [(7, 3), (7.1, None)])
def test_renal_replacement_counts_for_seven_days(days: float, stage: int | None) -> None:
    result = aki_stage(record(creatinine(2), procedures=[procedure(snomed="302497006", days=days)]))
    assert (result.result["stage"], result.result.get("peak_stage")) == (stage, stage)


@pytest.mark.parametrize(("days", "dialysed"), [(7, True), (7.1, False)])
def test_meld_counts_dialyses_of_seven_days(days: float, dialysed: bool) -> None:
    values = {"bilirubin_total": 2, "inr": 1.5, "creatinine": 1.2, "sodium": 135, "albumin": 3}
    panel = [reading(concept, value) for concept, value in values.items()]
    twice: list[Event] = [procedure(snomed="302497006", days=1), procedure(snomed="302497006", days=days)]
    result = score("MELD_3_0", record(*panel, problems=[problem(snomed="19943007")], procedures=twice))
    once = score("MELD_3_0", record(*panel, problems=[problem(snomed="19943007")], procedures=twice[:1]))
    assert (result.result["raw"] > once.result["raw"]) is dialysed


@pytest.mark.parametrize(("age", "answered"), [(17, True), (18, False)])
def test_hypotension_by_age_ends_at_18(age: int, answered: bool) -> None:
    day = (NOW.replace(year=NOW.year - age) - timedelta(days=1)).date()
    assert score("PedsHypotension", record(reading("systolic_bp", 95), born=day)).ok is answered


def test_a_child_of_one_year_has_the_limit_of_completed_years() -> None:
    day = NOW.replace(year=NOW.year - 1, month=1).date()
    assert score("PedsHypotension", record(reading("systolic_bp", 72), born=day)).result["hypotensive"] is False
    assert score("PedsHypotension", record(reading("systolic_bp", 71), born=day)).result["hypotensive"] is True


def test_missing_oxygen_and_consciousness_never_add_points() -> None:
    alone = news2(record(*vitals(oxygen_therapy=None, consciousness=None, body_temperature=None)))
    assert alone.at_least == 0
    assert score("SIRS", record(*vitals())).at_least == 0
