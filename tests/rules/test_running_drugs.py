"""Drugs that run already: contraindicated by the kidney, or above the dose that age, weight and creatinine leave."""

from __future__ import annotations

from typing import Any

import pytest
from checking import drug_order, on_orders, on_record, one, pack, taking, with_order
from feeding_records import born, creatinine, creatinine_umol, medication, problem, reading, record

from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity

METFORMIN = [medication("metformin 1000 mg tablet", dose="1000 mg twice daily by mouth")]


def egfr(value: int) -> Any:
    return reading("egfr", value, unit="mL/min/{1.73_m2}")


# --- metformin -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "speaks"), [(29, True), (30, False)])
def test_active_metformin_is_warned_about_below_egfr_30(value: int, speaks: bool) -> None:
    found = on_record("metformin-active", record(egfr(value), medications=METFORMIN))
    assert [f.severity for f in found] == ([Severity.WARNING] if speaks else [])
    assert all("eGFR 29" in f.summary and METFORMIN[0] in f.facts for f in found)


@pytest.mark.parametrize(
    ("now", "key"), [("1.3", None), ("1.35", "injury"), ("2.2", "injury"), ("2.6", "injury_below")]
)
def test_active_metformin_in_acute_kidney_injury_is_warned_about(now: str, key: str | None) -> None:
    subject = record(creatinine("0.9", days=5), creatinine(now), medications=METFORMIN)
    assert [f.key for f in on_record("metformin-active", subject)] == ([f"metformin-active:{key}"] if key else [])


@pytest.mark.parametrize(("hours", "said"), [(24, True), (25, False)])
def test_a_lactate_of_the_last_day_is_said_beside_metformin_in_aki(hours: int, said: bool) -> None:
    lactate = reading("lactate", "4.3", unit="mmol/L", hours=hours)
    subject = record(creatinine("0.9", days=5), creatinine("2.0"), lactate, medications=METFORMIN)
    finding = one(on_record("metformin-active", subject))
    assert ("lactate 4.3 mmol/L" in finding.summary) is said
    assert (lactate in finding.facts) is said


def test_active_metformin_on_dialysis_is_warned_about_and_without_a_creatinine_or_metformin_nothing_is_said() -> None:
    dialysis = [problem("Dependence on renal dialysis", icd10="Z99.2")]
    assert on_record("metformin-active", record(medications=METFORMIN, problems=dialysis))
    assert on_record("metformin-active", record(medications=METFORMIN)) == []
    assert on_record("metformin-active", record(egfr(20))) == []
    assert on_record("metformin-active", record(egfr(20), medications=[medication("metformin", active=False)])) == []


# --- apixaban ------------------------------------------------------------------------------------------------------

FIBRILLATION = problem("Atrial fibrillation", icd10="I48.2", days=900)
OLD, YOUNGER = born(80.01), born(79.9)


def weight(kilograms: Any, **more: Any) -> Any:
    return reading("body_weight", kilograms, unit="kg", **more)


def taken(*readings: Any, dose: str = "5 mg twice daily by mouth", **more: Any) -> Record:
    more.setdefault("problems", [FIBRILLATION])
    return record(*readings, medications=[medication("apixaban 5 mg tablet", dose=dose)], **more)


def ordered(*readings: Any, dose: str = "5 mg twice daily by mouth", **more: Any) -> Record:
    more.setdefault("problems", [FIBRILLATION])
    return with_order(drug_order("apixaban 5 mg tablet", dose=dose), *readings, **more)


def said(subject: Record) -> list[tuple[str, Severity]]:
    """The text and tier of whichever of the two rules looks at the subject."""
    found: list[Finding] = on_record("reduced-dose-active", subject) or on_orders("renal-dosing", subject)
    texts = ("found", "reduced", "undecided", "unread", "reduced_if", "unknown")
    return [(next((t for t in texts if t in f.key.split(":")), f.key), f.severity) for f in found]


TWO = [
    ({"born": OLD}, weight(60), creatinine("1.4")),
    ({"born": OLD}, weight(61), creatinine("1.5")),
    ({"born": YOUNGER}, weight(60), creatinine("1.5")),
    ({"born": OLD}, weight(58), creatinine("1.6")),
    ({"born": OLD}, weight(61), creatinine_umol("133")),
    ({"born": OLD}, weight(61), creatinine("1.5", comparator=">")),
]
ONE = [
    ({"born": YOUNGER}, weight(60), creatinine("1.4")),
    ({"born": YOUNGER}, weight("60.1"), creatinine("1.5")),
    ({"born": OLD}, weight("60.1"), creatinine("1.49")),
    ({"born": OLD}, weight(61), creatinine_umol("132")),
]


@pytest.mark.parametrize(("who", "kilograms", "kidney"), TWO)
def test_two_of_three_criteria_make_the_usual_apixaban_dose_too_high(who: Any, kilograms: Any, kidney: Any) -> None:
    assert said(taken(kilograms, kidney, **who)) == [("found", Severity.WARNING)]
    assert said(ordered(kilograms, kidney, **who)) == [("reduced", Severity.WARNING)]


