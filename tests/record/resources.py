"""Resources written for these tests. Obviously synthetic; every number is given as text and keeps its digits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from cds_service.record.build import build, from_bundle
from cds_service.record.facts import Reading, Record
from fhir_adapters.read.resources import Resources, read

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TIME = "2026-11-20T08:10:00Z"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-02-03"}
SUBJECT = {"reference": "Patient/p1"}


def concept(code: str, system: str = LOINC, display: str | None = None, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def quantity(value: str, unit: str | None = None, **more: Any) -> dict[str, Any]:
    """A Quantity whose number is written exactly so."""
    return {"value": Raw(value.encode())} | ({"unit": unit} if unit is not None else {}) | more


def observation(
    code: str = "2823-3", value: str | None = "4.1", unit: str | None = "mmol/L", **more: Any
) -> dict[str, Any]:
    """A final Observation of one quantity; members set to None are left out."""
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept(code),
        "subject": SUBJECT,
        "effectiveDateTime": TIME,
    }
    if value is not None:
        made["valueQuantity"] = quantity(value, unit)
    made |= more
    return {k: v for k, v in made.items() if v is not None}


def resource(kind: str, **members: Any) -> dict[str, Any]:
    """Any other resource of this patient."""
    who = "patient" if kind in ("AllergyIntolerance", "Immunization", "NutritionOrder", "Consent") else "subject"
    return {"resourceType": kind, "id": kind.lower(), who: SUBJECT} | members


def bundle(*resources: Mapping[str, Any], urls: Mapping[int, str] | None = None) -> bytes:
    """A searchset of them."""
    entries = [{"resource": r} | ({"fullUrl": urls[i]} if urls and i in urls else {}) for i, r in enumerate(resources)]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def chart(*resources: Mapping[str, Any], now: datetime = NOW, **options: Any) -> Record:
    """The record of the patient and these resources."""
    return from_bundle(bundle(PATIENT, *resources), now, "p1", **options)


def only(*resources: Mapping[str, Any], **options: Any) -> Reading:
    """The one reading these observations come to, usable or refused."""
    record = chart(*resources, **options)
    found = [*(r for series in record.readings.values() for r in series), *record.others, *record.refused]
    assert len(found) == 1, found
    return found[0]


class Answered(Struct):
    """What ``gather`` says of one key."""

    key: str
    resource_type: str
    state: str = "present"
    resources: list[Resources] = field(default_factory=list)
    truncated: str = ""
    origin: str = "prefetch"
    detail: str = ""


def answered(key: str, resource_type: str, *resources: Mapping[str, Any], **more: Any) -> Answered:
    """A key with the resources it brought."""
    return Answered(key, resource_type, resources=[read(bundle(*resources))], **more)


def built(*answers: Answered, **options: Any) -> Record:
    """The record of what these keys brought."""
    return build("p1", {a.key: a for a in answers}, NOW, **options)
