"""Imaging orders: contrast and kidneys, gadolinium, pregnancy, duplicates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from checking import drug_order, event, imaging_order, on_orders, one, pack, taking, with_order
from feeding_records import NOW, born, creatinine, creatinine_umol, problem, reading, record
from msgspec.structs import replace

from cds_service.record.facts import Code, Order, Record
from cds_service.rules.catalogue import Severity

CT = "CT abdomen and pelvis with IV contrast"
DIALYSIS = problem("Dependence on renal dialysis", icd10="Z99.2")


def egfr(value: int) -> Any:
    return reading("egfr", value, unit="mL/min/{1.73_m2}")


def said(rule: str, label: str, *readings: Any, **more: Any) -> list[str]:
    """Which of its texts a rule speaks about one imaging order."""
    return [f.key.split(":")[1] for f in on_orders(rule, with_order(imaging_order(label), *readings, **more))]


# --- iodinated contrast and kidneys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "severity"),
    [
        (29, "prophylaxis", Severity.WARNING),
        (30, "consider", Severity.INFO),
        (44, "consider", Severity.INFO),
        (45, None, None),
    ],
)
def test_contrast_by_egfr_on_both_sides_of_30_and_45(value: int, text: str | None, severity: Severity | None) -> None:
    found = on_orders("contrast-kidney", with_order(imaging_order(CT), egfr(value)))
    assert [(f.key.split(":")[1], f.severity) for f in found] == ([(text, severity)] if text else [])


def test_contrast_is_judged_by_a_computed_egfr_in_both_unit_systems() -> None:
    # a man of 66: 2.45 mg/dL (216.6 µmol/L) gives eGFR 28, 2.30 mg/dL (203.4 µmol/L) gives 30
    assert said("contrast-kidney", CT, creatinine("2.45")) == ["prophylaxis"]
    assert said("contrast-kidney", CT, creatinine("2.30")) == ["consider"]
    assert said("contrast-kidney", CT, creatinine_umol("216.6")) == ["prophylaxis"]
    assert said("contrast-kidney", CT, creatinine_umol("203.4")) == ["consider"]


def test_contrast_in_acute_kidney_injury_calls_for_prophylaxis_whatever_the_egfr() -> None:
    finding = one(
        on_orders("contrast-kidney", with_order(imaging_order(CT), creatinine("0.6", days=4), creatinine("1.0")))
    )
    assert finding.key.startswith("contrast-kidney:prophylaxis")
    assert finding.values["aki_stage"] == 1
    assert "not withheld" in " ".join(finding.details)


def test_no_prophylaxis_is_asked_for_on_maintenance_dialysis() -> None:
    assert said("contrast-kidney", CT, creatinine("8.0"), problems=[DIALYSIS]) == []


@pytest.mark.parametrize("label", ["CT abdomen without contrast", "MRI brain with contrast", "Ultrasound of kidneys"])
def test_studies_without_iodinated_contrast_are_not_warned_about(label: str) -> None:
    assert said("contrast-kidney", label, egfr(20)) == []


def test_where_the_order_does_not_say_whether_contrast_is_given_the_finding_says_so() -> None:
    finding = one(on_orders("contrast-kidney", with_order(imaging_order("CT abdomen"), egfr(20))))
    assert finding.severity is Severity.INFO
    assert finding.missing == ("whether contrast is given",)


def test_unknown_kidney_function_stays_unknown_and_is_said_where_it_matters() -> None:
    assert said("contrast-kidney", CT) == []
    assert said("contrast-kidney", CT, medications=taking("metformin 500 mg")) == ["unknown"]
    finding = one(
        on_orders("contrast-kidney", with_order(imaging_order(CT), problems=[problem("Chronic kidney disease")]))
    )
    assert finding.missing


# --- gadolinium ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [
        ("MRI brain with gadodiamide contrast", 29, "group_1"),
        ("MRI brain with gadodiamide contrast", 30, None),
        ("MRI liver with contrast, gadoxetate", 29, "group_3"),
        ("MRI brain with contrast, gadobutrol", 15, None),
        ("MRI brain with contrast", 29, "unspecified"),
        ("MRI brain with contrast", 30, None),
        ("MRI brain without contrast", 15, None),
    ],
)
def test_gadolinium_by_agent_and_egfr(label: str, value: int, text: str | None) -> None:
    assert said("gadolinium-kidney", label, egfr(value)) == ([text] if text else [])


def test_a_group_1_agent_ordered_as_a_drug_is_critical_in_kidney_failure() -> None:
    subject = with_order(drug_order("Gadopentetate injection"), problems=[DIALYSIS])
    assert one(on_orders("gadolinium-kidney", subject)).severity is Severity.CRITICAL


def test_an_unnamed_agent_is_a_remark() -> None:
    subject = with_order(imaging_order("MRI brain with contrast"), egfr(20))
    assert one(on_orders("gadolinium-kidney", subject)).severity is Severity.INFO


# --- pregnancy -----------------------------------------------------------------------------------------------------

PREGNANT: dict[str, Any] = {"sex": "female", "born": born(30), "problems": [problem("Normal pregnancy")]}
WOMAN: dict[str, Any] = {"sex": "female", "born": born(30)}


@pytest.mark.parametrize(
    ("label", "text", "severity"),
    [
        (CT, "pelvic", Severity.WARNING),
        ("XR lumbar spine", "pelvic", Severity.WARNING),
        ("CT head without contrast", "remote", Severity.INFO),
        ("XR chest 2 views", "remote", Severity.INFO),
        ("MRI brain with contrast", "gadolinium", Severity.WARNING),
        ("MRI brain without contrast", None, None),
        ("Ultrasound of abdomen", None, None),
        ("V/Q scan", "tracer", Severity.WARNING),
        ("Nuclear medicine thyroid scan", "tracer", Severity.WARNING),
        ("PET CT chest", "tracer", Severity.WARNING),
    ],
)
def test_imaging_in_a_recorded_pregnancy(label: str, text: str | None, severity: Severity | None) -> None:
    found = on_orders("pregnancy-imaging", with_order(imaging_order(label), **PREGNANT))
    assert [(f.key.split(":")[1], f.severity) for f in found] == ([(text, severity)] if text else [])


@pytest.mark.parametrize(
    ("change", "speaks"),
    [
        (WOMAN, True),
        ({**WOMAN, "born": born(9.5)}, False),
        ({**WOMAN, "born": born(10.5)}, True),
        ({**WOMAN, "born": born(55.5)}, True),
        ({**WOMAN, "born": born(56.5)}, False),
        ({**WOMAN, "sex": "male"}, False),
        ({**WOMAN, "sex": "unknown"}, False),
    ],
)
def test_an_unrecorded_pregnancy_status_is_asked_for_before_pelvic_ct(change: dict[str, Any], speaks: bool) -> None:
    found = on_orders("pregnancy-imaging", with_order(imaging_order(CT), **change))
    assert [f.missing for f in found] == ([("pregnancy status",)] if speaks else [])


def test_a_recent_negative_status_answers_the_question_and_an_old_one_does_not() -> None:
    negative = {"text": "not pregnant", "value_codes": (Code("http://snomed.info/sct", "60001007"),)}
    recent, old = reading("pregnancy_status", days=20, **negative), reading("pregnancy_status", days=40, **negative)
    assert said("pregnancy-imaging", CT, recent, **WOMAN) == []
    assert said("pregnancy-imaging", CT, old, **WOMAN) == ["ask"]


@pytest.mark.parametrize("label", ["V/Q scan", "PET CT chest", "Myocardial perfusion SPECT"])
def test_it_is_asked_for_before_a_tracer_whatever_the_region(label: str) -> None:
    assert said("pregnancy-imaging", label, **WOMAN) == ["ask"]


@pytest.mark.parametrize("label", ["CT head", "XR abdomen", "XR chest"])
def test_an_unrecorded_status_is_not_asked_for_before_other_studies(label: str) -> None:
    assert said("pregnancy-imaging", label, **WOMAN) == []


# --- duplicates ----------------------------------------------------------------------------------------------------


def before(draft: Order, label: str, resource_type: str, **more: Any) -> Record:
    kinds = {"ImagingStudy": "imaging", "ServiceRequest": "requests", "DiagnosticReport": "reports"}
    return record(orders=[draft], **{kinds[resource_type]: [event(label, resource_type, **more)]})


@pytest.mark.parametrize(
    ("draft", "earlier", "resource_type", "speaks"),
    [
        ("CT head", "CT brain without contrast", "ImagingStudy", True),
        ("CT head", "CT Head", "ServiceRequest", True),
        ("CT head", "CT head", "DiagnosticReport", True),
        ("CT head", "MRI head", "ImagingStudy", False),
        ("CT head", "CT chest", "ImagingStudy", False),
        ("XR left knee", "XR right knee", "ImagingStudy", False),
        ("XR left knee", "XR knee", "ImagingStudy", True),
        ("XR chest", "Chest radiograph", "DiagnosticReport", True),
        ("Lipid panel", "Lipid panel", "ServiceRequest", False),
    ],
)
def test_a_study_repeats_another_by_modality_region_and_side(
    draft: str, earlier: str, resource_type: str, speaks: bool
) -> None:
    assert bool(on_orders("duplicate-imaging", before(imaging_order(draft), earlier, resource_type))) is speaks


@pytest.mark.parametrize("modality", ["CT", "CR", "MR", "US", "PT"])
def test_each_modality_has_its_window(modality: str) -> None:
    hours = pack().rules["duplicate-imaging"].given.hours[modality]
    draft = imaging_order("Head", modalities=(modality,))
    inside, outside = (
        before(draft, "Head", "ImagingStudy", hours=h, modalities=(modality,)) for h in (hours, hours + 0.1)
    )
    assert on_orders("duplicate-imaging", inside)
    assert on_orders("duplicate-imaging", outside) == []


@pytest.mark.parametrize("status", ["cancelled", "revoked", "entered-in-error", "not-done", "draft"])
def test_what_was_not_done_is_not_repeated(status: str) -> None:
    subject = before(imaging_order("CT head"), "CT head", "ServiceRequest", status=status)
    assert on_orders("duplicate-imaging", subject) == []


def test_an_order_is_no_duplicate_of_itself() -> None:
    draft = imaging_order("CT head")
    itself = event("CT head", "ServiceRequest")
    subject = record(orders=[replace(draft, reference=itself.reference)], requests=[itself])
    assert on_orders("duplicate-imaging", subject) == []


def test_two_drafts_of_the_same_study_are_reported_once() -> None:
    subject = record(orders=[imaging_order("CT head"), imaging_order("CT head without contrast")])
    assert len(on_orders("duplicate-imaging", subject)) == 1


def test_an_undated_study_is_not_taken_as_recent() -> None:
    undated = event("CT head", "ImagingStudy")
    subject = record(orders=[imaging_order("CT head")], imaging=[replace(undated, time=None)])
    assert on_orders("duplicate-imaging", subject) == []


def test_a_planned_study_of_the_next_hours_counts_too() -> None:
    planned = event("CT head", "ServiceRequest", hours=-2, status="active")
    assert planned.time == NOW + timedelta(hours=2)
    assert on_orders("duplicate-imaging", record(orders=[imaging_order("CT head")], requests=[planned]))
