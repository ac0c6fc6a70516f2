"""image-question: a clinician's question about one image; the one answer of the image model shown in its own words."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cds_service.imaging import task_gates as gates
from cds_service.imaging.catalogue import Kind
from cds_service.imaging.seen import Seen
from cds_service.imaging.tasks.asking import ask
from cds_service.imaging.tasks.report import VIEWS
from cds_service.models.engine import Engine
from cds_service.models.faults import BadAnswer
from cds_service.models.prompting.cleaning import clean
from cds_service.models.prompting.templates import Prompt

PROMPT = "image-question"


class Replied(Struct, frozen=True, kw_only=True):
    """What may be shown of the answer. ``fault`` says why nothing may."""

    answerable: bool = False
    answer: str = ""
    not_visible: str = ""
    fault: str = ""


class _Answer(Struct, forbid_unknown_fields=True):
    answerable: bool
    answer: Annotated[str, Meta(min_length=1, max_length=400)]
    not_visible: Annotated[str, Meta(max_length=160)]


async def reply(engine: Engine, prompt: Prompt, seen: Seen, kind: Kind, question: str) -> Replied:
    """Raises as ``report`` does."""
    view = VIEWS.get(seen.view, "not known")
    try:
        answer = await ask(engine, prompt, seen.images, _Answer, kind=kind.words, view=view, question=question)
    except BadAnswer as bad:
        return Replied(fault=bad.reason)
    if fault := gates.words_fault(f"{answer.answer} {answer.not_visible}", seen):
        return Replied(fault=fault)
    return Replied(
        answerable=answer.answerable, answer=clean(answer.answer, limit=400), not_visible=clean(answer.not_visible)
    )
