"""image-comparison: what changed in one finding since an earlier image of the same kind."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from cds_service.imaging import task_gates as gates
from cds_service.imaging.catalogue import Kind, Sought
from cds_service.imaging.read import Change, State
from cds_service.imaging.seen import Seen
from cds_service.imaging.tasks.asking import ask
from cds_service.models.engine import Engine
from cds_service.models.faults import BadAnswer
from cds_service.models.prompting.templates import Prompt

PROMPT = "image-comparison"


class Compared(Struct, frozen=True, kw_only=True):
    """The change after the gates; ``fault`` as in Reported."""

    change: Change
    fault: str = ""


class _Answer(Struct, forbid_unknown_fields=True):
    seen: Annotated[str, Meta(min_length=1, max_length=160)]
    change: Literal["new", "more", "same", "less", "gone", "uncertain"]


async def compare(
    engine: Engine, prompt: Prompt, earlier: Seen, current: Seen, kind: Kind, sought: Sought, state: State
) -> Compared:
    """``state`` is the finding's on the current image. Raises as ``report`` does."""
    images = (
        replace(earlier.images[0], label="EARLIER IMAGE"),
        replace(current.images[0], label="CURRENT IMAGE"),
    )
    try:
        answer = await ask(
            engine, prompt, images, _Answer, kind=kind.words, finding=sought.name.lower(), shows=sought.shows
        )
    except BadAnswer as bad:
        return Compared(change="uncertain", fault=bad.reason)
    fault = gates.words_fault(answer.seen, current) or gates.change_fault(answer.change, state)
    return Compared(change="uncertain", fault=fault) if fault else Compared(change=answer.change)
