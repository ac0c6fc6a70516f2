"""Metformin: starting, continuing, and beside iodinated contrast, where two authorities disagree."""

from __future__ import annotations

from typing import Any

import pytest
from checking import drug_order, imaging_order, on_orders, one, taking, with_order
from feeding_records import creatinine, creatinine_umol, problem, reading, record

from cds_service.rules.catalogue import Severity

CT = "CT abdomen with IV contrast"
HOLD = "stop at or before the study"


def egfr(value: int) -> Any:
    return reading("egfr", value, unit="mL/min/{1.73_m2}")


def start(*readings: Any, **more: Any) -> list[tuple[str, Severity]]:
    subject = with_order(drug_order("metformin 500 mg", rxnorm="6809"), *readings, **more)
    return [(f.key.split(":")[1], f.severity) for f in on_orders("metformin-start", subject)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (29, [("contraindicated", Severity.CRITICAL)]),
        (30, [("not_started", Severity.WARNING)]),
        (45, [("not_started", Severity.WARNING)]),
        (46, []),
    ],
)
def test_starting_metformin_on_both_sides_of_30_and_45(value: int, expected: list[tuple[str, Severity]]) -> None:
    assert start(egfr(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (29, [("contraindicated", Severity.CRITICAL)]),
        (44, [("reassess", Severity.INFO)]),
        (45, []),
    ],
)
def test_an_ongoing_metformin_is_reassessed_below_45(value: int, expected: list[tuple[str, Severity]]) -> None:
    assert start(egfr(value), medications=taking("Metformin 1000 mg")) == expected


def test_metformin_by_creatinine_in_both_unit_systems() -> None:
    assert start(creatinine("2.45")) == start(creatinine_umol("216.6")) == [("contraindicated", Severity.CRITICAL)]
    assert start(creatinine("2.30")) == start(creatinine_umol("203.4")) == [("not_started", Severity.WARNING)]


def test_without_an_egfr_the_label_asks_for_one_before_the_start_and_a_renewal_is_left_alone() -> None:
    assert start() == [("unknown", Severity.INFO)]
    assert start(medications=taking("Metformin 1000 mg")) == []


def test_in_acute_kidney_injury_no_egfr_is_computed_and_that_is_said() -> None:
    assert start(creatinine("0.8", days=4), creatinine("1.3")) == [("injury", Severity.WARNING)]
    assert start(creatinine("0.8", days=4), creatinine("3.9")) == [("contraindicated", Severity.CRITICAL)]


def test_on_dialysis_metformin_is_contraindicated() -> None:
    dialysis = [problem("Dependence on renal dialysis", icd10="Z99.2")]
    assert start(problems=dialysis) == [("contraindicated", Severity.CRITICAL)]


# --- beside contrast -----------------------------------------------------------------------------------------------


def beside(*readings: Any, study: str = CT, **more: Any) -> Any:
    subject = with_order(imaging_order(study), *readings, medications=taking("metformin 500 mg"), **more)
    return on_orders("metformin-contrast", subject)


@pytest.mark.parametrize(
    ("value", "fda", "acr"),
    [(29, "contraindicated", "hold-48h"), (30, "hold-48h", "continue"), (60, "hold-48h", "continue"), (61, "", "")],
)
def test_both_authorities_on_both_sides_of_30_and_60(value: int, fda: str, acr: str) -> None:
    found = beside(egfr(value))
    assert [(f.values["fda_label"], f.values["acr_manual"]) for f in found] == ([(fda, acr)] if fda else [])


def test_both_readings_are_shown_and_the_stricter_one_leads() -> None:
    finding = one(beside(egfr(50)))
    assert HOLD in finding.summary
    assert finding.details[0].startswith(f"FDA label (2016): {HOLD}")
    assert finding.details[1] == "ACR manual: continue."


@pytest.mark.parametrize("history", ["Cirrhosis of liver", "Alcohol dependence", "Chronic heart failure"])
def test_the_label_also_holds_with_liver_disease_alcoholism_or_heart_failure(history: str) -> None:
    recorded = problem(history)
    finding = one(beside(egfr(90), problems=[recorded]))
    assert (finding.values["fda_label"], finding.values["acr_manual"]) == ("hold-48h", "continue")
    assert recorded in finding.facts
    assert history in finding.details[2]


def test_intra_arterial_contrast_is_held_by_both() -> None:
    finding = one(beside(egfr(90), study="Coronary angiography"))
    assert (finding.values["fda_label"], finding.values["acr_manual"]) == ("hold-48h", "hold-48h")


def test_in_acute_kidney_injury_the_stricter_reading_leads_and_that_is_said() -> None:
    finding = one(beside(creatinine("0.6", days=4), creatinine("1.0")))
    assert (finding.values["fda_label"], finding.values["acr_manual"]) == ("hold-48h", "hold-48h")
    assert "the stricter reading is taken" in finding.details[2]


def test_without_kidney_function_neither_can_be_applied_and_that_is_said() -> None:
    finding = one(beside())
    assert finding.missing
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("study", ["CT abdomen without contrast", "MRI brain with contrast", "Ultrasound of abdomen"])
def test_other_studies_do_not_concern_metformin(study: str) -> None:
    assert beside(egfr(20), study=study) == []


def test_metformin_drafted_beside_the_study_counts_and_is_reported_once() -> None:
    subject = record(egfr(50), orders=[imaging_order(CT), drug_order("metformin 500 mg")])
    assert one(on_orders("metformin-contrast", subject)).order is subject.orders[0]


def test_of_a_pair_the_selected_draft_speaks() -> None:
    subject = record(egfr(50), orders=[imaging_order(CT, selected=False), drug_order("metformin 500 mg")])
    assert one(on_orders("metformin-contrast", subject)).order is subject.orders[1]
