"""Hook requests as a conformant client writes them. The patients are made up and say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

PATIENT = "demo-hyperkalaemia"
Json = dict[str, Any]


def patient(id_: str = PATIENT) -> Json:
    """A made-up patient."""
    return {
        "resourceType": "Patient",
        "id": id_,
        "name": [{"family": "Demo", "given": ["Hyperkalaemia"]}],
        "gender": "female",
        "birthDate": "1950-04-02",
    }


def potassium(value: str = "7.1", id_: str = PATIENT) -> Json:
    """A critical potassium of half an hour ago, so that a clinical service has something to say."""
    when = (datetime.now(UTC) - timedelta(minutes=30)).isoformat(timespec="seconds")
    return {
        "resourceType": "Observation",
        "id": "k1",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}], "text": "Potassium"},
        "subject": {"reference": f"Patient/{id_}"},
        "effectiveDateTime": when,
        "valueQuantity": {
            "value": float(value),
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def penicillin_allergy(id_: str = PATIENT) -> Json:
    """A severe allergy the order below conflicts with."""
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "criticality": "high",
        "code": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980"}],
            "text": "Penicillin G",
        },
        "patient": {"reference": f"Patient/{id_}"},
        "reaction": [{"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}],
    }


def bundle(*resources: Json, kind: str | None = "searchset") -> Json:
    """A Bundle; ``kind`` None leaves its type out, as the CDS Hooks Sandbox does."""
    made: Json = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}
    return made if kind is None else {**made, "type": kind}


def amoxicillin(id_: str = PATIENT) -> Json:
    """A draft order."""
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "723"}],
            "text": "Amoxicillin 500 mg",
        },
        "subject": {"reference": f"Patient/{id_}"},
    }


def context(hook: str, id_: str = PATIENT) -> Json:
    """The context members the library of hooks requires for a hook."""
    made: Json = {"userId": "Practitioner/demo", "patientId": id_}
    if hook in ("encounter-start", "encounter-discharge"):
        made["encounterId"] = "demo-encounter"
    if hook in ("order-select", "order-sign"):
        made["draftOrders"] = bundle(amoxicillin(id_), kind="collection")
    if hook == "order-select":
        made["selections"] = ["MedicationRequest/m1"]
    return made


def request(hook: str = "patient-view", **members: Any) -> Json:
    """A whole request with a fresh hookInstance; ``members`` replace its own, ``...`` leaves one out."""
    made: Json = {
        "hook": hook,
        "hookInstance": str(uuid4()),
        "context": context(hook),
        "prefetch": {
            "patient": patient(),
            "laboratory": bundle(potassium()),
            "allergies": bundle(penicillin_allergy()),
        },
    }
    made.update(members)
    return {name: value for name, value in made.items() if value is not ...}
