"""Validates decoded JSON under the restricted schemas we use (``models/prompting/schemas.py``), whatever the engine promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]
_KNOWN = frozenset((
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "minLength", "maxLength", "minimum", "maximum", "title", "description", "$comment", "$schema", "$id",
))  # fmt: skip


def violation(value: Any, schema: Schema, where: str = "$") -> str:
    """The first place that breaks the schema, as a path and a keyword; '' when there is none. No value is repeated.

    A keyword this does not know is a violation: an unchecked promise is none.
    """
    unknown = schema.keys() - _KNOWN
    if unknown:
        return f"{where}: cannot check {min(unknown)}"
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        return f"{where}: enum"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where}: const"
    kind = schema.get("type")
    if kind is None:
        return ""
    if kind not in _CHECKS:
        return f"{where}: cannot check type {kind}"
    return _CHECKS[kind](value, schema, where)


def _same(one: Any, other: Any) -> bool:
    """Equal in JSON: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _object(value: Any, schema: Schema, where: str) -> str:
    if not isinstance(value, dict):
        return f"{where}: type"
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", ())):
        return f"{where}: required"
    if schema.get("additionalProperties", True) is False and value.keys() - properties.keys():
        return f"{where}: additionalProperties"
    found = (violation(value[name], child, f"{where}.{name}") for name, child in properties.items() if name in value)
    return next(filter(None, found), "")


def _array(value: Any, schema: Schema, where: str) -> str:
    if not isinstance(value, list):
        return f"{where}: type"
    if (wrong := _bounds(len(value), schema, "minItems", "maxItems", where)) or "items" not in schema:
        return wrong
    found = (violation(each, schema["items"], f"{where}[{n}]") for n, each in enumerate(value))
    return next(filter(None, found), "")


def _string(value: Any, schema: Schema, where: str) -> str:
    if not isinstance(value, str):
        return f"{where}: type"
    return _bounds(len(value), schema, "minLength", "maxLength", where)


def _number(value: Any, schema: Schema, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{where}: type"
    if schema["type"] == "integer" and not (isinstance(value, int) or value.is_integer()):
        return f"{where}: type"
    return _bounds(value, schema, "minimum", "maximum", where)


def _bounds(value: float, schema: Schema, least: str, most: str, where: str) -> str:
    if least in schema and value < schema[least]:
        return f"{where}: {least}"
    return f"{where}: {most}" if most in schema and value > schema[most] else ""


def _boolean(value: Any, _schema: Schema, where: str) -> str:
    return "" if isinstance(value, bool) else f"{where}: type"


def _null(value: Any, _schema: Schema, where: str) -> str:
    return "" if value is None else f"{where}: type"


_CHECKS: Mapping[str, Callable[[Any, Schema, str], str]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
