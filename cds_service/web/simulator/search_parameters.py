"""What of a resource can be searched for: the table of search_parameters.toml, applied to one decoded resource."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from math import inf
from typing import Any

from msgspec import Struct

Interval = tuple[float, float]  # seconds since 1970, from inclusive, to exclusive
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_PRECISION = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d"}


class Parameter(Struct, frozen=True):
    """One search parameter of one type. ``kind`` is token, reference, date or string."""

    name: str
    kind: str
    paths: tuple[tuple[str, ...], ...]


class Index(Struct, frozen=True, gc=False):
    """The searchable part of one resource. Tokens are written ``parameter system|code`` and its shorter spellings."""

    patients: tuple[str, ...]
    tokens: frozenset[str]
    dates: tuple[tuple[str, float, float], ...]
    strings: tuple[tuple[str, str], ...]
    references: tuple[tuple[str, str], ...]


@cache
def parameters() -> Mapping[str, Mapping[str, Parameter]]:
    """Type → name → parameter, for every resource type this server keeps."""
    table = tomllib.loads(files(__package__).joinpath("search_parameters.toml").read_text(encoding="utf-8"))
    return {kind: _of_type(rows) for kind, rows in table.items()}


def _of_type(rows: Mapping[str, str]) -> dict[str, Parameter]:
    found = {}
    for name, text in rows.items():
        kind, *paths = text.split()
        found[name] = Parameter(name, kind, tuple(tuple(path.split(".")) for path in paths))
    found["_tag"] = Parameter("_tag", "token", (("meta", "tag"),))
    patient = found.get("patient")
    if patient is not None and patient.paths == (("subject",),):
        found["subject"] = Parameter("subject", "reference", patient.paths)
    return found


def index(resource: Mapping[str, Any]) -> Index:
    """Read every search parameter of the resource's type. Odd values are passed over: a search does not find them."""
    tokens: list[str] = []
    dates: list[tuple[str, float, float]] = []
    strings: list[tuple[str, str]] = []
    references: list[tuple[str, str]] = []
    for parameter in parameters()[resource["resourceType"]].values():
        for value in _values(resource, parameter.paths):
            if parameter.kind == "token":
                for system, code in _codes(value):
                    tokens += spellings(parameter.name, system, code)
            elif parameter.kind == "reference":
                if target := reference(value):
                    references.append((parameter.name, target))
                    tokens += _reference_spellings(parameter.name, target)
            elif parameter.kind == "date":
                if span := _span(value):
                    dates.append((parameter.name, *span))
            elif isinstance(value, str):
                strings.append((parameter.name, value.casefold()))
    patients = {target[8:] for _, target in references if target.startswith("Patient/")}
    return Index(
        patients=_shared(tuple(sorted(patients))),
        tokens=_shared(frozenset(tokens)),
        dates=tuple(dates),
        strings=tuple(strings),
        references=_shared(tuple(references)),
    )


@lru_cache(maxsize=4096)
def _shared(value: Any) -> Any:
    """One copy of equal values: twenty thousand observations of one patient share a few dozen token sets."""
    return value


def _values(resource: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
    for first, *deeper in paths:
        value = resource.get(first)
        if value is None:
            continue
        nodes = value if isinstance(value, list) else [value]
        for part in deeper:
            nodes = _members(nodes, part)
        yield from nodes


def _members(nodes: list[Any], name: str) -> list[Any]:
    found: list[Any] = []
    for node in nodes:
        value = node.get(name) if isinstance(node, dict) else None
        if isinstance(value, list):
            found += value
        elif value is not None:
            found.append(value)
    return found


def _codes(value: Any) -> Iterator[tuple[str, str]]:
    """(system, code) of a code, boolean, Coding, CodeableConcept or Identifier."""
    if isinstance(value, str):
        yield "", value
    elif isinstance(value, bool):
        yield "", str(value).lower()
    elif isinstance(value, dict):
        codings = value.get("coding")
        for coding in codings if isinstance(codings, list) else [value]:
            if isinstance(coding, dict):
                code = coding.get("code") or coding.get("value")
                system = coding.get("system")
                if isinstance(code, str):
                    yield system if isinstance(system, str) else "", code


@lru_cache(maxsize=4096)
def spellings(name: str, system: str, code: str) -> tuple[str, ...]:
    """The token strings under which a coded value is found: code, system|code, system| (R4 search §token)."""
    return f"{name} {code}", f"{name} {system}|{code}", f"{name} {system}|"


@lru_cache(maxsize=4096)
def _reference_spellings(name: str, target: str) -> tuple[str, ...]:
    return f"{name} {target}", f"{name} {target.split('/')[1]}"


def reference(value: Any) -> str:
    """``Type/id`` of a Reference, from its relative, absolute or versioned spelling; '' where it names none."""
    text = value.get("reference") if isinstance(value, dict) else None
    return reference_target(text) if isinstance(text, str) else ""


@lru_cache(maxsize=4096)
def reference_target(text: str) -> str:
    """``Type/id`` of a reference's text, '' where there is none (contained, urn, conditional)."""
    found = _REFERENCE.search(text)
    return found[1] if found else ""


def _span(value: Any) -> Interval | None:
    if isinstance(value, str):
        return interval(value)
    if isinstance(value, dict):
        start, end = value.get("start"), value.get("end")
        low = interval(start) if isinstance(start, str) else None
        high = interval(end) if isinstance(end, str) else None
        if low or high:
            return (low[0] if low else -inf, high[1] if high else inf)
    return None


def interval(text: str) -> Interval | None:
    """The stretch of time a FHIR date or dateTime covers; None for what is no date. Without a zone it is UTC."""
    try:
        if layout := _PRECISION.get(len(text)):
            low = datetime.strptime(text, layout).replace(tzinfo=UTC)
            return low.timestamp(), _next(low, len(text)).timestamp()
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        low_s = moment.timestamp()
    except (ValueError, OverflowError):
        return None
    to_the_minute = text[16:17] != ":"
    return low_s, low_s + (60 if to_the_minute else 0.001 if "." in text else 1)


def _next(low: datetime, precision: int) -> datetime:
    if precision == 10:
        return low + timedelta(days=1)
    months = 1 if precision == 7 else 12
    return low.replace(year=low.year + (low.month - 1 + months) // 12, month=(low.month - 1 + months) % 12 + 1)
