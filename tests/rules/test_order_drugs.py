"""Medication orders: pairs, potassium, QT, kidneys, pregnancy, children, and what was not checked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from checking import drug_order, imaging_order, on_orders, one, order, pack, taking, with_order
from feeding_records import born, creatinine, medication, problem, reading, record
from msgspec.structs import replace

from cds_service.record.facts import Code
from cds_service.rules.catalogue import Severity
from cds_service.rules.drugs import RXNORM


def egfr(value: int) -> Any:
    return reading("egfr", value, unit="mL/min/{1.73_m2}")


# --- pairs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "one_drug", "other"),
    [
        ("opioid-benzodiazepine", "Morphine 5 mg", "Lorazepam 1 mg"),
        ("opioid-benzodiazepine", "Tramadol 50 mg", "diazepam [Valium]"),
        ("nsaid-anticoagulant", "Ibuprofen 400 mg", "apixaban 5 mg"),
        ("nsaid-anticoagulant", "Naproxen 500 mg", "Warfarin 3 mg"),
        ("nsaid-anticoagulant", "Ibuprofen 400 mg soft gel", "apixaban 5 mg"),
        ("opioid-benzodiazepine", "Tylenol #3", "Klonopin 1 mg"),
        ("anticoagulant-duplicate", "Enoxaparin 40 mg", "apixaban 5 mg"),
        ("hyperkalaemia-pair", "Spironolactone 25 mg", "Lisinopril 10 mg"),
        ("hyperkalaemia-pair", "potassium chloride 20 mmol", "Losartan 50 mg"),
        ("hyperkalaemia-pair", "co-trimoxazole 960 mg", "Enalapril 5 mg"),
        ("qt-pair", "Haloperidol 1 mg", "Methadone 10 mg"),
        ("qt-pair", "Azithromycin 500 mg", "amiodarone 200 mg"),
    ],
)
def test_a_pair_is_found_either_way_round_and_between_drafts_once(rule: str, one_drug: str, other: str) -> None:
    a_then_b = with_order(drug_order(one_drug), medications=taking(other))
    b_then_a = with_order(drug_order(other), medications=taking(one_drug))
    drafts = record(orders=[drug_order(one_drug), drug_order(other)])
    keys = [[finding.key for finding in on_orders(rule, subject)] for subject in (a_then_b, b_then_a, drafts)]
    assert keys[0] == keys[1] == keys[2]
    assert len(keys[0]) == 1
    finding = one(on_orders(rule, a_then_b))
    assert len(finding.facts) == 2


@pytest.mark.parametrize(
    ("rule", "drug", "other"),
    [
        ("opioid-benzodiazepine", "Morphine 5 mg", "Zolpidem 5 mg"),
        ("nsaid-anticoagulant", "Paracetamol 1 g", "apixaban 5 mg"),
        ("nsaid-anticoagulant", "Diclofenac 1% topical gel", "apixaban 5 mg"),
        ("nsaid-anticoagulant", "Ibuprofen 400 mg", "Heparin lock flush"),
        ("hyperkalaemia-pair", "Lisinopril 10 mg", "Losartan potassium 50 mg"),
        ("hyperkalaemia-pair", "Furosemide 40 mg", "Lisinopril 10 mg"),
        ("qt-pair", "Haloperidol 1 mg", "Haloperidol 5 mg"),
        ("qt-pair", "Haloperidol 1 mg", "Paracetamol 1 g"),
    ],
)
def test_what_is_no_pair_is_not_reported(rule: str, drug: str, other: str) -> None:
    assert on_orders(rule, with_order(drug_order(drug), medications=taking(other))) == []


def test_a_stopped_medication_is_no_partner() -> None:
    stopped = [medication("Lorazepam 1 mg", active=False), medication("Lorazepam", do_not_perform=True)]
    assert on_orders("opioid-benzodiazepine", with_order(drug_order("Morphine"), medications=stopped)) == []


def test_several_partners_of_one_order_are_one_finding() -> None:
    subject = with_order(drug_order("Morphine"), medications=taking("Lorazepam 1 mg", "Diazepam 5 mg"))
    finding = one(on_orders("opioid-benzodiazepine", subject))
    assert finding.values["partner"] == "diazepam, lorazepam"
    assert len(finding.facts) == 3


@pytest.mark.parametrize("backwards", [False, True])
def test_a_pair_of_drafts_is_said_with_the_drug_that_brings_the_harm(backwards: bool) -> None:
    drafts = [drug_order("Naproxen 500 mg"), drug_order("Enoxaparin 40 mg")]
    subject = record(orders=drafts[::-1] if backwards else drafts, medications=taking("apixaban 5 mg"))
    finding = one(on_orders("nsaid-anticoagulant", subject))
    assert finding.order is drafts[0]
    assert finding.values["partner"] == "apixaban, enoxaparin"


def test_a_pair_of_which_one_draft_is_selected_is_said_with_that_one() -> None:
    drafts = [drug_order("Naproxen 500 mg", selected=False), drug_order("Enoxaparin 40 mg")]
    assert one(on_orders("nsaid-anticoagulant", record(orders=drafts))).order is drafts[1]


def test_the_records_own_copy_of_a_draft_is_no_partner() -> None:
    draft = drug_order("apixaban 5 mg")
    copy = medication("apixaban 5 mg")
    subject = with_order(draft, medications=[replace(copy, reference=draft.reference)])
    assert on_orders("anticoagulant-duplicate", subject) == []


def test_the_same_anticoagulant_twice_is_a_remark() -> None:
    subject = with_order(drug_order("apixaban 5 mg"), medications=taking("Eliquis 2.5 mg"))
    assert one(on_orders("anticoagulant-duplicate", subject)).severity is Severity.INFO


@pytest.mark.parametrize("missing", [None, "Lisinopril", "Furosemide", "Ibuprofen"])
def test_the_triple_whammy_needs_all_three_and_any_of_them_may_complete_it(missing: str | None) -> None:
    drugs = [drug for drug in ("Lisinopril", "Furosemide", "Ibuprofen") if drug != missing]
    for drafted in drugs:
        subject = with_order(drug_order(drafted), medications=taking(*(d for d in drugs if d != drafted)))
        assert bool(on_orders("triple-whammy", subject)) is (missing is None)


def test_a_triple_whammy_of_three_drafts_is_one_finding() -> None:
    subject = record(orders=[drug_order(d) for d in ("Furosemide", "Ibuprofen", "Lisinopril")])
    assert len(on_orders("triple-whammy", subject)) == 1


# --- potassium and QT ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        ([reading("potassium", "4.9")], Severity.WARNING),
        ([reading("potassium", "5.0")], Severity.CRITICAL),
        ([reading("potassium", "4.9"), egfr(30)], Severity.WARNING),
        ([reading("potassium", "4.9"), egfr(29)], Severity.CRITICAL),
        ([reading("potassium", "5.0", comparator=">")], Severity.CRITICAL),
        ([reading("potassium", "9.0", comparator="<")], Severity.WARNING),
        ([reading("potassium", "6.0", days=8)], Severity.WARNING),
        ([], Severity.WARNING),
    ],
)
def test_potassium_of_5_or_egfr_below_30_raises_the_pair(readings: list[Any], severity: Severity) -> None:
    subject = with_order(drug_order("Spironolactone"), *readings, medications=taking("Lisinopril"))
    assert one(on_orders("hyperkalaemia-pair", subject)).severity is severity


def test_without_a_recent_potassium_the_pair_says_so() -> None:
    subject = with_order(drug_order("Spironolactone"), medications=taking("Lisinopril"))
    assert "potassium" in one(on_orders("hyperkalaemia-pair", subject)).missing


@pytest.mark.parametrize(("value", "speaks"), [("5.5", True), ("5.4", False)])
def test_a_drug_that_raises_potassium_is_warned_about_from_5_5(value: str, speaks: bool) -> None:
    subject = with_order(drug_order("Lisinopril 10 mg"), reading("potassium", value, unit="mmol/L"))
    assert bool(on_orders("hyperkalaemia-order", subject)) is speaks


@pytest.mark.parametrize("drug", ["potassium chloride 20 mmol", "Lisinopril 10 mg", "Losartan 50 mg", "Spironolactone"])
@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (reading("potassium", "5.9", unit="mmol/L"), Severity.WARNING),
        (reading("potassium", "6.0", unit="mmol/L"), Severity.CRITICAL),
        (reading("potassium", "6.4", unit="mmol/L"), Severity.CRITICAL),
        (reading("potassium", "6.0", unit="mmol/L", comparator=">"), Severity.CRITICAL),
        (reading("potassium", "5.9", unit="mmol/L", comparator=">"), Severity.WARNING),
        (reading("potassium", "6.4", unit="mmol/L", hours=48), Severity.CRITICAL),
        (reading("potassium", "6.4", unit="mmol/L", hours=49), Severity.WARNING),
    ],
)
def test_a_drug_that_raises_potassium_is_critical_at_a_current_critical_potassium(
    drug: str, level: Any, severity: Severity
) -> None:
    finding = one(on_orders("hyperkalaemia-order", with_order(drug_order(drug), level)))
    assert finding.severity is severity
    assert ("critical limit of 6.0 mmol/L" in finding.summary) is (severity is Severity.CRITICAL)


@pytest.mark.parametrize(("value", "severity"), [("6.4", Severity.WARNING), ("6.5", Severity.CRITICAL)])
def test_the_critical_limit_is_that_of_the_patients_population(value: str, severity: Severity) -> None:
    failure = [problem("Kidney failure", icd10="N18.6")]
    subject = with_order(drug_order("Lisinopril"), reading("potassium", value, unit="mmol/L"), problems=failure)
    assert one(on_orders("hyperkalaemia-order", subject)).severity is severity


def test_a_site_whose_critical_limit_lies_below_5_5_is_warned_from_there(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[critical.potassium]\nsource = { label = "Our laboratory", edition = "1" }\nhigh = 5.3\n')
    using = pack(site)
    levels = {value: reading("potassium", value, unit="mmol/L") for value in ("5.2", "5.3")}
    found = {
        value: [
            f.severity for f in on_orders("hyperkalaemia-order", with_order(drug_order("Lisinopril"), level), using)
        ]
        for value, level in levels.items()
    }
    assert found == {"5.2": [], "5.3": [Severity.CRITICAL]}


@pytest.mark.parametrize(("qtc", "severity"), [("500", Severity.CRITICAL), ("499", Severity.WARNING)])
def test_a_long_qtc_raises_the_qt_pair(qtc: str, severity: Severity) -> None:
    subject = with_order(drug_order("Haloperidol"), reading("qtc", qtc), medications=taking("Methadone"))
    finding = one(on_orders("qt-pair", subject))
    assert finding.severity is severity
    assert "label" in " ".join(finding.details)


@pytest.mark.parametrize(("qtc", "speaks"), [("500", True), ("499", False)])
def test_a_qt_drug_alone_is_warned_about_when_qtc_is_long(qtc: str, speaks: bool) -> None:
    assert bool(on_orders("qt-order", with_order(drug_order("Ondansetron"), reading("qtc", qtc)))) is speaks


def test_a_qt_drug_is_warned_about_in_long_qt_syndrome() -> None:
    subject = with_order(drug_order("Ondansetron"), problems=[problem("Congenital long QT syndrome", icd10="I45.81")])
    assert on_orders("qt-order", subject)


def test_every_qt_drug_names_the_place_in_its_label() -> None:
    group = pack().rules["qt-pair"].given.drugs
    assert group.members == set(pack().tables.drugs.label_places)


# --- kidneys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "severity"), [(60, None), (59, Severity.INFO), (30, Severity.INFO), (29, Severity.WARNING)]
)
def test_an_nsaid_by_egfr(value: int, severity: Severity | None) -> None:
    found = on_orders("nsaid-kidney", with_order(drug_order("Ibuprofen 400 mg"), egfr(value)))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_an_nsaid_in_acute_kidney_injury_is_a_warning_and_aspirin_is_none() -> None:
    injured = [creatinine("0.8", days=4), creatinine("1.3")]
    assert one(on_orders("nsaid-kidney", with_order(drug_order("Ibuprofen"), *injured))).severity is Severity.WARNING
    assert on_orders("nsaid-kidney", with_order(drug_order("Aspirin 100 mg"), *injured)) == []


def clearance(value: str) -> list[Any]:
    """A man of 66 of 72 kg: clearance = 74 / creatinine."""
    return [reading("body_weight", 72, unit="kg"), creatinine(Decimal(74) / Decimal(value))]


def bands() -> list[Any]:
    return [
        pytest.param(row.drug, band, id=f"{row.drug}-{band.below}")
        for row in pack().rules["renal-dosing"].given.rows
        for band in row.bands
    ]


@pytest.mark.parametrize(("drug", "band"), bands())
def test_every_band_of_the_renal_table_on_both_sides(drug: str, band: Any) -> None:
    edge = Decimal(band.below)
    inside = one(on_orders("renal-dosing", with_order(drug_order(drug), *clearance(str(edge - Decimal("0.2"))))))
    assert inside.values["edge"] == str(band.below)
    assert band.advice in inside.summary
    outside = on_orders("renal-dosing", with_order(drug_order(drug), *clearance(str(edge + Decimal("0.2")))))
    assert [f.values["edge"] for f in outside] != [str(band.below)]


@pytest.mark.parametrize(
    ("dose", "speaks"),
    [("15 mg once daily", False), ("20 mg once daily", True), ("as directed", True), ("", True), ("10 mg BID", True)],
)
def test_a_plainly_written_dose_within_the_label_is_silent(dose: str, speaks: bool) -> None:
    subject = with_order(drug_order("Rivaroxaban", dose=dose), *clearance("40"))
    assert bool(on_orders("renal-dosing", subject)) is speaks


def test_a_drug_without_a_row_or_with_good_kidneys_is_silent() -> None:
    assert on_orders("renal-dosing", with_order(drug_order("Bisoprolol"), *clearance("20"))) == []
    assert on_orders("renal-dosing", with_order(drug_order("Rivaroxaban"), *clearance("95"))) == []


def test_without_weight_the_dose_is_said_not_to_be_checked() -> None:
    finding = one(on_orders("renal-dosing", with_order(drug_order("Gabapentin"), creatinine("1.0"))))
    assert finding.severity is Severity.INFO
    assert finding.missing == ("weight",)


def test_in_acute_kidney_injury_no_clearance_is_used() -> None:
    injured = [reading("body_weight", 72), creatinine("0.8", days=4), creatinine("1.9")]
    finding = one(on_orders("renal-dosing", with_order(drug_order("Gabapentin"), *injured)))
    assert finding.severity is Severity.WARNING
    assert "cannot be judged" in finding.summary


def test_the_renal_table_is_for_adults() -> None:
    assert on_orders("renal-dosing", with_order(drug_order("Gabapentin"), *clearance("20"), born=born(12))) == []


# --- pregnancy and children ----------------------------------------------------------------------------------------

PREGNANT: dict[str, Any] = {"sex": "female", "born": born(30), "problems": [problem("Normal pregnancy")]}
WOMAN: dict[str, Any] = {"sex": "female", "born": born(30)}


@pytest.mark.parametrize(
    ("drug", "severity"),
    [
        ("Isotretinoin 20 mg", Severity.CRITICAL),
        ("Lisinopril 10 mg", Severity.CRITICAL),
        ("Valproate 500 mg", Severity.CRITICAL),
        ("Warfarin 3 mg", Severity.CRITICAL),
        ("Ibuprofen 400 mg", Severity.WARNING),
        ("Doxycycline 100 mg", Severity.WARNING),
        ("Paracetamol 500 mg", None),
        ("Enoxaparin 40 mg", None),
        ("Tetracycline ointment", None),
    ],
)
def test_drugs_in_a_recorded_pregnancy(drug: str, severity: Severity | None) -> None:
    found = on_orders("pregnancy-drug", with_order(drug_order(drug), **PREGNANT))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_that_abrupt_stopping_can_harm_is_said_only_of_a_drug_that_is_taken_already() -> None:
    draft = drug_order("Lisinopril 10 mg")
    new = one(on_orders("pregnancy-drug", with_order(draft, **PREGNANT)))
    other = one(on_orders("pregnancy-drug", with_order(draft, **PREGNANT, medications=taking("Warfarin 3 mg"))))
    running = one(on_orders("pregnancy-drug", with_order(draft, **PREGNANT, medications=taking("Lisinopril 5 mg"))))
    assert ["stopping" in " ".join(f.details) for f in (new, other, running)] == [False, False, True]
    assert {f.severity for f in (new, other, running)} == {Severity.CRITICAL}
    assert running.key == new.key
    assert "Lisinopril 5 mg" in [fact.label for fact in running.facts]


def test_before_a_strong_teratogen_an_unrecorded_status_is_asked_for() -> None:
    assert one(on_orders("pregnancy-drug", with_order(drug_order("Isotretinoin"), **WOMAN))).missing
    assert on_orders("pregnancy-drug", with_order(drug_order("Lisinopril"), **WOMAN)) == []
    assert on_orders("pregnancy-drug", with_order(drug_order("Isotretinoin"))) == []


@pytest.mark.parametrize(
    ("drug", "years", "severity"),
    [
        ("Codeine 15 mg", 11.9, Severity.CRITICAL),
        ("Codeine 15 mg", 12.1, None),
        ("Tramadol 50 mg", 11.9, Severity.CRITICAL),
        ("Aspirin 300 mg", 15.9, Severity.WARNING),
        ("Aspirin 300 mg", 16.1, None),
        ("Doxycycline 100 mg", 7.9, Severity.WARNING),
        ("Doxycycline 100 mg", 8.1, None),
        ("Promethazine 5 mg", 1.9, Severity.CRITICAL),
        ("Promethazine 5 mg", 2.1, None),
    ],
)
def test_drugs_below_the_age_of_their_label(drug: str, years: float, severity: Severity | None) -> None:
    found = on_orders("paediatric-age", with_order(drug_order(drug), born=born(years)))
    assert [f.severity for f in found] == ([severity] if severity else [])


def child(dose: str, *readings: Any, drug: str = "Paracetamol", years: float = 6) -> list[str]:
    subject = with_order(drug_order(drug, dose=dose), *readings, born=born(years))
    return [f.key.split(":")[1] for f in on_orders("paediatric-dose", subject)]


def test_a_childs_single_dose_is_held_against_mg_per_kg_and_the_largest_dose() -> None:
    weight = reading("body_weight", 20, unit="kg")
    assert child("300 mg every 6 hours", weight) == []  # 15 mg/kg exactly
    assert child("301 mg every 6 hours", weight) == ["over"]
    assert child("750 mg every 6 hours", reading("body_weight", 50)) == []
    assert child("751 mg every 6 hours", reading("body_weight", 60)) == ["adult"]
    assert child("1 g every 6 hours") == ["adult"]
    assert child("1 g every 6 hours", weight, years=12.1) == []


@pytest.mark.parametrize(
    ("dose", "kilograms", "said"),
    [
        ("3999 mg once", "20", "over"),  # at once: from 200 mg/kg on
        ("4000 mg once", "20", "toxic"),
        ("749 mg four times daily", "20", "over"),  # by the day: from 150 mg/kg on
        ("750 mg four times daily", "20", "toxic"),
        ("1000 mg every 8 hours", "20", "toxic"),
        ("900 mg every 6 hours", "20", "toxic"),  # three times the label's largest single dose
        ("900 mg", "20", "over"),  # the same without a frequency
        ("1000 mg four times daily", "26.7", "over"),
        ("1000 mg four times daily", "26.6", "toxic"),
        ("1499 mg four times daily", None, "adult"),  # whatever the weight: 6 g a day, 10 g at once
        ("1500 mg four times daily", None, "toxic"),
        ("9999 mg", None, "adult"),
        ("10 g", None, "toxic"),
        ("1500 mg four times daily", "55", "toxic"),
    ],
)
def test_paracetamol_in_the_toxic_range_of_a_child_is_critical(dose: str, kilograms: str | None, said: str) -> None:
    weight = [reading("body_weight", kilograms, unit="kg")] if kilograms else []
    subject = with_order(drug_order("Paracetamol", dose=dose), *weight, born=born(6))
    finding = one(on_orders("paediatric-dose", subject))
    assert finding.key == f"paediatric-dose:{said}:paracetamol"
    assert finding.severity is (Severity.CRITICAL if said == "toxic" else Severity.WARNING)


def test_a_toxic_dose_is_said_with_the_amount_the_limit_and_what_was_ordered() -> None:
    draft = drug_order("acetaminophen 500 mg tablet", dose="1000 mg four times daily by mouth")
    finding = one(on_orders("paediatric-dose", with_order(draft, reading("body_weight", 20, unit="kg"), born=born(6))))
    assert finding.summary == (
        "acetaminophen 4000 mg (200 mg/kg) a day for a child of 20 kg: in the toxic range, from 150 mg/kg a day"
    )
    assert "Ordered: 1000 mg four times daily by mouth." in finding.details[0]


@pytest.mark.parametrize(
    ("kilograms", "label"),
    [
        ("20", "15 mg/kg, here 300 mg"),
        ("26.6", "15 mg/kg, here 399 mg"),
        ("49.9", "15 mg/kg, here 748 mg"),
        ("50", "15 mg/kg, here 750 mg"),
        ("55", "15 mg/kg, here 750 mg"),
        (None, "15 mg/kg, at most 750 mg"),
    ],
)
def test_the_dose_offered_instead_of_a_toxic_one_is_that_of_the_childs_weight(kilograms: Any, label: str) -> None:
    weight = [reading("body_weight", kilograms, unit="kg")] if kilograms else []
    draft = drug_order("Paracetamol", dose="10 g")
    finding = one(on_orders("paediatric-dose", with_order(draft, *weight, born=born(6))))
    assert f"Largest single dose of the label: {label}." in finding.details[0]


@pytest.mark.parametrize(
    ("name", "rxnorm", "called"),
    [
        ("Tylenol 500 mg tablet", "", "Tylenol"),
        ("500 mg acetaminophen", "", "paracetamol"),
        ("Ibuprofen 400 mg", "161", "paracetamol"),
    ],
)
def test_a_childs_drug_is_called_as_the_order_calls_it_unless_its_name_is_another_drugs(
    name: str, rxnorm: str, called: str
) -> None:
    subject = with_order(drug_order(name, rxnorm=rxnorm, dose="10 g"), born=born(6))
    assert one(on_orders("paediatric-dose", subject)).summary.startswith(f"{called} 10000 mg")


def test_another_drug_has_no_toxic_range_here() -> None:
    assert child("4000 mg every 6 hours", reading("body_weight", 20), drug="Ibuprofen") == ["over"]


def test_what_is_missing_for_a_childs_dose_is_said() -> None:
    assert child("300 mg every 6 hours") == ["no_weight"]
    assert child("300 mg every 6 hours", reading("body_weight", 20, days=91)) == ["no_weight"]
    assert child("as directed", reading("body_weight", 20)) == ["unread"]
    assert child("15 mg/kg every 6 hours", reading("body_weight", 20)) == ["unread"]
    assert child("300 mg", drug="Bisoprolol") == []


# --- what was not checked ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (drug_order("House mixture 3"), "drug"),
        (drug_order("Bisoprolol 5 mg"), None),
        (imaging_order("Radiology study"), "imaging"),
        (imaging_order("CT head"), None),
        (order("XYZ 17"), "kind"),
        (order("Lipid panel"), None),
        (order("Referral to cardiology"), None),
        (order("Glasses", kind="VisionPrescription"), "type"),
        (order("Walker", kind="DeviceRequest"), "type"),
    ],
    ids=lambda value: getattr(value, "label", value),
)
def test_an_order_no_rule_can_look_at_is_said_not_to_be_checked(draft: Any, why: str | None) -> None:
    found = on_orders("order-not-checked", with_order(draft))
    assert [f.values["why"] for f in found] == ([why] if why else [])
    assert all(f.severity is Severity.INFO and f.summary.startswith("Not checked") for f in found)


def test_a_code_that_contradicts_the_name_is_said_and_the_code_is_checked() -> None:
    draft = drug_order("Ibuprofen 400 mg", codes=(Code(RXNORM, "723", "Amoxicillin"),))
    finding = one(on_orders("drug-name-mismatch", with_order(draft)))
    assert (finding.values["coded"], finding.values["written"]) == ("amoxicillin", "ibuprofen")
    assert on_orders("drug-name-mismatch", with_order(drug_order("Amoxicillin", rxnorm="723"))) == []


def test_active_medications_no_rule_knows_are_said_once_a_call() -> None:
    unknown = taking("House mixture 3", "Tonic 5", "Bisoprolol")
    subject = record(orders=[drug_order("Ibuprofen"), drug_order("Naproxen")], medications=unknown)
    finding = one(on_orders("medications-not-checked", subject))
    assert finding.order is subject.orders[0]
    assert "House mixture 3, Tonic 5" in finding.summary
    assert on_orders("medications-not-checked", record(orders=[imaging_order("CT head")], medications=unknown)) == []
