"""Device: one deployed configuration of the AI (AI Transparency on FHIR, AIDevice), not "the model" at large."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_adapters.write import elements
from fhir_adapters.write.elements import Json, Nonsense, coding, concept

GUIDE = "http://hl7.org/fhir/uv/aitransparency"
DEVICE_TYPES = f"{GUIDE}/CodeSystem/AIdeviceTypeCS"


def build(*, identifier: str, name: str, versions: Mapping[str, str], note: str = "") -> Json:
    """``versions`` says what is deployed: engine, model revision, quantisation, prompt and rule pack hashes."""
    told = {kind: value for kind, value in versions.items() if value}
    if not name or not told:
        raise Nonsense("version: a device names its model and what is deployed")
    made: Json = {
        "resourceType": "Device",
        "meta": elements.label(),
        "identifier": [elements.identifier(identifier)],
        "status": "active",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": concept(coding(DEVICE_TYPES, "Artificial-Intelligence"), text="Artificial intelligence"),
        "version": [{"type": concept(text=kind), "value": value} for kind, value in told.items()],
    }
    return made | ({"note": [{"text": note}]} if note else {})
