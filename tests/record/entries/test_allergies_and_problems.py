"""Allergies and problems: what is active, what is denied, what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.record.facts import Allergy, Problem
from tests.record.resources import RXNORM, SNOMED, chart, concept, resource

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
PENICILLIN = {"code": concept("7980", RXNORM, "Penicillin G"), "category": ["medication"]}


def allergy(**members: Any) -> Allergy:
    (made,) = chart(resource("AllergyIntolerance", **members)).allergies
    return made


def problem(**members: Any) -> Problem:
    (made,) = chart(resource("Condition", **({"code": {"text": "Asthma"}} | members))).problems
    return made


def test_an_allergy_says_what_it_is_and_how_bad_it_was() -> None:
    reactions = [
        {"manifestation": [{"text": "Rash"}], "severity": "mild"},
        {"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"},
    ]
    made = allergy(
        **PENICILLIN, clinicalStatus=concept("active", "x"), criticality="high", type="allergy", reaction=reactions,
        recordedDate="2019-05-04",
    )  # fmt: skip
    assert (made.label, made.severity, made.criticality, made.active) == ("Penicillin G", "severe", "high", True)
    assert made.manifestations == ("Rash", "Anaphylaxis")
    assert made.time_text == "2019-05-04"


@pytest.mark.parametrize(
    ("members", "active", "negated"),
    [
        ({}, True, False),
        ({"clinicalStatus": concept("active", "x")}, True, False),
        ({"clinicalStatus": "active"}, True, False),
        ({"clinicalStatus": concept("inactive", "x")}, False, False),
        ({"clinicalStatus": concept("resolved", "x")}, False, False),
        ({"verificationStatus": concept("refuted", "x")}, False, True),
        ({"verificationStatus": concept("unconfirmed", "x")}, True, False),
    ],
)
def test_an_allergy_counts_unless_it_is_over_or_refuted(members: dict[str, Any], active: bool, negated: bool) -> None:
    made = allergy(**PENICILLIN, **members)
    assert (made.active, made.negated) == (active, negated)


def test_an_allergy_entered_in_error_is_left_out_and_counted() -> None:
    record = chart(resource("AllergyIntolerance", **PENICILLIN, verificationStatus=concept("entered-in-error", "x")))
    assert record.allergies == []
    assert record.excluded == {"AllergyIntolerance: entered in error": 1}


def test_an_unnamed_allergy_stays() -> None:
    assert allergy().label == "Substance not named"
    named = allergy(reaction=[{"substance": concept("7980", RXNORM, "Penicillin G")}])
    assert (named.label, named.codes[0].code) == ("Penicillin G", "7980")


def test_a_reaction_recorded_as_a_bare_code_is_named() -> None:
    coded = {"coding": [{"system": SNOMED, "code": "39579001"}]}
    worded = {"coding": [{"system": SNOMED, "code": "39579001", "display": "Anaphylactic reaction"}]}
    unknown = {"coding": [{"system": SNOMED, "code": "1"}]}
    reactions = [{"manifestation": [coded, worded, unknown]}]
    assert allergy(reaction=reactions).manifestations == ("Anaphylaxis", "Anaphylactic reaction", "1")


@pytest.mark.parametrize(
    ("name", "substances", "label"),
    [
        ("Antibiotics", ["Amoxicillin"], "Antibiotics (Amoxicillin)"),
        ("Antibiotics", ["Amoxicillin", "Amoxicillin", "Cefalexin"], "Antibiotics (Amoxicillin, Cefalexin)"),
        ("Amoxicillin trihydrate", ["Amoxicillin"], "Amoxicillin trihydrate"),
    ],
)
def test_an_allergy_is_named_with_what_its_reactions_were_to(name: str, substances: list[str], label: str) -> None:
    assert allergy(code={"text": name}, reaction=[{"substance": {"text": s}} for s in substances]).label == label


@pytest.mark.parametrize(
    "code",
    [
        concept("716186003", SNOMED), concept("409137002", SNOMED), {"text": "No known allergies"}, {"text": "NKDA"},
        {"text": "No Known Drug Allergies"}, {"text": "no known latex allergy"}, {"text": "Patient denies any allergies"},
    ],
)  # fmt: skip
def test_no_known_allergies_is_told_by_code_or_words(code: dict[str, Any]) -> None:
    made = allergy(code=code)
    assert (made.no_known, made.negated) == (True, True)


@pytest.mark.parametrize("words", ["Penicillin", "Unknown allergy", "Known allergy to nuts", "Nova Kaine"])
def test_an_allergy_is_not_mistaken_for_its_denial(words: str) -> None:
    assert allergy(code={"text": words}).no_known is False


def test_row_53_no_known_allergies_beside_an_active_allergy_is_a_conflict_and_the_allergy_is_honoured() -> None:
    record = chart(
        resource("AllergyIntolerance", code=concept("716186003", SNOMED, "No known allergy")) | {"id": "nka"},
        resource("AllergyIntolerance", **PENICILLIN) | {"id": "pen"},
    )
    by_id = {a.reference: a for a in record.allergies}
    penicillin, denial = by_id["AllergyIntolerance/pen"], by_id["AllergyIntolerance/nka"]
    assert (penicillin.active, penicillin.negated) == (True, False)
    assert "conflicts" in penicillin.note
    assert "Penicillin G" in denial.note


def test_no_known_drug_allergies_does_not_contradict_a_food_allergy() -> None:
    record = chart(
        resource("AllergyIntolerance", code=concept("409137002", SNOMED)) | {"id": "nkda"},
        resource("AllergyIntolerance", code={"text": "Peanut"}, category=["food"]) | {"id": "nut"},
    )
    assert all("conflict" not in a.note for a in record.allergies)


@pytest.mark.parametrize(
    ("members", "active"),
    [
        ({}, True),
        ({"clinicalStatus": concept("active", CLINICAL)}, True),
        ({"clinicalStatus": concept("recurrence", CLINICAL)}, True),
        ({"clinicalStatus": concept("relapse", CLINICAL)}, True),
        ({"clinicalStatus": concept("resolved", CLINICAL)}, False),
        ({"clinicalStatus": concept("remission", CLINICAL)}, False),
        ({"clinicalStatus": "active"}, True),
        ({"abatementDateTime": "2020-01-01"}, False),
        ({"abatementDateTime": "2031-01-01"}, True),
        ({"abatementString": "last year"}, False),
        ({"verificationStatus": concept("refuted", VERIFICATION)}, False),
    ],
)
def test_a_problem_is_active_unless_something_says_otherwise(members: dict[str, Any], active: bool) -> None:
    assert problem(**members).active is active


def test_a_refuted_problem_is_negated_and_an_erroneous_one_is_gone() -> None:
    assert problem(verificationStatus=concept("refuted", VERIFICATION)).negated
    record = chart(
        resource("Condition", code={"text": "x"}, verificationStatus=concept("entered-in-error", VERIFICATION))
    )
    assert (record.problems, record.excluded.total()) == ([], 1)


@pytest.mark.parametrize(
    "words",
    ["No known problems", "No history of diabetes", "Absence of infection", "Denies chest pain", "Not pregnant"],
)
def test_a_denial_is_no_problem(words: str) -> None:
    made = problem(code={"text": words})
    assert (made.negated, made.active) == (True, False)


@pytest.mark.parametrize("words", ["Nocturia", "Noonan syndrome", "Normal pregnancy", "Notalgia paresthetica"])
def test_a_word_that_begins_like_a_denial_is_none(words: str) -> None:
    assert problem(code={"text": words}).active


def test_the_family_s_disease_is_not_the_patient_s() -> None:
    made = problem(code={"text": "Family history of cancer of colon"})
    assert (made.active, made.negated, made.note) == (False, False, "family history")


def test_a_problem_stands_at_its_onset_else_at_its_recording() -> None:
    assert problem(onsetDateTime="2019-05-04", recordedDate="2020-01-01").time_text == "2019-05-04"
    assert problem(onsetPeriod={"start": "2018"}, recordedDate="2020-01-01").time_text == "2018"
    assert problem(recordedDate="2020-01-01").time_text == "2020-01-01"
    assert problem(onsetString="in childhood").time_text == "in childhood"


def test_a_problem_without_a_name_is_left_out_and_counted() -> None:
    record = chart(resource("Condition"))
    assert record.excluded == {"Condition: without a name": 1}


def test_another_patient_s_problem_is_left_out_and_counted() -> None:
    record = chart(resource("Condition", code={"text": "Asthma"}) | {"subject": {"reference": "Patient/p2"}})
    assert (record.problems, record.excluded) == ([], {"Condition: another patient": 1})


def test_what_could_not_be_read_of_a_problem_is_said() -> None:
    assert "clinical status unknown" in problem(clinicalStatus=[[]]).note
