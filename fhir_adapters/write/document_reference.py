"""DocumentReference of a prompt: its name, version and hash, never its rendering, which would hold the patient's data."""

from __future__ import annotations

from fhir_adapters.write import elements
from fhir_adapters.write.device import GUIDE
from fhir_adapters.write.elements import Json, Nonsense, coding, concept

KINDS = {"AIInputPrompt": "AI input prompt", "AIModelCard": "AI model card"}


def build(*, identifier: str, kind: str, title: str, url: str = "") -> Json:
    """``kind`` is AIInputPrompt or AIModelCard (AI Transparency on FHIR, AIinputsCS)."""
    if kind not in KINDS or not title:
        raise Nonsense("type: AIInputPrompt or AIModelCard, with a title")
    attached = {"contentType": "text/markdown", "title": title} | ({"url": url} if url else {})
    return {
        "resourceType": "DocumentReference",
        "identifier": [elements.identifier(identifier)],
        "status": "current",
        "type": concept(coding(f"{GUIDE}/CodeSystem/AIinputsCS", kind), text=KINDS[kind]),
        "content": [{"attachment": attached}],
    }