@pytest.mark.parametrize(("who", "kilograms", "kidney"), ONE)
def test_one_of_three_criteria_changes_no_apixaban_dose(who: Any, kilograms: Any, kidney: Any) -> None:
    assert said(taken(kilograms, kidney, **who)) == []
    assert said(ordered(kilograms, kidney, **who)) == []


@pytest.mark.parametrize(
    ("dose", "speaks"),
    [
        ("2.5 mg twice daily", False),
        ("5 mg once daily", False),
        ("5 mg twice daily", True),
        ("1 tablet twice daily", True),
    ],
)
def test_apixaban_up_to_5_mg_a_day_is_silent(dose: str, speaks: bool) -> None:
    both = (weight(58), creatinine("1.6"))
    assert bool(said(taken(*both, dose=dose, born=OLD))) is speaks
    assert bool(said(ordered(*both, dose=dose, born=OLD))) is speaks


def test_a_dose_that_cannot_be_read_is_a_remark_that_says_so() -> None:
    subject = taken(weight(58), creatinine("1.6"), dose="as directed", born=OLD)
    finding = one(on_record("reduced-dose-active", subject))
    assert (finding.severity, finding.missing) == (Severity.INFO, ("dose in mg a day",))


def test_a_missing_criterion_is_said_and_decides_nothing_unless_the_others_do() -> None:
    for subject in (taken(creatinine("1.4"), born=OLD), ordered(creatinine("1.4"), born=OLD)):
        assert said(subject) == [("undecided", Severity.INFO)]
    one_known = one(on_record("reduced-dose-active", taken(creatinine("1.4"), born=OLD)))
    assert one_known.missing == ("weight",)
    assert said(taken(creatinine("1.5"), born=OLD)) == [("found", Severity.WARNING)]
    assert one(on_record("reduced-dose-active", taken(creatinine("1.5"), born=OLD))).missing == ("weight",)
    assert said(taken(creatinine("1.5"), weight(58, days=91), born=born(70))) == [("undecided", Severity.INFO)]
    assert said(taken(born=born(70))) == []


def test_the_lower_dose_is_for_atrial_fibrillation_and_for_an_order_its_absence_is_said() -> None:
    both = (weight(58), creatinine("1.2"))
    assert said(taken(*both, born=OLD, problems=[])) == []
    finding = one(on_orders("renal-dosing", ordered(*both, born=OLD, problems=[])))
    assert (finding.severity, finding.missing) == (Severity.INFO, ("atrial fibrillation as the reason",))


def test_a_band_that_is_worse_than_a_remark_speaks_and_no_drug_is_named_twice() -> None:
    subject = ordered(weight(58), creatinine("2.2"), born=OLD, problems=[])
    finding = one(on_orders("renal-dosing", subject))
    assert (finding.severity, finding.values["edge"]) == (Severity.WARNING, "25")
    injured = ordered(weight(58), creatinine("0.9", days=5), creatinine("1.6"), born=OLD)
    assert [f.key for f in on_orders("renal-dosing", injured)] == [
        "renal-dosing:apixaban:reduced", "renal-dosing:apixaban:unsteady",
    ]  # fmt: skip


def test_the_rule_over_orders_and_the_rule_over_the_record_hold_the_same_criteria() -> None:
    ordered_rows = pack().rules["renal-dosing"].parameters["reductions"]
    assert ordered_rows == pack().rules["reduced-dose-active"].parameters["rows"]


def test_another_anticoagulant_has_no_counted_dose() -> None:
    subject = record(weight(50), creatinine("2.0"), born=OLD, problems=[FIBRILLATION], medications=taking("Warfarin"))
    assert on_record("reduced-dose-active", subject) == []


# --- pregnancy -----------------------------------------------------------------------------------------------------

WOMAN: dict[str, Any] = {"sex": "female", "born": born(30)}


@pytest.mark.parametrize(
    ("drug", "pregnant", "speaks"),
    [
        ("Lisinopril 10 mg", True, True),
        ("Valproate 500 mg", True, True),
        ("Lisinopril 10 mg", False, False),
        ("Ibuprofen 400 mg", True, False),
        ("Folic acid 0.4 mg", True, False),
    ],
)
def test_a_contraindicated_drug_that_runs_in_a_recorded_pregnancy_is_a_warning(
    drug: str, pregnant: bool, speaks: bool
) -> None:
    problems = [problem("Normal pregnancy")] if pregnant else []
    found = on_record("pregnancy-drug-active", record(medications=taking(drug), problems=problems, **WOMAN))
    assert [f.severity for f in found] == ([Severity.WARNING] if speaks else [])
    assert all(len(f.facts) == 2 for f in found)


def test_in_pregnancy_the_same_drugs_are_meant_whether_ordered_or_taken() -> None:
    rules = pack().rules
    ordered_drugs = rules["pregnancy-drug"].parameters["contraindicated"]
    assert ordered_drugs == rules["pregnancy-drug-active"].parameters["contraindicated"]
