"""Provenance (AI Transparency on FHIR, level 2): who had which part in it, what went in, what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_adapters.write import elements
from fhir_adapters.write.device import DEVICE_TYPES
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

PARTICIPANTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATIONS = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
ACTIVITIES = {"CREATE": "create", "UPDATE": "revise", "NULLIFY": "nullify"}


def build(
    *,
    targets: Sequence[str],
    recorded: str,
    device: str,
    activity: str = "CREATE",
    sources: Sequence[str] = (),
    instances: Sequence[str] = (),
    derived_from: Sequence[str] = (),
    person: str = "",
    own_words: bool = False,
) -> Json:
    """``sources`` are references, ``instances`` DICOM UIDs the model was shown, ``derived_from`` prompts and model card.

    ``person`` verifies what the AI wrote, and is an author too where they put it in ``own_words``. What is nullified, a person
    nullifies: the AI has no part in that.
    """
    if not targets or activity not in ACTIVITIES:
        raise Nonsense("target, activity: what was done to which resource")
    if (activity == "NULLIFY" or own_words) and not person:
        raise Nonsense("agent: only a person retracts a report or words one anew")
    by_ai = activity != "NULLIFY"
    roles = ["performer"] if not by_ai else ["author", "verifier"] if own_words else ["verifier"]
    agents = [_machine(device)] if by_ai else []
    agents += [_human(role, person) for role in roles if person]
    entities: list[Json] = [{"role": "source", "what": reference(each, "ImagingStudy")} for each in sources]
    for uid in instances:
        what = {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}}
        entities.append({"role": "source", "what": what})
    entities += [{"role": "derivation", "what": reference(each, "DocumentReference")} for each in derived_from]
    made: Json = {
        "resourceType": "Provenance",
        "target": [reference(t, "DiagnosticReport", "Observation", "Task") for t in targets],
        "recorded": elements.instant(recorded),
        **({"reason": [concept(dict(elements.AI_ASSERTED))]} if by_ai else {}),
        "activity": concept(coding(OPERATIONS, activity, ACTIVITIES[activity])),
        "agent": agents,
    }
    return made | ({"entity": entities} if entities else {})


def _machine(device: str) -> Json:
    return {
        "type": concept(coding(PARTICIPANTS, "author", "Author")),
        "role": [concept(coding(DEVICE_TYPES, "Artificial-Intelligence"))],
        "who": reference(device, "Device"),
    }


def _human(role: str, person: str) -> Json:
    kind = concept(coding(PARTICIPANTS, role, role.capitalize()))
    return {"type": kind, "who": reference(person, "Practitioner", "PractitionerRole")}
