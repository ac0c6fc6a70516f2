"""localize: the box around one structure of a frontal chest radiograph, mapped back to stored pixels."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cds_service.imaging import task_gates as gates
from cds_service.imaging.catalogue import Kind, Structure
from cds_service.imaging.read import Box
from cds_service.imaging.seen import Seen
from cds_service.imaging.tasks.asking import ask
from cds_service.models.engine import Engine
from cds_service.models.faults import BadAnswer
from cds_service.models.prompting.templates import Prompt

PROMPT = "localize"
Edge = Annotated[int, Meta(ge=0, le=1000)]


class Localized(Struct, frozen=True, kw_only=True):
    """The box in stored pixels; None where the structure was not found or the answer is not used (``fault``)."""

    box: Box | None = None
    fault: str = ""


class _Answer(Struct, forbid_unknown_fields=True):
    seen: Annotated[str, Meta(min_length=1, max_length=160)]
    found: bool
    box_2d: tuple[Edge, Edge, Edge, Edge]


async def localize(engine: Engine, prompt: Prompt, seen: Seen, kind: Kind, structure: Structure) -> Localized:
    """The first picture of ``seen`` alone. Raises as ``report`` does."""
    try:
        answer = await ask(engine, prompt, seen.images[:1], _Answer, kind=kind.words, structure=structure.words)
    except BadAnswer as bad:
        return Localized(fault=bad.reason)
    if not answer.found:
        return Localized()
    transform = seen.transforms[0]
    if fault := gates.words_fault(answer.seen, seen) or gates.box_fault(answer.box_2d, structure, transform):
        return Localized(fault=fault)
    top, left, bottom, right = transform.to_pixels(*answer.box_2d)
    return Localized(box=Box(structure=structure.words, instance=0, top=top, left=left, bottom=bottom, right=right))
