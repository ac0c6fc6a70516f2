"""DiagnosticReport of an AI read (https://hl7.org/fhir/R4/diagnosticreport.html). ``final`` cannot be built here.

``partial`` is R4's word for "may be incomplete or unverified"; ``preliminary`` means verified, so it takes the person.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

LOINC = "http://loinc.org"
SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"


@cache
def _codes() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = tomllib.loads(
        files(__package__).joinpath("report_codes.toml").read_text("utf-8")
    )
    return table


def code_of(modality: str, body_part: str) -> Json:
    """The report's code by DICOM modality and body part; the general code where the table has no better one."""
    row = _codes().get(f"{modality.upper()} {body_part.upper()}") or _codes()["other"]
    return concept(coding(LOINC, row["loinc"], row["display"]), text=row["text"])


def attachment(content_type: str, data: bytes, title: str, created: str) -> Json:
    """One rendering of the report, labelled as by AI; R4's hash is SHA-1 of the data."""
    if not data:
        raise Nonsense("presentedForm: an attachment needs data")
    return {
        **elements.inline_label(),
        "contentType": content_type,
        "data": base64.b64encode(data).decode(),
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        "title": title,
        "creation": elements.instant(created),
    }


def build(
    *,
    identifier: str,
    modality: str,
    body_part: str,
    patient: str,
    study: str,
    device: str,
    issued: str,
    conclusion: str,
    forms: Sequence[Json],
    performed: str = "",
    encounter: str = "",
    based_on: Sequence[str] = (),
    results: Sequence[str] = (),
    status: str = "partial",
    verified_by: str = "",
    own_words: bool = False,
) -> Json:
    """A draft. ``verified_by`` (Practitioner or PractitionerRole) alone makes ``preliminary`` possible.

    ``own_words``: the conclusion is that person's, so it bears no label of AI; the renderings, which hold the findings, do.
    """
    if status not in ("partial", "preliminary"):
        raise Nonsense("status: this service builds partial and preliminary reports, nothing else")
    if (status == "preliminary") != bool(verified_by):
        raise Nonsense("status: preliminary means verified; it needs the person who did so, and only it names one")
    if own_words and not verified_by:
        raise Nonsense("conclusion: whose words these are has to be named")
    if not conclusion.strip():
        raise Nonsense("conclusion: a report says something")
    report: Json = {
        "resourceType": "DiagnosticReport",
        "meta": {"security": [dict(elements.AI_ASSERTED), dict(elements.LABELLED_INLINE)]},
        "identifier": [elements.identifier(identifier)],
        "status": status,
        "category": [concept(coding(SECTION, "RAD", "Radiology"))],
        "code": code_of(modality, body_part),
        "subject": reference(f"Patient/{patient}", "Patient"),
        "issued": elements.instant(issued),
        "performer": elements.by_device(device),
        "imagingStudy": [reference(study, "ImagingStudy")],
        "conclusion": conclusion,
        **({} if own_words else {"_conclusion": elements.inline_label()}),
        "presentedForm": list(forms),
    }
    if encounter:
        report["encounter"] = reference(f"Encounter/{encounter}", "Encounter")
    if based_on:
        report["basedOn"] = [reference(order, "ServiceRequest") for order in based_on]
    if when := elements.date_time(performed):
        report["effectiveDateTime"] = when
    if results:
        report["result"] = [reference(result, "Observation") for result in results]
    if verified_by:
        report["resultsInterpreter"] = [reference(verified_by, "Practitioner", "PractitionerRole")]
    return report
