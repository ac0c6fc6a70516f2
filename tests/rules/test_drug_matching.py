"""Mapping of drugs, allergens, imaging words, problems, kinds of order and doses: conservative, whole words, codes first."""

from __future__ import annotations

from decimal import Decimal

import pytest
from checking import drug_order, imaging_order, order, pack
from feeding_records import problem
from hypothesis import given
from hypothesis import strategies as st

from cds_service.record.facts import Code
from cds_service.rules.doses import Dose, read_dose
from cds_service.rules.drugs import RXNORM, DrugTable
from cds_service.rules.kinds import Kind
from cds_service.rules.terms import Phrases

TABLES = pack().tables
DRUGS: DrugTable = TABLES.drugs


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Amoxicillin 500 MG Oral Capsule", {"amoxicillin"}),
        ("Amoxicillin 250 MG / Clavulanate 125 MG Oral Tablet", {"amoxicillin", "clavulanate"}),
        ("Augmentin 625", {"amoxicillin", "clavulanate"}),
        ("co-trimoxazole 960 mg", {"sulfamethoxazole", "trimethoprim"}),
        ("Penicillin V Potassium 500 MG Oral Tablet", {"penicillin v"}),
        ("Losartan potassium 50 mg", {"losartan"}),
        ("Diclofenac potassium 50 mg", {"diclofenac"}),
        ("potassium chloride 20 mmol", {"potassium chloride"}),
        ("ACETAMINOPHEN 325 MG / oxyCODONE Hydrochloride 5 MG", {"paracetamol", "oxycodone"}),
        ("Lasix 40mg", {"furosemide"}),
        ("Valproic acid 250 mg", {"valproate"}),
        ("Sacubitril/valsartan 49/51 mg", {"sacubitril", "valsartan"}),
        ("heparin sodium, porcine", {"heparin"}),
        ("KCl 20 mEq", {"potassium chloride"}),
        ("K-Dur 20", {"potassium chloride"}),
        ("vitamin K tab 5 mg", set()),
        ("Tylenol #3", {"codeine", "paracetamol"}),
        ("Tylenol-Codeine No.3 300-30 mg", {"codeine", "paracetamol"}),
        ("Tylenol 325 mg", {"paracetamol"}),
        ("Janumet 50/1000", {"metformin", "sitagliptin"}),
        ("Zestoretic 20/12.5", {"lisinopril", "hydrochlorothiazide"}),
        ("Atacand HCT 16/12.5", {"candesartan", "hydrochlorothiazide"}),
        ("Arthrotec 75", {"diclofenac", "misoprostol"}),
        ("Omniscan 15 mL", {"gadodiamide"}),
        ("Metforminum", set()),
        ("Aspirinoid", set()),
        ("House mixture 3", set()),
        ("", set()),
    ],
)
def test_ingredients_are_found_as_whole_words(text: str, ingredients: set[str]) -> None:
    assert DRUGS.match(text).ingredients == ingredients


def test_a_code_is_believed_before_the_text() -> None:
    coded = DRUGS.match("Ibuprofen 400 mg", (Code(RXNORM, "723"),))
    assert coded.ingredients == {"amoxicillin"}
    assert coded.contradicts == {"ibuprofen"}


def test_a_code_of_another_system_is_no_rxnorm_code() -> None:
    assert DRUGS.match("House mixture", (Code("urn:local", "723"),)).ingredients == frozenset()


def test_a_text_that_names_more_than_the_code_adds_to_it() -> None:
    found = DRUGS.match("Amoxicillin / clavulanate", (Code(RXNORM, "723"),))
    assert found.ingredients == {"amoxicillin", "clavulanate"}
    assert not found.contradicts


