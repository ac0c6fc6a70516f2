"""Medications: what is active, and which drug a reference means."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.record.build import from_bundle
from cds_service.record.facts import Medication
from tests.record.resources import NOW, PATIENT, RXNORM, bundle, chart, concept, resource

METFORMIN = {"medicationCodeableConcept": concept("6809", RXNORM, "Metformin")}
DRUG = {"resourceType": "Medication", "id": "m1", "code": concept("6809", RXNORM, "Metformin")}


def medication(kind: str = "MedicationRequest", *others: dict[str, Any], **members: Any) -> Medication:
    (made,) = chart(resource(kind, **members), *others).medications
    return made


@pytest.mark.parametrize(
    ("members", "active"),
    [
        ({"status": "active", "intent": "order"}, True),
        ({"status": "active", "intent": "plan"}, True),
        ({"status": "active"}, True),
        ({"intent": "order"}, True),
        ({"status": "active", "intent": "proposal"}, False),
        ({"status": "active", "intent": "order", "doNotPerform": True}, False),
        ({"status": "on-hold", "intent": "order"}, False),
        ({"status": "stopped", "intent": "order"}, False),
        ({"status": "completed", "intent": "order"}, False),
        ({"status": "draft", "intent": "order"}, False),
    ],
)
def test_a_prescription_counts_while_it_is_active(members: dict[str, Any], active: bool) -> None:
    assert medication(**METFORMIN, **members).active is active


@pytest.mark.parametrize(
    ("members", "active", "note"),
    [
        ({"status": "active"}, True, ""),
        ({"status": "active", "effectivePeriod": {"start": "2026-01-01", "end": "2026-02-01"}}, False, ""),
        ({"status": "active", "effectivePeriod": {"start": "2026-01-01"}}, True, ""),
        ({"status": "not-taken"}, False, "not taken"),
        ({"status": "completed"}, False, ""),
    ],
)
def test_a_statement_counts_while_it_is_active_and_not_over(members: dict[str, Any], active: bool, note: str) -> None:
    made = medication("MedicationStatement", **METFORMIN, **members)
    assert (made.active, made.note) == (active, note)


def test_an_administration_is_dated_and_says_when_it_was_not_given() -> None:
    made = medication(
        "MedicationAdministration", **METFORMIN, status="completed", effectiveDateTime="2026-11-20T06:00:00Z"
    )
    assert (made.active, made.time_text) == (False, "2026-11-20T06:00:00Z")
    assert medication("MedicationAdministration", **METFORMIN, status="not-done").note == "not given"
    assert medication("MedicationAdministration", **METFORMIN, status="in-progress").active


@pytest.mark.parametrize(
    "reference", ["Medication/m1", "https://ehr.example/fhir/Medication/m1", "Medication/m1/_history/2"]
)
def test_a_referenced_drug_is_found_in_the_bundle(reference: str) -> None:
    made = medication("MedicationRequest", DRUG, medicationReference={"reference": reference}, status="active")
    assert (made.label, made.codes[0].code, made.note) == ("Metformin", "6809", "")


def test_a_drug_referenced_by_its_entry_s_address_is_found() -> None:
    request = resource("MedicationRequest", status="active", medicationReference={"reference": "urn:uuid:77"})
    body = bundle(PATIENT, DRUG, request, urls={1: "urn:uuid:77"})
    assert from_bundle(body, NOW).medications[0].label == "Metformin"


def test_a_contained_drug_is_found_with_its_ingredients() -> None:
    drug = {
        "resourceType": "Medication", "id": "med",
        "ingredient": [{"itemCodeableConcept": concept("723", RXNORM, "Amoxicillin")},
                       {"itemCodeableConcept": concept("48203", RXNORM, "Clavulanate")}],
    }  # fmt: skip
    made = medication(
        contained=[{"resourceType": "Patient", "id": "x"}, drug], medicationReference={"reference": "#med"}
    )
    assert made.label == "Amoxicillin + Clavulanate"
    assert [c.code for c in made.codes] == ["723", "48203"]


def test_a_drug_that_is_nowhere_is_said_to_be_unresolved() -> None:
    made = medication(medicationReference={"reference": "Medication/none", "display": "Warfarin 5 mg"}, status="active")
    assert (made.label, made.codes, made.note) == (
        "Warfarin 5 mg",
        (),
        "drug known by name only; its code was not sent",
    )
    unnamed = medication(status="active")
    assert (unnamed.label, unnamed.note) == ("Medication not named", "neither its name nor its code was sent")
    looped = medication(medicationReference={"reference": "#"}, contained=["x", 7], status="active")
    assert looped.label == "Medication not named"


@pytest.mark.parametrize(
    ("dosage", "words"),
    [
        ([{"text": "500 mg twice daily"}], "500 mg twice daily"),
        ([{"doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg"}}], "route": {"text": "oral"},
           "timing": {"code": {"text": "BID"}}}], "500 mg oral BID"),
        ([{"doseAndRate": [{"doseRange": {"low": {"value": 1, "unit": "mg"}, "high": {"value": 2, "unit": "mg"}}}]}], "1 mg – 2 mg"),
        ([{}], ""),
        (None, ""),
    ],
)  # fmt: skip
def test_a_dose_is_worded_as_written_or_put_together(dosage: Any, words: str) -> None:
    assert medication(**METFORMIN, dosageInstruction=dosage).dose == words


def test_a_medication_entered_in_error_is_left_out_and_counted() -> None:
    record = chart(resource("MedicationRequest", **METFORMIN, status="entered-in-error"))
    assert (record.medications, record.excluded) == ([], {"MedicationRequest: entered in error": 1})
