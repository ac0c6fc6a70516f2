"""DocumentReference of a prompt: its name, version and hash, never its rendering, which would hold the patient's data."""

from __future__ import annotations

from fhir_adapters.write import elements
from fhir_adapters.write.device import GUIDE
from fhir_adapters.write.elements import Json, Nonsense, coding, concept

KINDS = {"AIInputPrompt": "AI input prompt", "AIModelCard": "AI model card"}
CODES = f"{GUIDE}/CodeSystem/AImodelCardCS"  # of 1.0.0-ballot; later drafts of the guide call it AIinputsCS
MARKDOWN = "AImodelCardMarkdownFormat"


def build(*, identifier: str, kind: str, title: str, url: str = "") -> Json:
    """``kind`` is AIInputPrompt or AIModelCard (AI Transparency on FHIR, AImodelCardCS)."""
    if kind not in KINDS or not title:
        raise Nonsense("type: AIInputPrompt or AIModelCard, with a title")
    attached = {"contentType": "text/markdown", "title": title} | ({"url": url} if url else {})
    made: Json = {
        "resourceType": "DocumentReference",
        "identifier": [elements.identifier(identifier)],
        "status": "current",
        "type": concept(coding(CODES, kind), text=KINDS[kind]),
        "content": [{"attachment": attached}],
    }
    return made | ({"category": [concept(coding(CODES, MARKDOWN))]} if kind == "AIModelCard" else {})
