"""Orders against allergies: ingredient, class, side chain, severe delayed reactions, contrast by class."""

from __future__ import annotations

import pytest
from checking import allergy, drug_order, imaging_order, on_orders, one, with_order

from cds_service.record.facts import Allergy, Code
from cds_service.rules.catalogue import Severity


def ties(drug: str, *allergies: Allergy) -> list[str]:
    """How an ordered drug is tied to each allergy."""
    return [f.values["closeness"] for f in on_orders("allergy-drug", with_order(drug_order(drug), allergies=allergies))]


@pytest.mark.parametrize(
    ("drug", "allergen", "tie"),
    [
        ("Amoxicillin 500 mg", "Amoxicillin", "same"),
        ("Amoxicillin 500 mg", "Penicillin", "class"),
        ("Amoxicillin / clavulanate", "Penicillin G", "class"),
        ("Piperacillin / tazobactam", "Amoxicillin", "class"),
        ("Cefalexin 500 mg", "Amoxicillin", "chain"),
        ("Cefalexin 500 mg", "Ampicillin", "chain"),
        ("Cefadroxil", "Amoxicillin", "chain"),
        ("Amoxicillin", "Cefaclor", "chain"),
        ("Cefalexin 500 mg", "Penicillin", "chain_unknown"),
        ("Cefalexin 500 mg", "Penicillin G", None),
        ("Cefazolin 2 g", "Penicillin", None),
        ("Ceftriaxone 2 g", "Amoxicillin", None),
        ("Ceftriaxone 2 g", "Penicillin", None),
        ("Ceftriaxone 2 g", "Cefepime", "chain"),
        ("Ceftriaxone 2 g", "Cefazolin", None),
        ("Ceftriaxone 2 g", "Cephalosporins", "class"),
        ("Aztreonam", "Ceftazidime", "chain"),
        ("Aztreonam", "Penicillin", None),
        ("Cefoxitin", "Penicillin G", "chain"),
        ("Meropenem", "Penicillin", None),
        ("Meropenem", "Imipenem", "class"),
        ("Sulfamethoxazole / trimethoprim", "Sulfa", "class"),
        ("Sulfasalazine", "Sulfamethoxazole", "class"),
        ("Furosemide 40 mg", "Sulfa", None),
        ("Celecoxib 200 mg", "Sulfa", None),
        ("Ibuprofen 400 mg", "Aspirin", "class"),
        ("Ibuprofen 400 mg", "NSAIDs", "class"),
        ("Celecoxib 200 mg", "Ibuprofen", None),
        ("Paracetamol 500 mg", "NSAIDs", None),
        ("Lisinopril", "Enalapril", "class"),
        ("Losartan", "Lisinopril", None),
        ("Carbamazepine", "Phenytoin", "class"),
        ("Enoxaparin 40 mg", "Heparin", "class"),
        ("Codeine", "Morphine", "class"),
        ("Fentanyl", "Morphine", None),
        ("Atorvastatin", "Atorvastatin", "same"),
        ("Iohexol injection", "Iodinated contrast media", "class"),
        ("Amoxicillin 500 mg", "Grass pollen", None),
    ],
)
def test_cross_reactivity(drug: str, allergen: str, tie: str | None) -> None:
    assert ties(drug, allergy(allergen)) == ([tie] if tie else [])


@pytest.mark.parametrize("reaction", ["Stevens-Johnson syndrome", "Toxic epidermal necrolysis", "DRESS syndrome"])
def test_after_a_severe_delayed_reaction_all_beta_lactams_are_warned_about(reaction: str) -> None:
    assert ties("Ceftriaxone 2 g", allergy("Penicillin", reaction)) == ["delayed"]
    assert ties("Meropenem", allergy("Amoxicillin", reaction)) == ["delayed"]
    assert ties("Azithromycin", allergy("Penicillin", reaction)) == []
    assert ties("Ceftriaxone 2 g", allergy("Penicillin", "Anaphylaxis")) == []


