"""Edges of the drug checks: limits that include their own value, kidneys that are not steady, potassium above 5.0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from checking import drug_order, on_orders, on_record, one, pack, taking, with_order
from feeding_records import born, creatinine, problem, reading, record

from cds_service.rules.catalogue import Severity

DIALYSIS = problem("Dependence on renal dialysis", icd10="Z99.2")
PREGNANT: dict[str, Any] = {"sex": "female", "born": born(30), "problems": [problem("Normal pregnancy")]}


def clearance(value: str) -> list[Any]:
    """A man of 66 of 72 kg: clearance = 74 / creatinine."""
    return [reading("body_weight", 72, unit="kg"), creatinine(Decimal(74) / Decimal(value))]


@pytest.mark.parametrize(
    ("drug", "edge"),
    [("dabigatran", "30"), ("rivaroxaban", "50"), ("edoxaban", "50"), ("gabapentin", "15"), ("sulfamethoxazole", "30")],
)
def test_a_label_that_counts_the_edge_itself_to_the_lower_dose_is_read_so(drug: str, edge: str) -> None:
    row = next(row for row in pack().rules["renal-dosing"].given.rows if row.drug == drug)
    assert row.band(Decimal(edge)).below == Decimal(edge)
    above = row.band(Decimal(edge) + Decimal("0.1"))
    assert above is None or above.below > Decimal(edge)


@pytest.mark.parametrize(("value", "speaks"), [("95.3", True), ("94.9", False), ("60", False)])
def test_edoxaban_is_warned_about_above_95_as_its_boxed_warning_says(value: str, speaks: bool) -> None:
    found = on_orders("renal-dosing", with_order(drug_order("Edoxaban 60 mg"), *clearance(value)))
    assert [f.severity for f in found] == ([Severity.WARNING] if speaks else [])
    if speaks:
        assert "in atrial fibrillation not to be used above 95" in one(found).summary


@pytest.mark.parametrize(
    ("drug", "said"),
    [
        ("Fondaparinux 2.5 mg", "fondaparinux: contraindicated"),
        ("Dabigatran", "dabigatran: no dose can be recommended"),
    ],
)
def test_on_dialysis_and_in_injury_a_contraindication_by_clearance_stays_one(drug: str, said: str) -> None:
    on_dialysis = one(on_orders("renal-dosing", with_order(drug_order(drug), problems=[DIALYSIS])))
    assert (on_dialysis.summary, on_dialysis.severity) == (f"{said} (maintenance dialysis)", Severity.CRITICAL)
    injured = [reading("body_weight", 72, unit="kg"), creatinine("1.0", days=4), creatinine("8.0")]
    found = one(on_orders("renal-dosing", with_order(drug_order(drug), *injured)))
    assert (found.summary, found.severity) == (f"{said} (AKI stage 3)", Severity.CRITICAL)
    assert "Were it steady, this creatinine would mean a clearance of 9 mL/min." in found.details[0]


def test_a_rising_creatinine_never_makes_the_answer_on_a_dose_milder() -> None:
    ranks = []
    for value in ("1.0", "1.4", "2.0", "2.9", "4.0", "6.0", "9.0"):
        readings = [reading("body_weight", 72, unit="kg"), creatinine("1.0", days=4), creatinine(value)]
        found = on_orders("renal-dosing", with_order(drug_order("Fondaparinux 2.5 mg"), *readings))
        ranks.append(max((f.severity.rank for f in found), default=-1))
    assert ranks == sorted(ranks)


def test_of_a_steady_injury_without_a_weight_nothing_is_computed() -> None:
    injured = [creatinine("1.0", days=4), creatinine("8.0")]
    finding = one(on_orders("renal-dosing", with_order(drug_order("Fondaparinux 2.5 mg"), *injured)))
    assert finding.severity is Severity.WARNING
    assert "cannot be judged" in finding.summary


@pytest.mark.parametrize(
    ("drug", "value", "speaks"),
    [
        ("potassium chloride 20 mmol", "5.0", False),
        ("potassium chloride 20 mmol", "5.1", True),
        ("spironolactone 25 mg", "5.0", False),
        ("spironolactone 25 mg", "5.1", True),
        ("lisinopril 5 mg", "5.1", False),
        ("lisinopril 5 mg", "5.5", True),
        ("trimethoprim 200 mg", "5.4", False),
    ],
)
def test_potassium_salts_and_sparing_diuretics_are_warned_about_above_5(drug: str, value: str, speaks: bool) -> None:
    found = on_orders("hyperkalaemia-order", with_order(drug_order(drug), reading("potassium", value, unit="mmol/L")))
    assert [f.severity for f in found] == ([Severity.WARNING] if speaks else [])


@pytest.mark.parametrize(
    ("comparator", "value", "speaks"), [(">", "5.0", True), (">=", "5.1", True), ("<", "6.0", False)]
)
def test_a_bound_counts_where_it_proves_more_than_5(comparator: str, value: str, speaks: bool) -> None:
    level = reading("potassium", value, unit="mmol/L", comparator=comparator)
    found = on_orders("hyperkalaemia-order", with_order(drug_order("potassium chloride"), level))
    assert bool(found) is speaks


@pytest.mark.parametrize(("dose", "speaks"), [("4 mg once", False), ("8 mg once", True)])
def test_the_label_s_4_mg_of_ondansetron_by_mouth_are_no_overdose_of_a_child_of_16_kg(dose: str, speaks: bool) -> None:
    draft = drug_order("ondansetron 4 mg ODT", dose=dose)
    subject = with_order(draft, reading("body_weight", 16, unit="kg"), born=born(4.5))
    assert bool(on_orders("paediatric-dose", subject)) is speaks


@pytest.mark.parametrize(
    ("dose", "severity"),
    [("200 mg", None), ("201 mg", Severity.INFO), ("220 mg", Severity.INFO), ("221 mg", Severity.WARNING)],
)
def test_a_dose_by_weight_up_to_a_tenth_above_its_limit_is_a_remark(dose: str, severity: Severity | None) -> None:
    draft = drug_order("ibuprofen", dose=f"{dose} three times daily")
    found = on_orders("paediatric-dose", with_order(draft, reading("body_weight", 20, unit="kg"), born=born(6)))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_rounding_excuses_no_dose_above_the_largest_single_dose() -> None:
    draft = drug_order("ibuprofen", dose="410 mg three times daily")
    found = on_orders("paediatric-dose", with_order(draft, reading("body_weight", 40, unit="kg"), born=born(11)))
    assert one(found).severity is Severity.WARNING


@pytest.mark.parametrize("drug", ["Lisinopril 10 mg", "Mycophenolate 500 mg", "Warfarin 3 mg"])
def test_of_drugs_under_a_boxed_warning_no_formal_contraindication_is_claimed(drug: str) -> None:
    ordered = one(on_orders("pregnancy-drug", with_order(drug_order(drug), **PREGNANT)))
    taken = one(on_record("pregnancy-drug-active", record(medications=taking(drug), **PREGNANT)))
    for finding in (ordered, taken):
        assert "contraindicated or to be stopped in pregnancy" in finding.summary
        assert "or its boxed warning" in finding.details[0]


def test_an_nsaid_on_maintenance_dialysis_is_a_remark_and_not_silence() -> None:
    finding = one(on_orders("nsaid-kidney", with_order(drug_order("Ibuprofen 400 mg"), problems=[DIALYSIS])))
    assert finding.severity is Severity.INFO
    assert finding.summary == "ibuprofen on maintenance dialysis: may cost what kidney function is left"


@pytest.mark.parametrize("taken", ["Percocet 5/325", "Tylenol 500 mg", "co-codamol 30/500"])
def test_paracetamol_in_a_second_product_is_a_remark(taken: str) -> None:
    finding = one(
        on_orders("paracetamol-duplicate", with_order(drug_order("acetaminophen 1 g"), medications=taking(taken)))
    )
    assert finding.severity is Severity.INFO
    assert finding.summary.startswith(f"paracetamol is in an active product as well ({taken})")


def test_paracetamol_beside_another_drug_or_alone_is_silent() -> None:
    alone = with_order(drug_order("acetaminophen 1 g"), medications=taking("Ibuprofen 400 mg"))
    assert on_orders("paracetamol-duplicate", alone) == []


@pytest.mark.parametrize(("value", "severity"), [(22, Severity.WARNING), (59, Severity.WARNING), (75, Severity.INFO)])
def test_without_a_clearance_a_reduced_egfr_is_said_and_weighs_more(value: int, severity: Severity) -> None:
    reported = reading("egfr", value, unit="mL/min/{1.73_m2}")
    finding = one(on_orders("renal-dosing", with_order(drug_order("Gabapentin 300 mg"), reported)))
    assert finding.severity is severity
    assert (f"kidney function is reduced (eGFR {value})" in finding.summary) is (severity is Severity.WARNING)
    assert "weight" in finding.missing
    lithium = one(on_orders("renal-dosing", with_order(drug_order("Lithium 300 mg"), reported)))
    assert lithium.severity is severity


@pytest.mark.parametrize(
    ("value", "more", "severity"),
    [
        ("3.5", {}, None),
        ("3.4", {}, Severity.WARNING),
        ("2.9", {}, Severity.WARNING),
        ("2.8", {}, Severity.CRITICAL),
        ("2.8", {"comparator": "<"}, Severity.CRITICAL),
        ("3.0", {"comparator": ">"}, None),
        ("2.8", {"hours": 25}, None),
    ],
)
def test_insulin_is_warned_about_while_potassium_is_low(
    value: str, more: dict[str, Any], severity: Severity | None
) -> None:
    subject = with_order(drug_order("insulin regular infusion"), reading("potassium", value, unit="mmol/L", **more))
    assert [f.severity for f in on_orders("insulin-potassium", subject)] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("name", "severity"),
    [("Chronic kidney disease stage 3", Severity.INFO), ("CKD stage 5", Severity.WARNING), ("Osteoarthritis", None)],
)
def test_an_nsaid_with_a_recorded_kidney_disease_and_no_egfr_is_said(name: str, severity: Severity | None) -> None:
    draft = drug_order("Ibuprofen 400 mg")
    found = on_orders("nsaid-kidney", with_order(draft, problems=[problem(name)]))
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert [f.summary for f in found] == ([f"ibuprofen: recorded is {name}, and no eGFR is known"] if severity else [])
    good = reading("egfr", 75, unit="mL/min/{1.73_m2}")
    assert on_orders("nsaid-kidney", with_order(draft, good, problems=[problem(name)])) == []
