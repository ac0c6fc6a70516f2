"""Orders against allergies: ingredient, class, side chain, severe delayed reactions, contrast by class."""

from __future__ import annotations

import pytest
from checking import allergy, drug_order, imaging_order, on_orders, one, with_order
from feeding_records import record

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
        ("Zerbaxa 1.5 g", "Ceftazidime", "chain"),
        ("Aztreonam", "Penicillin", None),
        ("Cefoxitin", "Penicillin G", "chain"),
        ("Meropenem", "Penicillin", None),
        ("Amoxicillin", "Cephalosporins", "chain_unknown"),
        ("Amoxicillin", "Cefazolin", None),
        ("Aztreonam", "Cephalosporins", None),
        ("Penicillin G", "Cephalosporins", None),
        ("Amoxicillin", "Bicillin L-A", "class"),
        ("Iohexol injection", "Contrast media", "class"),
        ("Iohexol injection", "Gadolinium-containing contrast media", None),
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
        (allergy("Penicillin", "Shortness of breath"), Severity.CRITICAL),
        (allergy("Penicillin", "Swelling of tongue"), Severity.CRITICAL),
        (allergy("Penicillin", "Leg swelling"), Severity.WARNING),
        (allergy("Penicillin", criticality="high"), Severity.CRITICAL),
        (allergy("Penicillin", "Rash", severity="mild"), Severity.WARNING),
        (allergy("Penicillin"), Severity.WARNING),
        (allergy("Penicillin", "Nausea", type="intolerance"), Severity.INFO),
        (allergy("Penicillin", "Anaphylaxis", type="intolerance"), Severity.CRITICAL),
    ],
    ids=[
        "anaphylaxis",
        "severe",
        "breath",
        "tongue",
        "leg",
        "high criticality",
        "mild",
        "unknown",
        "intolerance",
        "severe intolerance",
    ],
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


@pytest.mark.parametrize(
    ("drug", "allergen", "reaction", "tie"),
    [
        ("Entresto 24/26 mg", "Lisinopril", "Angioedema", "class"),
        ("Entresto 24/26 mg", "ACE inhibitors", "Swelling of lips", "class"),
        ("Enalapril 5 mg", "Entresto", "Angioedema", "class"),
        ("Entresto 24/26 mg", "Lisinopril", "Cough", None),
        ("Losartan 50 mg", "Lisinopril", "Angioedema", None),
    ],
)
def test_sacubitril_is_kept_from_who_had_angioedema_under_an_ace_inhibitor(
    drug: str, allergen: str, reaction: str, tie: str | None
) -> None:
    assert ties(drug, allergy(allergen, reaction)) == ([tie] if tie else [])


def test_of_an_unnamed_culprit_the_card_says_which_drugs_it_may_have_been() -> None:
    of_class = {"Cefalexin": "Penicillin", "Ampicillin": "Cephalosporins"}
    said = [
        one(on_orders("allergy-drug", with_order(drug_order(drug), allergies=[allergy(name, "Hives")]))).summary
        for drug, name in of_class.items()
    ]
    assert said == [
        "Cefalexin shares a side chain with amoxicillin and ampicillin; allergy recorded: Penicillin (Hives)",
        "Ampicillin shares a side chain with cefaclor, cefadroxil, cefalexin and others;"
        " allergy recorded: Cephalosporins (Hives)",
    ]


def test_what_the_record_has_as_a_bare_code_is_called_by_the_name_the_rules_know() -> None:
    drug = drug_order("723", rxnorm="723")
    coded = allergy("91936005", codes=(Code("http://snomed.info/sct", "91936005"),))
    finding = one(on_orders("allergy-drug", with_order(drug, allergies=[coded])))
    assert finding.summary == (
        "amoxicillin (code 723) is one of the penicillins;"
        " allergy recorded: penicillins (code 91936005) (reaction not recorded)"
    )


@pytest.mark.parametrize("name", ["Contrast media", "Contrast", "IV contrast", "contrast agents"])
@pytest.mark.parametrize("study", ["CT chest with contrast", "MRI brain with contrast"])
def test_a_reaction_to_contrast_of_no_recorded_class_is_said_before_either_class(name: str, study: str) -> None:
    found = on_orders("contrast-allergy", with_order(imaging_order(study), allergies=[allergy(name, "Anaphylaxis")]))
    assert one(found).severity is Severity.CRITICAL
    assert "of which class is not recorded" in one(found).summary


@pytest.mark.parametrize("name", ["IVP dye", "X-ray dye", "Iodinated (non-ionic) contrast media", "CT contrast"])
def test_words_for_iodinated_contrast_are_no_gadolinium(name: str) -> None:
    allergies = [allergy(name, "Hives")]
    ct = on_orders("contrast-allergy", with_order(imaging_order("CT chest with contrast"), allergies=allergies))
    assert "this class of contrast" in one(ct).summary
    mri = on_orders("contrast-allergy", with_order(imaging_order("MRI brain with contrast"), allergies=allergies))
    assert mri == []


def unchecked(*allergies: Allergy) -> list[tuple[str, Severity]]:
    subject = with_order(drug_order("Amoxicillin 500 mg"), allergies=allergies)
    return [(f.summary, f.severity) for f in on_orders("allergies-not-checked", subject)]


def test_an_allergy_to_a_drug_the_rules_do_not_know_is_said_to_be_not_checked() -> None:
    said = "Ordered drugs not checked against recorded allergies not known to the rules: Housemycin"
    assert unchecked(allergy("Housemycin", "Rash", category=("medication",))) == [(said, Severity.INFO)]
    assert unchecked(allergy("Housemycin")) == [(said, Severity.INFO)]
    assert unchecked(allergy("Housemycin", "Anaphylaxis")) == [(said, Severity.WARNING)]


@pytest.mark.parametrize(
    "made",
    [
        allergy("Penicillin"),
        allergy("Sulfa"),
        allergy("House dish", category=("food",)),
        allergy("House tree", category=("environment",)),
        allergy("Peanuts"),
        allergy("Latex", category=("medication",)),
        allergy("Housemycin", active=False),
        allergy("Housemycin", negated=True),
        allergy("No known allergies", no_known=True),
    ],
)
def test_known_drugs_foods_and_allergies_that_do_not_hold_are_not_called_unchecked(made: Allergy) -> None:
    assert unchecked(made) == []


def test_unchecked_allergies_are_said_with_a_selected_draft() -> None:
    drafts = [drug_order("Amoxicillin", selected=False), drug_order("Ibuprofen")]
    finding = one(on_orders("allergies-not-checked", record(orders=drafts, allergies=[allergy("Housemycin", "Shock")])))
    assert finding.order is drafts[1]


def test_unchecked_allergies_are_said_once_for_all_drafts_of_a_call() -> None:
    drafts = [drug_order("Amoxicillin"), drug_order("Ibuprofen")]
    subject = record(orders=drafts, allergies=[allergy("Housemycin"), allergy("House cure")])
    assert one(on_orders("allergies-not-checked", subject)).summary.endswith("Housemycin, House cure")
