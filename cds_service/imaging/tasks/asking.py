"""One question to the image model, its answer strictly under the schema. What every image task does in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from cds_service.models.engine import Engine, Image, Request
from cds_service.models.faults import NotJson, Refusing, SchemaViolated, StrayTokens, Truncated, Unsupported
from cds_service.models.prompting.templates import Prompt, Rendered

A = TypeVar("A", bound=Struct)


async def ask(engine: Engine, prompt: Prompt, images: Sequence[Image], wire: type[A], **variables: Any) -> A:
    """The answer as ``wire``. Raises what ``models/faults.py`` lists: BadAnswer for an answer that may not be used."""
    rendered = prompt.render(**variables)
    request = request_of(rendered, images)
    if lacking := engine.capabilities.lacks(request):
        raise Unsupported(lacking)
    generation = await engine.generate(request)
    if generation.finish_reason != "stop":
        raise Truncated if generation.finish_reason == "length" else Refusing
    if rendered.boundary and rendered.boundary in generation.text:
        raise StrayTokens("the answer repeats the boundary of the prompt")
    try:
        return msgspec.json.decode(generation.text, type=wire)
    except msgspec.ValidationError as fault:
        raise SchemaViolated from fault
    except msgspec.DecodeError as fault:
        raise NotJson from fault


def request_of(rendered: Rendered, images: Sequence[Image], *, schema: bool = True) -> Request:
    """The rendered prompt with its images. Without ``schema`` it is for ``score_labels``."""
    return Request(
        prompt=rendered.text,
        fixed=rendered.fixed,
        schema=rendered.schema if schema else None,
        max_tokens=rendered.output_tokens,
        images=tuple(images),
        label=rendered.label,
    )