@pytest.mark.parametrize(
    ("made", "severity"),
    [
        (allergy("Penicillin", "Anaphylaxis"), Severity.CRITICAL),
        (allergy("Penicillin", severity="severe"), Severity.CRITICAL),
        (allergy("Penicillin", criticality="high"), Severity.CRITICAL),
        (allergy("Penicillin", "Rash", severity="mild"), Severity.WARNING),
        (allergy("Penicillin"), Severity.WARNING),
        (allergy("Penicillin", "Nausea", type="intolerance"), Severity.INFO),
        (allergy("Penicillin", "Anaphylaxis", type="intolerance"), Severity.CRITICAL),
    ],
    ids=["anaphylaxis", "severe", "high criticality", "mild", "unknown", "intolerance", "severe intolerance"],
)
def test_the_tier_follows_the_reaction(made: Allergy, severity: Severity) -> None:
    finding = one(on_orders("allergy-drug", with_order(drug_order("Amoxicillin"), allergies=[made])))
    assert finding.severity is severity
    assert made in finding.facts
    assert finding.order in finding.facts


@pytest.mark.parametrize("change", [{"active": False}, {"negated": True}, {"negated": True, "no_known": True}])
def test_an_allergy_that_does_not_hold_is_not_held_against_an_order(change: dict[str, bool]) -> None:
    assert ties("Amoxicillin", allergy("Penicillin", **change)) == []


def test_a_local_form_counts_for_allergies() -> None:
    assert ties("Sulfacetamide ophthalmic solution", allergy("Sulfa")) == ["class"]


def test_an_order_known_by_its_code_alone_is_checked() -> None:
    subject = with_order(drug_order("Drug 723", rxnorm="723"), allergies=[allergy("Penicillin")])
    assert one(on_orders("allergy-drug", subject)).values["drug"] == "amoxicillin"


def test_an_allergy_known_by_its_code_alone_is_honoured() -> None:
    coded = allergy("coded", codes=(Code("http://snomed.info/sct", "91936005"),))
    assert ties("Amoxicillin", coded) == ["class"]


def test_two_allergies_to_one_drug_are_two_findings() -> None:
    assert sorted(ties("Amoxicillin", allergy("Penicillin"), allergy("Amoxicillin"))) == ["class", "same"]


def test_an_order_not_to_be_given_is_not_checked() -> None:
    draft = drug_order("Amoxicillin", do_not_perform=True)
    assert on_orders("allergy-drug", with_order(draft, allergies=[allergy("Penicillin")])) == []


# --- contrast ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("study", "allergen", "speaks"),
    [
        ("CT abdomen with IV contrast", "Iodinated contrast media", True),
        ("CT abdomen with IV contrast", "Iohexol", True),
        ("Coronary angiography", "IV dye", True),
        ("CT abdomen with IV contrast", "Gadolinium contrast", False),
        ("CT abdomen with IV contrast", "Shellfish", False),
        ("CT abdomen with IV contrast", "Povidone-iodine", False),
        ("CT abdomen without contrast", "Iodinated contrast media", False),
        ("MRI brain with contrast", "Gadobutrol", True),
        ("MRI brain with contrast", "Iodinated contrast media", False),
        ("MRI brain without contrast", "Gadobutrol", False),
        ("Ultrasound of abdomen", "Iodinated contrast media", False),
    ],
)
def test_contrast_reactions_count_by_class(study: str, allergen: str, speaks: bool) -> None:
    subject = with_order(imaging_order(study), allergies=[allergy(allergen, "Hives")])
    assert bool(on_orders("contrast-allergy", subject)) is speaks


def test_a_severe_contrast_reaction_is_critical_only_where_contrast_is_ordered() -> None:
    reaction = allergy("Iodinated contrast", "Anaphylactic shock")
    ordered, open_ = (
        one(on_orders("contrast-allergy", with_order(imaging_order(label), allergies=[reaction])))
        for label in ("CT abdomen with IV contrast", "CT abdomen")
    )
    assert (ordered.severity, open_.severity) == (Severity.CRITICAL, Severity.WARNING)
    assert "if contrast is given" in open_.summary
