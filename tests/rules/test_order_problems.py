"""Drugs that a recorded problem forbids, and what a problem's words say and do not say."""

from __future__ import annotations

import pytest
from checking import drug_order, imaging_order, on_orders, on_record, one, pack, taking, with_order
from feeding_records import creatinine, problem, reading, record

from cds_service.rules.catalogue import Severity
from cds_service.rules.from_record import dialysis_state

HIT = "Heparin-induced thrombocytopenia"


@pytest.mark.parametrize("drug", ["heparin infusion", "Lovenox 40 mg", "dalteparin 5000 units", "Heparin lock flush"])
@pytest.mark.parametrize("name", [HIT, f"History of {HIT.lower()}", f"{HIT} without thrombosis"])
def test_heparin_after_heparin_induced_thrombocytopenia_is_critical(drug: str, name: str) -> None:
    subject = with_order(drug_order(drug), problems=[problem(name)])
    finding = one(on_orders("heparin-thrombocytopenia", subject))
    assert finding.severity is Severity.CRITICAL
    assert finding.summary.endswith(f"recorded is {name}")


def test_a_past_one_counts_by_code_and_a_refuted_one_or_another_drug_does_not() -> None:
    past, refuted = problem(HIT, icd10="D75.82", active=False), problem(HIT, negated=True)
    heparin = drug_order("heparin infusion")
    assert on_orders("heparin-thrombocytopenia", with_order(heparin, problems=[past]))
    assert on_orders("heparin-thrombocytopenia", with_order(heparin, problems=[refuted])) == []
    assert on_orders("heparin-thrombocytopenia", with_order(heparin, problems=[problem("Thrombocytopenia")])) == []
    for drug in ("argatroban infusion", "fondaparinux 2.5 mg"):
        assert on_orders("heparin-thrombocytopenia", with_order(drug_order(drug), problems=[past])) == []


@pytest.mark.parametrize("name", [f"Family history of {HIT}", f"Suspected {HIT}", f"{HIT} ruled out"])
def test_what_somebody_else_had_or_was_not_found_is_no_problem_of_the_patient(name: str) -> None:
    subject = with_order(drug_order("heparin infusion"), problems=[problem(name)])
    assert on_orders("heparin-thrombocytopenia", subject) == []


@pytest.mark.parametrize(
    ("name", "group", "belongs"),
    [
        ("Alcoholic cirrhosis of liver without ascites", "liver-disease", True),
        ("Without evidence of cirrhosis", "liver-disease", False),
        ("Hypertensive heart disease without heart failure", "heart-failure", False),
        ("CHF", "heart-failure", True),
        ("History of heart failure", "heart-failure", False),
        ("Lymphoma in remission", "cancer", False),
    ],
)
def test_only_what_stands_before_without_is_the_problem(name: str, group: str, belongs: bool) -> None:
    assert (group in pack().tables.problems.groups(problem(name))) is belongs


def test_the_label_s_reasons_to_stop_metformin_are_read_in_the_words_of_a_problem_list() -> None:
    egfr = reading("egfr", 80, unit="mL/min/{1.73_m2}")
    for name in ("Alcoholic cirrhosis of liver without ascites", "CHF"):
        subject = with_order(
            imaging_order("CT abdomen with contrast"), egfr, medications=taking("metformin"), problems=[problem(name)]
        )
        assert "the label also names " + name in one(on_orders("metformin-contrast", subject)).details[-1]


@pytest.mark.parametrize(
    ("name", "maintenance"),
    [
        ("ESRD on hemodialysis", True),
        ("End stage renal disease on dialysis", True),
        ("CKD stage 5, not on dialysis", False),
        ("Acute kidney injury on dialysis", False),
    ],
)
def test_maintenance_dialysis_is_read_in_the_words_of_a_problem_list(name: str, maintenance: bool) -> None:
    subject = record(creatinine(7.9), problems=[problem(name)])
    assert dialysis_state(subject).maintenance is maintenance
    assert bool([f for f in on_record("kidney-function", subject) if "dialysis" in f.summary]) is maintenance
