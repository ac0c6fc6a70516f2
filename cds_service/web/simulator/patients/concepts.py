"""Codes as the charts write them: ``snomed 44054006``. Texts are ours; no licensed display is copied."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "dicom": "http://dicom.nema.org/resources/ontology/DCM",
    "local": "https://example.org/codes",
}
_ROUTES = {
    "oral": ("by mouth", "snomed 26643006"),
    "iv": ("intravenous", "snomed 47625008"),
    "subcutaneous": ("subcutaneous", "snomed 34206005"),
}
_UNIT_WORDS = {"Cel": "°C", "mm[Hg]": "mmHg", "{INR}": "INR", "{score}": "points", "wk": "weeks"}
_UID_NAMES = uuid.UUID("5b0c1a52-6a4f-4d0e-9a59-6f7f6f1a0c55")


def coding(written: str) -> dict[str, str]:
    """``snomed 44054006`` as a Coding."""
    system, code = written.split(" ")
    return {"system": SYSTEMS[system], "code": code}


def concept(text: str, codes: Sequence[str] = ()) -> dict[str, Any]:
    """A CodeableConcept with our words and the given codes."""
    return {**({"coding": [coding(code) for code in codes]} if codes else {}), "text": text}


def hl7(name: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one of HL7's own code systems (terminology.hl7.org)."""
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}]}


def quantity(value: Any, unit: str, comparator: str = "") -> dict[str, Any]:
    """A Quantity in UCUM, its unit also in everyday words."""
    return {
        "value": value,
        **({"comparator": comparator} if comparator else {}),
        "unit": _UNIT_WORDS.get(unit, unit),
        "system": "http://unitsofmeasure.org",
        "code": unit,
    }


def dosage(row: Mapping[str, Any]) -> dict[str, Any]:
    """A Dosage from ``dose`` (words), ``amount`` (number, unit), ``times_a_day`` and ``route``."""
    found: dict[str, Any] = {"text": row["dose"]}
    if "times_a_day" in row:
        found["timing"] = {"repeat": {"frequency": row["times_a_day"], "period": 1, "periodUnit": "d"}}
    if "route" in row:
        words, code = _ROUTES[row["route"]]
        found["route"] = concept(words, [code])
    if "amount" in row:
        found["doseAndRate"] = [{"doseQuantity": quantity(*row["amount"])}]
    return found


def dicom_uid(name: str) -> str:
    """A DICOM UID derived from a UUID (PS3.5 annex B.2), the same on every start."""
    return f"2.25.{uuid.uuid5(_UID_NAMES, name).int}"
