"""An engine's text back into statements: strictly the schema, or no answer. Nothing is repaired by guessing."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from cds_service.grounding.statement import Statement
from cds_service.models.engine import Generation
from cds_service.models.faults import NotJson, Refusing, SchemaViolated, StrayTokens, Truncated


class Said(Struct, forbid_unknown_fields=True):
    """One statement on the wire. Which members a task's schema has is the schema's matter; the bounds are here."""

    text: Annotated[str, Meta(min_length=1, max_length=400)]
    fact_ids: Annotated[tuple[str, ...], Meta(min_length=1, max_length=12)]
    kind: str = "record"
    name: Annotated[str, Meta(max_length=80)] = ""
    topic: Annotated[str, Meta(max_length=40)] = ""
    contrary_ids: Annotated[tuple[str, ...], Meta(max_length=12)] = ()
    changes: Annotated[tuple[Annotated[str, Meta(max_length=80)], ...], Meta(max_length=4)] = ()

    def statement(self) -> Statement:
        """What grounding checks."""
        return Statement(
            text=self.text,
            fact_ids=self.fact_ids,
            kind=self.kind,
            name=self.name,
            topic=self.topic,
            contrary_ids=self.contrary_ids,
            changes=self.changes,
        )


class Answer(Struct, forbid_unknown_fields=True):
    """Statements and nothing else: record-summary, order-review, considerations."""

    statements: Annotated[list[Said], Meta(max_length=60)]


A = TypeVar("A", bound=Struct)


def answer(generation: Generation, wire: type[A], boundary: str = "") -> A:
    """A finished answer as ``wire``. A cut or refused answer, other JSON, or one that holds the boundary is a BadAnswer."""
    if generation.finish_reason == "length":
        raise Truncated
    if generation.finish_reason != "stop":
        raise Refusing
    if boundary and boundary in generation.text:
        raise StrayTokens("the answer repeats the boundary of the prompt")
    try:
        return msgspec.json.decode(generation.text, type=wire)
    except msgspec.ValidationError as fault:
        raise SchemaViolated from fault
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as fault:
        raise NotJson from fault
