"""Request bodies for the benches: patient-view with Patient and a searchset of Observations, a different patient in each."""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

LABS = [
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 4.1, 0.5, 3.5, 5.1),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 139, 3, 136, 145),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 1.0, 0.2, 0.6, 1.3),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 13.2, 1.1, 12.0, 17.0),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 240, 40, 150, 400),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 7.5, 2, 4.0, 11.0),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 105, 20, 70, 110),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 28, 8, 7, 55),
    ("8867-4", "Heart rate", "/min", 78, 9, 60, 100),
    ("9279-1", "Respiratory rate", "/min", 16, 2, 12, 20),
]


def observation(patient: str, number: int, rng: random.Random, now: datetime) -> dict[str, Any]:
    """One laboratory-style Observation of about 800 bytes."""
    code, display, unit, mean, spread, low, high = LABS[number % len(LABS)]
    when = (now - timedelta(hours=6 * (number // len(LABS)), minutes=number)).isoformat(timespec="seconds")
    value = round(rng.gauss(mean, spread), 2)
    return {
        "resourceType": "Observation",
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "meta": {"versionId": "1", "lastUpdated": when},
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": display}], "text": display},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
        "issued": when,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        "referenceRange": [{"low": {"value": low, "unit": unit}, "high": {"value": high, "unit": unit}}],
    }


def searchset(patient: str, count: int, rng: random.Random, now: datetime) -> dict[str, Any]:
    """A searchset Bundle of ``count`` Observations."""
    entries = [{"resource": observation(patient, n, rng, now), "search": {"mode": "match"}} for n in range(count)]
    return {"resourceType": "Bundle", "type": "searchset", "total": count, "entry": entries}


def patient_view(seed: int, observations: int = 100) -> bytes:
    """A whole request body; 100 Observations make about 84 kB."""
    rng = random.Random(seed)
    patient = str(uuid.UUID(int=rng.getrandbits(128)))
    now = datetime.now(UTC)
    return json.dumps(
        {
            "hook": "patient-view",
            "hookInstance": str(uuid.UUID(int=rng.getrandbits(128))),
            "context": {"userId": "Practitioner/example", "patientId": patient},
            "prefetch": {
                "patient": {
                    "resourceType": "Patient",
                    "id": patient,
                    "name": [{"family": "Bench", "given": [f"Patient {seed}"]}],
                    "gender": rng.choice(["male", "female"]),
                    "birthDate": f"{rng.randint(1935, 2000)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
                },
                "laboratory": searchset(patient, observations, rng, now),
            },
        },
        separators=(",", ":"),
    ).encode()
