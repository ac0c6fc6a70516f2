"""AuditEvent of a write, after IHE Basic Audit Log Patterns (RESTful create and update): who, to whom, what."""

from __future__ import annotations

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

EVENT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
ACTIONS = {"C": "create", "U": "update"}


def build(*, action: str, recorded: str, report: str, patient: str, device: str, person: str = "") -> Json:
    """``action`` is C or U. Without a person the device itself asked for the write."""
    if action not in ACTIONS:
        raise Nonsense("action: C or U")
    agents: list[Json] = [
        {
            "type": concept(coding(DCM, "110153", "Source Role ID")),
            "who": reference(device, "Device"),
            "requestor": not person,
        }
    ]
    if person:
        agents.append({"who": reference(person, "Practitioner", "PractitionerRole"), "requestor": True})
    return {
        "resourceType": "AuditEvent",
        "type": coding(EVENT_TYPES, "rest", "Restful Operation"),
        "subtype": [coding(INTERACTIONS, ACTIONS[action], ACTIONS[action])],
        "action": action,
        "recorded": elements.instant(recorded),
        "outcome": "0",
        "agent": agents,
        "source": {"observer": reference(device, "Device")},
        "entity": [
            {
                "what": reference(f"Patient/{patient}", "Patient"),
                "type": coding(ENTITY_TYPES, "1", "Person"),
                "role": coding(ROLES, "1", "Patient"),
            },
            {
                "what": reference(report, "DiagnosticReport"),
                "type": coding(ENTITY_TYPES, "2", "System Object"),
                "role": coding(ROLES, "4", "Domain Resource"),
            },
        ],
    }
