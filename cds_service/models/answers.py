"""An engine's text back into statements: strictly the schema, or no answer. Nothing is repaired by guessing."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cds_service.grounding.statement import Statement
from cds_service.models.engine import Generation


class AnswerFault(ValueError):
    """The answer may not be used; the message says why and holds none of its text."""


class _Wire(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=400)]
    fact_ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=12)]
    kind: str
    name: Annotated[str, Meta(max_length=80)] = ""
    contrary_ids: Annotated[tuple[str, ...], Meta(max_length=12)] = ()


class _Answer(Struct, forbid_unknown_fields=True):
    statements: Annotated[list[_Wire], Meta(max_length=60)]


_decode = msgspec.json.Decoder(_Answer).decode


def statements_of(generation: Generation, boundary: str = "") -> list[Statement]:
    """The statements of a finished answer. A cut answer, other JSON, or one that holds the boundary is a fault."""
    if generation.finish_reason != "stop":
        raise AnswerFault(f"the answer did not finish: {generation.finish_reason}")
    if boundary and boundary in generation.text:
        raise AnswerFault("the answer repeats the boundary of the prompt")
    try:
        found = _decode(generation.text)
    except msgspec.DecodeError as fault:
        raise AnswerFault("the answer is not the JSON that was asked for") from fault
    return [
        Statement(text=w.text, fact_ids=w.fact_ids, kind=w.kind, name=w.name, contrary_ids=w.contrary_ids)
        for w in found.statements
    ]