def test_the_display_of_a_code_is_read_where_the_text_says_nothing() -> None:
    assert DRUGS.match("Drug 7", (Code("urn:local", "7", "Warfarin 5 mg tablet"),)).ingredients == {"warfarin"}


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("Ibuprofen 400 mg soft gel", False),
        ("Advil Liqui-Gels 200 mg", False),
        ("Naproxen 220 mg liquid gel", False),
        ("Diclofenac 1% topical gel", True),
        ("Tobramycin 3 MG/ML Ophthalmic Solution", True),
        ("Hydrocortisone cream", True),
        ("Fentanyl transdermal patch", False),
        ("Ibuprofen 200 mg oral capsule, liquid gel", False),
        ("Gentamicin 40 MG/ML Injectable Solution", False),
    ],
)
def test_local_forms_are_told_from_systemic_ones(text: str, local: bool) -> None:
    assert DRUGS.match(text).local is local


def test_every_rxnorm_code_maps_to_a_known_drug_by_code_alone() -> None:
    assert DRUGS.match("", (Code(RXNORM, "1364430"),)).ingredients == {"apixaban"}
    assert DRUGS.match("", (Code(RXNORM, "10831"),)).ingredients == {"sulfamethoxazole", "trimethoprim"}


@pytest.mark.parametrize(
    ("text", "ingredients", "classes"),
    [
        ("Penicillin", {"penicillin"}, {"penicillin"}),
        ("Allergy to penicillin", {"penicillin"}, {"penicillin"}),
        ("PCN", set(), {"penicillin"}),
        ("Penicillin G", {"penicillin g"}, set()),
        ("Sulfa drugs", set(), {"sulfonamide-antibiotic"}),
        ("Cephalosporins", set(), {"cephalosporin"}),
        ("NSAIDs", set(), {"nsaid", "cox-1-inhibitor"}),
        ("Iodinated contrast media", set(), {"iodinated-contrast"}),
        ("Gadolinium contrast", set(), {"gadolinium"}),
        ("Shellfish allergy", set(), set()),
        ("Iodine", set(), set()),
        ("Povidone-iodine", set(), set()),
        ("Allergy to grass pollen", set(), set()),
        ("Latex allergy", set(), set()),
    ],
)
def test_allergens_are_mapped_to_drugs_and_classes(text: str, ingredients: set[str], classes: set[str]) -> None:
    found = DRUGS.allergen(text)
    assert (found.ingredients, found.classes) == (ingredients, classes)


def test_an_allergy_coded_without_words_is_mapped() -> None:
    snomed = (Code("http://snomed.info/sct", "91936005"),)
    assert DRUGS.allergen("coded", snomed).classes == {"penicillin"}


@pytest.mark.parametrize(
    ("label", "modalities", "regions", "contrast"),
    [
        ("CT abdomen and pelvis with IV contrast", {"CT"}, {"abdomen", "pelvis"}, "with"),
        ("CT Chest WO and W contrast IV", {"CT"}, {"chest"}, "with"),
        ("CT head w/o contrast", {"CT"}, {"head"}, "without"),
        ("CT abdomen with oral contrast", {"CT"}, {"abdomen"}, ""),
        ("CT abdomen", {"CT"}, {"abdomen"}, ""),
        ("CTPA", {"CT"}, {"chest"}, "with"),
        ("CT pulmonary angiogram", {"CT"}, {"chest"}, "with"),
        ("MRI brain with gadolinium", {"MR"}, {"head"}, "with"),
        ("MR angiography of the neck", {"MR"}, {"neck"}, ""),
        ("Coronary angiography", {"XA"}, {"heart"}, ""),
        ("XR Chest 2 Views", {"CR"}, {"chest"}, ""),
        ("US left leg duplex", {"US"}, {"leg"}, ""),
        ("CT ABD W CONTRAST", {"CT"}, {"abdomen"}, "with"),
        ("V/Q scan", {"NM"}, {"chest"}, ""),
        ("CT/NG PCR, urine", set(), set(), ""),
        ("Lipid panel", set(), set(), ""),
    ],
)
def test_imaging_words(label: str, modalities: set[str], regions: set[str], contrast: str) -> None:
    study = TABLES.imaging.order(imaging_order(label))
    assert (study.modalities, study.regions, study.contrast) == (modalities, regions, contrast)


