"""Provenance (AI Transparency on FHIR, level 2): the AI as author, the person as verifier, what went in, what it rests on."""

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
    verifier: str = "",
) -> Json:
    """``sources`` are references, ``instances`` DICOM UIDs the model was shown, ``derived_from`` prompts and model card."""
    if not targets or activity not in ACTIVITIES:
        raise Nonsense("target, activity: what was done to which resource")
    agents: list[Json] = [
        {
            "type": concept(coding(PARTICIPANTS, "author", "Author")),
            "role": [concept(coding(DEVICE_TYPES, "Artificial-Intelligence"))],
            "who": reference(device, "Device"),
        }
    ]
    if verifier:
        who = reference(verifier, "Practitioner", "PractitionerRole")
        agents.append({"type": concept(coding(PARTICIPANTS, "verifier", "Verifier")), "who": who})
    entities: list[Json] = [{"role": "source", "what": reference(each, "ImagingStudy")} for each in sources]
    for uid in instances:
        what = {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}}
        entities.append({"role": "source", "what": what})
    entities += [{"role": "derivation", "what": reference(each, "DocumentReference")} for each in derived_from]
    made: Json = {
        "resourceType": "Provenance",
        "target": [reference(t, "DiagnosticReport", "Observation", "Task") for t in targets],
        "recorded": elements.instant(recorded),
        "reason": [concept(dict(elements.AI_ASSERTED))],
        "activity": concept(coding(OPERATIONS, activity, ACTIVITIES[activity])),
        "agent": agents,
    }
    return made | ({"entity": entities} if entities else {})
