"""Observation of one imaging finding (https://hl7.org/fhir/R4/observation.html): preliminary, qualitative, by a device."""

from __future__ import annotations

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

FINDINGS = "urn:medgemma-cds:imaging-finding"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SNOMED = "http://snomed.info/sct"
STATES = {"present": ("52101004", "Present"), "uncertain": ("82334004", "Indeterminate")}


def build(
    *,
    identifier: str,
    key: str,
    name: str,
    state: str,
    patient: str,
    study: str,
    device: str,
    issued: str,
    where: str = "",
    performed: str = "",
    encounter: str = "",
    accepted_by: str = "",
) -> Json:
    """One finding that is present or uncertain. An absence by AI is not written as data: it stays in the report's words.

    ``accepted_by`` (Practitioner or PractitionerRole) answers for it beside the AI; the status stays preliminary.
    """
    if state not in STATES:
        raise Nonsense("value: only findings that are present or uncertain become an Observation")
    made: Json = {
        "resourceType": "Observation",
        "meta": elements.label(),
        "identifier": [elements.identifier(identifier)],
        "status": "preliminary",
        "category": [concept(coding(CATEGORY, "imaging", "Imaging"))],
        "code": concept(coding(FINDINGS, key, name), text=name),
        "subject": reference(f"Patient/{patient}", "Patient"),
        "issued": elements.instant(issued),
        "performer": elements.by_device(device),
        "device": reference(device, "Device"),
        "valueCodeableConcept": concept(coding(SNOMED, *STATES[state]), text=state),
        "derivedFrom": [reference(study, "ImagingStudy")],
    }
    if accepted_by:
        made = accepted(made, accepted_by)
    if where:
        made["bodySite"] = concept(text=where)
    if encounter:
        made["encounter"] = reference(f"Encounter/{encounter}", "Encounter")
    if when := elements.date_time(performed):
        made["effectiveDateTime"] = when
    return made


def accepted(made: Json, person: str) -> Json:
    """The Observation with the person among its performers."""
    who = reference(person, "Practitioner", "PractitionerRole")
    performers = [each for each in made.get("performer", ()) if each.get("reference") != person]
    return {**made, "performer": [*performers, who]}