def test_modalities_of_the_order_win_over_its_words_and_dx_is_a_radiograph() -> None:
    assert TABLES.imaging.order(imaging_order("Thorax", modalities=("DX",))).modalities == {"CR"}


@pytest.mark.parametrize(
    ("label", "category", "kind"),
    [
        ("Basic metabolic panel", "", Kind.LABORATORY),
        ("House panel 17", "laboratory", Kind.LABORATORY),
        ("Referral to cardiology", "", Kind.CONSULT),
        ("CT head", "", Kind.IMAGING),
        ("Radiology study", "", Kind.IMAGING),
        ("CT/NG PCR", "", Kind.LABORATORY),
        ("12 lead ECG", "", Kind.PROCEDURE),
        ("Physiotherapy", "", Kind.OTHER),
        ("XYZ 17", "", Kind.UNKNOWN),
    ],
)
def test_kinds_of_order(label: str, category: str, kind: Kind) -> None:
    draft = order(label, category=category)
    assert TABLES.kinds.kind(draft, TABLES.imaging.order(draft)) is kind


def test_a_medication_order_is_one_whatever_its_words() -> None:
    draft = drug_order("CT contrast")
    assert TABLES.kinds.kind(draft, TABLES.imaging.order(draft)) is Kind.MEDICATION


@pytest.mark.parametrize(
    ("label", "icd10", "groups"),
    [
        ("Chronic kidney disease stage 5", "", {"chronic-kidney-disease", "kidney-failure"}),
        ("coded", "N18.6", {"chronic-kidney-disease", "kidney-failure"}),
        ("coded", "N18.32", {"chronic-kidney-disease"}),
        ("Chronic congestive heart failure (disorder)", "", {"heart-failure"}),
        ("Alcohol dependence", "", {"alcohol"}),
        ("Cirrhosis of liver", "", {"liver-disease"}),
        ("Suspected heart failure", "", set()),
        ("Prediabetes", "", set()),
    ],
)
def test_problem_groups(label: str, icd10: str, groups: set[str]) -> None:
    assert TABLES.problems.groups(problem(label, icd10=icd10)) == groups


@pytest.mark.parametrize(
    ("text", "single", "daily"),
    [
        ("500 mg three times daily by mouth", "500", "1500"),
        ("1 g every 6 hours", "1000", "4000"),
        ("75 mg twice daily", "75", "150"),
        ("0.5 g BID", "500.0", "1000.0"),
        ("20 mg once daily", "20", "20"),
        ("250 mcg daily", "0.250", "0.250"),
        ("1,5 g daily", "1500.0", "1500.0"),
        ("400 mg as needed", "400", None),
        ("15 mg/kg every 6 hours", None, None),
        ("250 mg/5 mL suspension", None, None),
        ("500 mg or 1000 mg daily", None, None),
        ("two tablets of 500 mg daily", None, None),
        ("2 tablets daily", None, None),
        ("", None, None),
    ],
)
def test_a_dose_is_read_where_it_is_plain_and_not_guessed_elsewhere(
    text: str, single: str | None, daily: str | None
) -> None:
    def number(written: str | None) -> Decimal | None:
        return None if written is None else Decimal(written)

    assert read_dose(text) == Dose(number(single), number(daily))


def test_the_longest_phrase_wins_and_uses_up_its_words() -> None:
    phrases = Phrases({"penicillin": ["class"], "penicillin v": ["drug"]})
    assert phrases.find("Penicillin V 500") == {"drug"}
    assert phrases.find("Penicillin X, penicillin v") == {"class", "drug"}


@given(st.text(max_size=600))
def test_no_text_makes_matching_fail(text: str) -> None:
    DRUGS.match(text)
    DRUGS.allergen(text)
    TABLES.problems.groups(problem(text))
    TABLES.imaging.order(imaging_order(text))
    read_dose(text)
