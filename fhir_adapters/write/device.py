"""Device: one deployed configuration of the AI (AI Transparency on FHIR, AIDevice), not "the model" at large."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept, reference

GUIDE = "http://hl7.org/fhir/uv/aitransparency"
DEVICE_TYPES = f"{GUIDE}/CodeSystem/AIdeviceTypeCS"
AI_KIND = f"{GUIDE}/StructureDefinition/aitransparency.AIKind"
MODEL_CARD = f"{GUIDE}/StructureDefinition/aitransparency.modelCardDescription"


def build(*, identifier: str, name: str, versions: Mapping[str, str], note: str = "", model_card: str = "") -> Json:
    """``versions`` says what is deployed: engine, model revision, quantisation, prompt and rule pack hashes.

    ``model_card`` refers to its DocumentReference.
    """
    told = {kind: value for kind, value in versions.items() if value}
    if not name or not told:
        raise Nonsense("version: a device names its model and what is deployed")
    kind = concept(coding(DEVICE_TYPES, "Large-Language-Models", "Large Language Models"))
    extensions: list[Json] = [{"url": AI_KIND, "valueCodeableConcept": kind}]
    if model_card:
        extensions.append({"url": MODEL_CARD, "valueReference": reference(model_card, "DocumentReference")})
    made: Json = {
        "resourceType": "Device",
        "meta": elements.label(),
        "extension": extensions,
        "identifier": [elements.identifier(identifier)],
        "status": "active",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": concept(coding(DEVICE_TYPES, "Artificial-Intelligence"), text="Artificial intelligence"),
        "version": [{"type": concept(text=kind), "value": value} for kind, value in told.items()],
    }
    return made | ({"note": [{"text": note}]} if note else {})
