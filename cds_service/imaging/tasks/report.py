"""image-report and ct-volume: one finding of the closed list, asked by name, its answer through the gates."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cds_service.imaging import task_gates as gates
from cds_service.imaging.catalogue import NONE, Kind, Sought
from cds_service.imaging.read import State
from cds_service.imaging.seen import Seen
from cds_service.imaging.tasks.asking import ask
from cds_service.models.engine import Engine
from cds_service.models.faults import BadAnswer
from cds_service.models.prompting.templates import Prompts

VIEWS = {"PA": "posteroanterior", "AP": "anteroposterior", "LATERAL": "lateral"}
Slice = Annotated[int, Meta(ge=0, le=85)]


class Reported(Struct, frozen=True, kw_only=True):
    """One answer after the gates. ``fault`` names why it is not used; the state is then uncertain, the place unknown."""

    state: State
    side: Literal["", "left", "right", "bilateral"] = ""
    place: str = ""
    fault: str = ""


class _Answer(Struct, forbid_unknown_fields=True):
    seen: Annotated[str, Meta(min_length=1, max_length=160)]
    state: State
    side: Literal["left", "right", "bilateral", "none"]
    place: str
    first_slice: Slice = 0
    last_slice: Slice = 0


async def report(engine: Engine, prompts: Prompts, seen: Seen, kind: Kind, sought: Sought) -> Reported:
    """Raises only what says the engine cannot be asked; an answer that cannot be used is uncertain, with its reason."""
    more = {"slices": len(seen.images)} if kind.prompt == "ct-volume" else {"view": VIEWS.get(seen.view, "not known")}
    try:
        answer = await ask(
            engine, prompts[kind.prompt], seen.images, _Answer,
            kind=kind.words, finding=sought.name.lower(), shows=sought.shows, places=[*sought.places, NONE], **more,
        )  # fmt: skip
    except BadAnswer as bad:
        return Reported(state="uncertain", fault=bad.reason)
    if fault := _fault(answer, seen, kind, sought):
        return Reported(state="uncertain", fault=fault)
    return Reported(state=answer.state, side=_side(answer, sought), place="" if answer.place == NONE else answer.place)


def _side(answer: _Answer, sought: Sought) -> Literal["", "left", "right", "bilateral"]:
    """Only where the finding or its place has one: the spine has none, nor has a heart silhouette."""
    sided = sought.places[answer.place].side if answer.place != NONE else sought.places
    return answer.side if sided and answer.side != "none" else ""


def _fault(answer: _Answer, seen: Seen, kind: Kind, sought: Sought) -> str:
    if answer.place != NONE and answer.place not in sought.places:
        return "schema_violated"
    fault = gates.finding_fault(answer.seen, answer.state, answer.side, answer.place, sought, seen)
    if fault is None and kind.prompt == "ct-volume":
        fault = gates.slices_fault(answer.state, answer.first_slice, answer.last_slice, len(seen.images))
    return fault or ""
