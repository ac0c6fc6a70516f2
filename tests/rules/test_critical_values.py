"""Critical values: both sides of every limit, both unit systems, bounds, repeats, age of the result, flags."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from checking import on_record, one, pack
from feeding_records import NOW, born, problem, reading, record

from cds_service.record.facts import Code, Reading, Refusal
from cds_service.rules.catalogue import Severity, Urgency
from cds_service.rules.critical import Limit

STEP = Decimal("0.001")
PATIENTS = {
    "": {},
    "newborn": {"born": born(days=5)},
    "child": {"born": born(8)},
    "kidney-failure": {"problems": [problem("End stage renal disease", icd10="N18.6")]},
}
EDGES = [
    pytest.param(population, limit, side, id=f"{population or 'adult'}-{limit.concept}-{side}")
    for population, limits in pack().tables.critical.limits.items()
    for limit in limits
    for side in ("low", "high")
    if (limit.low if side == "low" else limit.high) is not None
]
SI_EDGES = [param for param in EDGES if param.values[1].si is not None and getattr(param.values[1].si, param.values[2])]


def found(population: str, *readings: Reading) -> list[str]:
    subject = record(*readings, **PATIENTS[population])
    return [finding.key for finding in on_record("critical-value", subject)]


@pytest.mark.parametrize(("population", "limit", "side"), EDGES)
def test_a_value_at_its_limit_is_critical_and_one_step_inside_is_not(population: str, limit: Limit, side: str) -> None:
    edge = limit.low if side == "low" else limit.high
    assert edge is not None
    inside = edge + STEP if side == "low" else edge - STEP
    assert found(population, reading(limit.concept, edge)) == [f"critical-value:{limit.concept}:{side}"]
    assert found(population, reading(limit.concept, inside)) == []


@pytest.mark.parametrize(("population", "limit", "side"), SI_EDGES)
def test_a_result_written_in_si_units_meets_the_limit_of_the_source_in_si_units(
    population: str, limit: Limit, side: str
) -> None:
    assert limit.si is not None
    edge = getattr(limit.si, side)
    conventional = limit.low if side == "low" else limit.high
    inside = edge + STEP if side == "low" else edge - STEP
    at, near = (
        reading(limit.concept, conventional, written_value=written, written_unit=limit.si.unit)
        for written in (edge, inside)
    )
    assert found(population, at) == [f"critical-value:{limit.concept}:{side}"]
    assert found(population, near) == []


@pytest.mark.parametrize(
    ("comparator", "value", "critical"),
    [
        (">", "6.0", True),
        (">=", "6.0", True),
        (">", "5.9", False),
        ("<", "6.5", False),
        ("<=", "9.0", False),
        ("<", "2.8", True),
        ("<=", "2.8", True),
        ("<", "2.9", False),
        (">", "2.0", False),
    ],
)
def test_a_bound_is_critical_only_where_it_proves_it(comparator: str, value: str, critical: bool) -> None:
    assert bool(found("", reading("potassium", value, comparator=comparator))) is critical


def test_a_critical_value_asks_for_at_least_urgent_and_carries_its_reading() -> None:
    potassium = reading("potassium", "6.4")
    finding = one(on_record("critical-value", record(potassium)))
    assert finding.severity is Severity.CRITICAL
    assert finding.urgency is Urgency.URGENT
    assert finding.facts == (potassium,)
    assert finding.rule.must_mention
    assert "critical limit of 6.0 mmol/L" in finding.summary


def test_a_worse_value_of_the_same_concept_is_worse() -> None:
    worse = [on_record("critical-value", record(reading("potassium", v)))[0].worse for v in ("6.0", "6.4", "7.9")]
    assert worse == sorted(worse)
    assert len(set(worse)) == 3


def test_a_repeat_is_shown_again_with_since_when() -> None:
    values = [
        reading("potassium", v, hours=h) for v, h in (("6.4", 1), ("6.1", 5), ("6.3", 9), ("4.9", 12), ("6.6", 20))
    ]
    finding = one(on_record("critical-value", record(*values)))
    assert finding.since == NOW - timedelta(hours=9)
    assert "3 results in a row" in finding.summary


def test_a_newer_normal_result_ends_it() -> None:
    assert found("", reading("potassium", "6.4", hours=5), reading("potassium", "4.4", hours=1)) == []


def test_of_two_results_of_one_moment_the_critical_one_counts() -> None:
    assert found("", reading("potassium", "5.1", hours=2), reading("potassium", "6.4", hours=2))


def test_a_value_older_than_its_window_is_said_to_be_old_and_then_not_at_all() -> None:
    limit = next(limit for limit in pack().tables.critical.limits[""] if limit.concept == "potassium")
    hours = limit.fresh.total_seconds() / 3600
    old_hours = pack().rules["critical-value"].given.old_hours
    current, old, gone = (
        on_record("critical-value", record(reading("potassium", "6.4", hours=h)))
        for h in (hours, hours + 1, hours + old_hours + 1)
    )
    assert one(current).severity is Severity.CRITICAL
    assert one(old).severity is Severity.INFO
    assert one(old).summary.startswith("Old: ")
    assert one(old).urgency is Urgency.ROUTINE
    assert gone == []


def test_with_dialysis_creatinine_is_expected_and_potassium_has_its_own_limit() -> None:
    assert found("kidney-failure", reading("creatinine", "9.1"), reading("potassium", "6.4")) == []
    assert found("kidney-failure", reading("potassium", "6.5"))


def test_a_newborn_has_newborn_limits_until_the_29th_day() -> None:
    young, older = (
        record(reading("potassium", "6.5"), born=born(days=28)),
        record(reading("potassium", "6.5"), born=born(days=29)),
    )
    assert on_record("critical-value", young) == []
    assert on_record("critical-value", older)


def test_without_a_birth_date_adult_limits_are_used_and_said() -> None:
    finding = one(on_record("critical-value", record(reading("potassium", "6.4"), born=None)))
    assert finding.missing == ("age: adult limits were used",)


@pytest.mark.parametrize("flag", ["HH", "LL", "AA"])
def test_the_laboratorys_own_critical_flag_adds_to_the_limits(flag: str) -> None:
    finding = one(on_record("critical-flag", record(reading("potassium", "5.6", flags=(flag,)))))
    assert finding.severity is Severity.CRITICAL
    assert flag in finding.summary


def test_a_flag_on_a_value_that_is_critical_already_is_not_said_twice() -> None:
    assert on_record("critical-flag", record(reading("potassium", "6.4", flags=("HH",)))) == []


@pytest.mark.parametrize("flag", ["H", "L", "A", "N"])
def test_an_ordinary_flag_is_no_critical_flag(flag: str) -> None:
    assert on_record("critical-flag", record(reading("potassium", "5.6", flags=(flag,)))) == []


def test_a_flag_counts_on_observations_whose_code_is_not_known_and_only_on_the_newest() -> None:
    code = (Code("urn:local", "DIG", "Digoxin"),)
    newest = reading("", "3.4", hours=1, codes=code, flags=("HH",))
    older = reading("", "3.9", hours=9, codes=code, flags=("HH",))
    assert one(on_record("critical-flag", record(others=[newest, older]))).facts == (newest,)


def test_a_flag_older_than_its_window_is_not_mentioned() -> None:
    hours = pack().rules["critical-flag"].given.hours
    assert on_record("critical-flag", record(reading("ferritin", 5, hours=hours, flags=("LL",))))
    assert on_record("critical-flag", record(reading("ferritin", 5, hours=hours + 0.1, flags=("LL",)))) == []


def test_a_flag_still_speaks_where_the_value_cannot_be_used() -> None:
    refused = reading("potassium", None, flags=("HH",), refusal=Refusal.UNKNOWN_UNIT)
    finding = one(on_record("critical-flag", record(refused=[refused])))
    assert "unknown unit" in finding.summary


@pytest.mark.parametrize("refusal", [Refusal.ENTERED_IN_ERROR, Refusal.SUPERSEDED, Refusal.OTHER_PATIENT])
def test_a_flag_on_a_result_that_is_none_says_nothing(refusal: Refusal) -> None:
    refused = reading("potassium", None, flags=("HH",), refusal=refusal)
    assert on_record("critical-flag", record(refused=[refused])) == []


def test_a_flag_on_an_unusable_result_ends_with_a_newer_usable_one() -> None:
    refused = reading("potassium", None, hours=5, flags=("HH",), refusal=Refusal.UNKNOWN_UNIT)
    assert on_record("critical-flag", record(reading("potassium", "4.1", hours=1), refused=[refused])) == []
