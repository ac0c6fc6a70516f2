"""Task: somebody has to look at the draft, so that it cannot be orphaned (https://hl7.org/fhir/R4/task.html)."""

from __future__ import annotations

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

TASKS = "urn:medgemma-cds:task"


def build(*, identifier: str, report: str, patient: str, authored: str, status: str, reviewer: str = "") -> Json:
    """``requested`` until a person has decided, then ``completed`` with that person as owner."""
    if (status == "completed") != bool(reviewer) or status not in ("requested", "completed"):
        raise Nonsense("status: a review is requested, or completed by a person")
    made: Json = {
        "resourceType": "Task",
        "identifier": [elements.identifier(identifier)],
        "status": status,
        "intent": "order",
        "code": concept(coding(TASKS, "review", "Review of an AI-drafted report")),
        "description": "Review of an AI-drafted imaging report",
        "focus": reference(report, "DiagnosticReport"),
        "for": reference(f"Patient/{patient}", "Patient"),
        "authoredOn": elements.instant(authored),
    }
    if reviewer:
        made["owner"] = reference(reviewer, "Practitioner", "PractitionerRole")
    return made


def completed(found: Json, reviewer: str) -> Json:
    """The Task of the record after the person took the draft."""
    owner = reference(reviewer, "Practitioner", "PractitionerRole")
    return {**found, "status": "completed", "owner": owner}


def retracted(found: Json) -> Json:
    """The Task of the record after the draft was rejected: a review still open is cancelled, a done one was in error."""
    return {**found, "status": "entered-in-error" if found.get("status") == "completed" else "cancelled"}
