"""Required bindings and reference types of what we write: the R4 rules that fhir.resources lets pass.

Statuses are narrower than R4's own value sets: what this service may never say is not in the table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from fhir_adapters.write.elements import Json, Nonsense


@cache
def _rules() -> dict[str, dict[str, list[str]]]:
    rules: dict[str, dict[str, list[str]]] = tomllib.loads(
        files(__package__).joinpath("checks.toml").read_text("utf-8")
    )
    return rules


def check(resource: Json) -> None:
    """``Nonsense`` naming the element when a code is not allowed there or a reference leads to another type."""
    kind = resource.get("resourceType", "")
    rules = _rules().get(kind)
    if rules is None:
        raise Nonsense(f"resourceType: {kind or 'none'} is not written by this service")
    for path, allowed in rules.items():
        found = list(_values(resource, path.rstrip("!").split(".")))
        if path.endswith("!") and not found:
            raise Nonsense(f"{kind}.{path.rstrip('!')} is missing")
        for value in found:
            if not _allowed(value, allowed):
                raise Nonsense(f"{kind}.{path.rstrip('!')}: not one of {', '.join(allowed)}")


def _allowed(value: Any, allowed: list[str]) -> bool:
    if not isinstance(value, dict):
        return value in allowed
    target = value.get("reference", "")
    return not target or target.startswith("urn:uuid:") or target.partition("/")[0] in allowed


def _values(node: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(node, list):
        for each in node:
            yield from _values(each, path)
    elif not path:
        yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from _values(node[path[0]], path[1:])
