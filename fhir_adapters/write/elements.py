"""The small parts every written resource is made of (R4 datatypes.html). What cannot be right is refused: ``Nonsense``."""

from __future__ import annotations

import re
from typing import Any

from fhir_adapters.templates import is_id

Json = dict[str, Any]

IDENTIFIERS = "urn:medgemma-cds:draft"  # the system of our identifiers and tags; values are urn:uuid
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
INLINE_LABEL = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label"
ALTERNATE_REFERENCE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"
# HL7 AI Transparency on FHIR 1.0.0-ballot, level 1
AI_ASSERTED: Json = {"system": OBSERVATION_VALUE, "code": "AIAST", "display": "Artificial Intelligence asserted"}
LABELLED_INLINE: Json = {"system": ACT_CODE, "code": "PROCESSINLINELABEL", "display": "process inline security label"}

_URN = re.compile(r"urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_DATE_TIME = re.compile(rf"\d{{4}}(?:-\d\d(?:-\d\d)?)?|{_INSTANT.pattern}")


class Nonsense(ValueError):
    """The resource asked for would say something untrue or invalid; the message names the element to mend."""


def urn(value: str) -> str:
    """A ``urn:uuid:…`` in lower case, as identifiers and references inside a Bundle take it."""
    if not _URN.fullmatch(value):
        raise Nonsense("an identifier is a urn:uuid in lower case")
    return value


def identifier(value: str) -> Json:
    """Our identifier of a resource: what a conditional create looks for."""
    return {"system": IDENTIFIERS, "value": urn(value)}


def coding(system: str, code: str, display: str = "") -> Json:
    """One Coding; without a display where there is none."""
    if not system or not code or code != code.strip():
        raise Nonsense("a coding needs a system and a code")
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: Json, text: str = "") -> Json:
    """One CodeableConcept with at least a coding or a text."""
    if not codings and not text:
        raise Nonsense("a concept needs a coding or a text")
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def reference(target: str, *types: str) -> Json:
    """A relative reference to one of ``types``, or one inside the Bundle (``urn:uuid``)."""
    if _URN.fullmatch(target):
        return {"reference": target}
    kind, _, own_id = target.partition("/")
    if kind not in types or not is_id(own_id):
        raise Nonsense(f"a reference must be to {' or '.join(types)} by id")
    return {"reference": target}


def by_device(device: str) -> list[Json]:
    """``performer`` in R4 cannot be a Device; the AI Transparency guide refers to it by extension."""
    return [
        {
            "extension": [{"url": ALTERNATE_REFERENCE, "valueReference": reference(device, "Device")}],
            "display": "AI system",
        }
    ]


def instant(value: str) -> str:
    """A moment with its offset (R4 instant)."""
    if not _INSTANT.fullmatch(value):
        raise Nonsense("an instant needs date, time with seconds, and offset")
    return value


def date_time(value: str) -> str:
    """A dateTime, '' for what is none. Of a time without an offset the day alone is kept: the offset is not guessed."""
    return next((each for each in (value, value[:10]) if _DATE_TIME.fullmatch(each)), "")


def label() -> Json:
    """``meta`` of a resource whose content is by AI."""
    return {"security": [dict(AI_ASSERTED)]}


def inline_label() -> Json:
    """What stands beside an element whose words are by AI (``_conclusion``)."""
    return {"extension": [{"url": INLINE_LABEL, "valueCoding": dict(AI_ASSERTED)}]}
