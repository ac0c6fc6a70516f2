"""Output schemas of prompts: what a constrained decoder can be trusted with, and the enums that are filled per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# refused or silently ignored by one of the decoders we run on (uniqueItems, not, if/then), or laxly kept (oneOf, allOf)
_BARRED = (
    "uniqueItems", "not", "if", "then", "else", "allOf", "oneOf", "anyOf", "$ref", "patternProperties", "dependentSchemas",
    "contains", "propertyNames", "unevaluatedProperties", "pattern", "format", "multipleOf",
)  # fmt: skip
_TYPES = ("object", "array", "string", "integer", "boolean")


def schema_faults(schema: Mapping[str, Any], enums: Mapping[str, str]) -> list[str]:
    """Why a schema may not be used; empty when it is closed and bounded everywhere and its marked enums are declared."""
    faults: list[str] = []
    marked: set[str] = set()
    _inspect(schema, "$", faults, marked)
    if marked != set(enums):
        faults.append(f"enums declared and marked in the schema differ: {', '.join(sorted(marked ^ set(enums)))}")
    return faults


def _inspect(node: Mapping[str, Any], where: str, faults: list[str], marked: set[str]) -> None:
    faults.extend(f"{where} uses {word}" for word in _BARRED if word in node)
    if "$comment" in node:
        marked.add(str(node["$comment"]))
    kind = node.get("type")
    if kind not in _TYPES:
        faults.append(f"{where} has type {kind!r}")
    elif kind == "object":
        _inspect_object(node, where, faults, marked)
    elif kind == "array":
        if "maxItems" not in node or not isinstance(node.get("items"), dict):
            faults.append(f"{where} is an array without maxItems and items")
        else:
            _inspect(node["items"], f"{where}[]", faults, marked)
    elif kind == "string" and "maxLength" not in node and not node.get("enum"):
        faults.append(f"{where} is a string without maxLength or enum")
    elif kind == "integer" and not {"minimum", "maximum"} <= node.keys():
        faults.append(f"{where} is an integer without minimum and maximum")


def _inspect_object(node: Mapping[str, Any], where: str, faults: list[str], marked: set[str]) -> None:
    properties = node.get("properties", {})
    if node.get("additionalProperties") is not False:
        faults.append(f"{where} allows other properties")
    if not properties or set(node.get("required", ())) != set(properties):
        faults.append(f"{where} does not require each of its properties")
    for name, child in properties.items():
        _inspect(child, f"{where}.{name}", faults, marked)


def fill(schema: Mapping[str, Any], enums: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A copy in which every enum marked ``"$comment": NAME`` holds the values of this call; never an empty enum."""
    return {key: _filled(value, enums) for key, value in _marked(schema, enums).items()}


def _filled(value: Any, enums: Mapping[str, Sequence[str]]) -> Any:
    if isinstance(value, dict):
        return fill(value, enums)
    return [_filled(each, enums) for each in value] if isinstance(value, list) else value


def _marked(node: Mapping[str, Any], enums: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    name = node.get("$comment")
    if not isinstance(name, str):
        return node
    rest = {key: value for key, value in node.items() if key not in ("$comment", "enum")}
    return {**rest, "enum": list(enums[name]) or ["F0"]}


def longest(node: Mapping[str, Any]) -> int:
    """Characters of the longest compact JSON document under a schema; escapes are not counted."""
    kind = node.get("type")
    if kind == "object":
        return 2 + sum(len(name) + 4 + longest(child) for name, child in node["properties"].items())
    if kind == "array":
        return 2 + int(node["maxItems"]) * (longest(node["items"]) + 1)
    if kind == "string":
        return 2 + (max(len(each) for each in node["enum"]) if "enum" in node else int(node["maxLength"]))
    return 5 if kind == "boolean" else len(str(node["maximum"]))
