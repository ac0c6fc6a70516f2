"""Our validator agrees with jsonschema over every schema of the restricted kind that we write."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.models.validation import violation

NAMES = st.sampled_from(["text", "fact_ids", "kind"])
WORDS = st.text("aé😀 ", max_size=4)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-4, 4), st.floats(-4, 4), WORDS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


def bounded(kind: str, least: str, most: str) -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.integers(-2 if kind in ("integer", "number") else 0, 3)
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={least: numbers, most: numbers})


def an_object(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={"required": st.lists(NAMES, unique=True), "additionalProperties": st.booleans()},
    )


def an_array(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda bounds, items: bounds | {"items": items}, bounded("array", "minItems", "maxItems"), inner)


LEAVES = st.one_of(
    bounded("string", "minLength", "maxLength"),
    bounded("integer", "minimum", "maximum"),
    bounded("number", "minimum", "maximum"),
    bounded("array", "minItems", "maxItems"),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}]),
    st.builds(lambda values: {"enum": values}, st.lists(SCALARS, min_size=1, max_size=3)),
    st.builds(lambda value: {"type": "string", "const": value}, WORDS),
)
SCHEMAS = st.recursive(LEAVES, lambda inner: an_object(inner) | an_array(inner), max_leaves=5)


@given(SCHEMAS, VALUES)
@settings(max_examples=400, deadline=None)
def test_a_value_is_refused_exactly_where_jsonschema_refuses_it(schema: dict[str, Any], value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (violation(value, schema) == "") == expected


@pytest.mark.parametrize("keyword", ["pattern", "oneOf", "$ref", "uniqueItems", "multipleOf", "format"])
def test_a_keyword_that_is_not_checked_is_a_violation(keyword: str) -> None:
    assert keyword in violation("x", {"type": "string", keyword: "x"})


def test_a_violation_names_the_place_and_no_value() -> None:
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}}}}
    assert violation({"list": [1, "secret"]}, schema) == "$.list[1]: type"
