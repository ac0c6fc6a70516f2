"""Schemas for answers of random weights: shaped as prompts/record-summary, short enough to run often."""

from __future__ import annotations

from typing import Any

from cds_service.models.prompting import schemas, templates


def summary(ids: int = 12, *, statements: int = 2, characters: int = 24, cited: int = 2) -> dict[str, Any]:
    """record-summary with ``ids`` fact ids, cut down."""
    schema = schemas.fill(templates.load()["record-summary"].schema, {"fact_ids": [f"F{n}" for n in range(1, ids + 1)]})
    listed = schema["properties"]["statements"]
    listed["minItems"], listed["maxItems"] = 1, statements
    item = listed["items"]["properties"]
    item["text"]["maxLength"], item["fact_ids"]["maxItems"] = characters, cited
    return schema
