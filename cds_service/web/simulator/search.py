"""R4 search on the store: which rows match, in which order, and what is included with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from cds_service.web.simulator.compartment import Compartment, Row
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.search_parameters import Interval, Parameter, interval, parameters, reference_target
from cds_service.web.simulator.store import Store

MAX_COUNT = 1000
DEFAULT_COUNT = 50
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)\Z")
_RESULT = {"_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_format", "_pretty"}

Test = Callable[[Row], bool]


class Found(Struct, frozen=True):
    """The answer to one search, before it is cut into pages."""

    rows: Sequence[Row]
    honoured: list[tuple[str, str]]  # the parameters that took part: the self link
    count: int  # page size
    includes: tuple[tuple[str, str], ...] = ()
    elements: frozenset[str] = frozenset()
    counted_only: bool = False
    with_total: bool = True


class _Filter(NamedTuple):
    """One search parameter as sent. ``tokens`` (any of them) where the postings can answer it, else ``test``."""

    tokens: tuple[str, ...]
    test: Test | None


def search(store: Store, resource_type: str, query: Sequence[tuple[str, str]], *, strict: bool = False) -> Found:
    """Search one type. Unknown parameters are passed over unless ``strict`` (Prefer: handling=strict)."""
    known = parameters()[resource_type]
    filters: list[_Filter] = []
    honoured: list[tuple[str, str]] = []
    patient = ""
    for name, value in query:
        if name in _RESULT or not value:
            continue
        base, _, modifier = name.partition(":")
        if base not in known and base not in {"_id", "_lastUpdated"}:
            _refuse_unknown(name, strict)
            continue
        filters.append(_filter(known.get(base), base, modifier, value))
        honoured.append((name, value))
        if base in {"patient", "subject"} and "," not in value:
            patient = _patient_id(value)
    compartment = store.compartment(resource_type, patient)
    order = ",".join(value for name, value in query if name == "_sort")
    rows = _matching(compartment, order, ordered(compartment, order, known), filters)
    return _found(rows, query, honoured)


def _found(rows: Sequence[Row], query: Sequence[tuple[str, str]], honoured: list[tuple[str, str]]) -> Found:
    last = dict(query)
    honoured += [(name, value) for name, value in query if name in _RESULT and value]
    count = _count(last.get("_count", ""))
    includes = tuple((name, value) for name, value in query if name in {"_include", "_revinclude"} and value)
    return Found(
        rows=rows,
        honoured=honoured,
        count=count,
        includes=includes,
        elements=frozenset(name for name in last.get("_elements", "").split(",") if name),
        counted_only=last.get("_summary") == "count" or count == 0,
        with_total=last.get("_total") != "none",
    )


def _refuse_unknown(name: str, strict: bool) -> None:
    """A chained parameter passed over would answer with everybody: it is refused, like everything unknown if strict."""
    if strict or "." in name or name.startswith("_has") or name in {"_filter", "_query", "_text", "_content"}:
        raise FhirError(400, "not-supported", f"the search parameter {name!r} is not supported here")


def _count(text: str) -> int:
    if not text:
        return DEFAULT_COUNT
    if not text.isdecimal():
        raise FhirError(400, "value", "_count takes a whole number")
    return min(int(text), MAX_COUNT)


def _patient_id(value: str) -> str:
    target = reference_target(value)
    if target:
        return target.removeprefix("Patient/") if target.startswith("Patient/") else ""
    return value


def _filter(parameter: Parameter | None, name: str, modifier: str, value: str) -> _Filter:
    kind = parameter.kind if parameter else {"_id": "id", "_lastUpdated": "updated"}[name]
    if modifier and (kind, modifier) not in {("token", "not"), ("reference", "Patient"), ("string", "exact")}:
        raise FhirError(400, "not-supported", f"the modifier :{modifier} of {name!r} is not supported here")
    values = [part for part in value.split(",") if part]
    if kind == "token":
        tokens = frozenset(f"{name} {part}" for part in values)
        if modifier == "not":
            return _Filter((), lambda row: tokens.isdisjoint(row.index.tokens))
        return _Filter(tuple(tokens), None)
    if kind == "reference":
        return _Filter(tuple({f"{name} {reference_target(part) or part}" for part in values}), None)
    if kind == "id":
        ids = frozenset(values)
        return _Filter((), lambda row: row.id in ids)
    if kind == "string":
        wanted = tuple(part.casefold() for part in values)
        return _Filter((), lambda row: any(n == name and text.startswith(wanted) for n, text in row.index.strings))
    return _Filter((), _date_test(name, values, kind == "updated"))


def _date_test(name: str, values: Iterable[str], updated: bool) -> Test:
    wanted = [_date_value(name, value) for value in values]

    def test(row: Row) -> bool:
        if updated:
            low = row.updated.timestamp()
            return any(_compare(prefix, (low, low + 0.001), span) for prefix, span in wanted)
        return any(
            _compare(prefix, (low, high), span)
            for date_name, low, high in row.index.dates
            if date_name == name
            for prefix, span in wanted
        )

    return test


def _date_value(name: str, value: str) -> tuple[str, Interval]:
    found = _PREFIX.match(value)
    span = interval(found[2].replace(" ", "+")) if found else None  # an unescaped '+' of a zone arrives as a space
    if found is None or span is None:
        raise FhirError(400, "value", f"{name!r} takes a date such as ge2026-01-31, not {value!r}")
    return found[1] or "eq", span


def _compare(prefix: str, resource: Interval, value: Interval) -> bool:
    """The comparison of two stretches of time by prefix (R4 search §prefix)."""
    low, high = resource
    within = low >= value[0] and high <= value[1]
    answers: dict[str, bool] = {
        "eq": within,
        "ne": not within,
        "gt": high > value[1],
        "lt": low < value[0],
        "ge": high > value[0],
        "le": low < value[1],
        "sa": low >= value[1],
        "eb": high <= value[0],
        "ap": low < value[1] and high > value[0],
    }
    return answers[prefix]


def _matching(compartment: Compartment, order: str, rows: list[Row], filters: list[_Filter]) -> Sequence[Row]:
    postings = compartment.postings(order, rows) if filters else {}
    single = [postings.get(f.tokens[0], []) for f in filters if len(f.tokens) == 1]
    shortest = min(single, key=len, default=rows)
    for found in filters:
        if len(found.tokens) > 1:
            tokens = frozenset(found.tokens)
            shortest = [row for row in shortest if not tokens.isdisjoint(row.index.tokens)]
        elif found.tokens and postings.get(found.tokens[0]) is not shortest:
            token = found.tokens[0]
            shortest = [row for row in shortest if token in row.index.tokens]
        elif found.test:
            shortest = list(filter(found.test, shortest))
    return shortest


def ordered(compartment: Compartment, order: str, known: Iterable[str]) -> list[Row]:
    """The rows of a compartment by a ``_sort`` value such as ``-date,_id``; rows without the date stand last."""
    if order not in compartment.orders:
        rows = list(compartment.rows.values())
        for part in reversed([part for part in order.split(",") if part]):
            name = part.removeprefix("-")
            if name not in {*known, "_id", "_lastUpdated"}:
                raise FhirError(400, "not-supported", f"cannot sort by {name!r}")
            rows = _sorted(rows, name, descending=part.startswith("-"))
        compartment.orders[order] = rows
    return compartment.orders[order]


def _sorted(rows: list[Row], name: str, *, descending: bool) -> list[Row]:
    keyed: list[tuple[float | str, Row]] = []
    without: list[Row] = []
    for row in rows:
        key = _sort_key(row, name)
        if key is None:
            without.append(row)
        else:
            keyed.append((key, row))
    keyed.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in keyed] + without


def _sort_key(row: Row, name: str) -> float | str | None:
    if name == "_id":
        return row.id
    if name == "_lastUpdated":
        return row.updated.timestamp()
    for date_name, low, _ in row.index.dates:
        if date_name == name:
            return low
    for string_name, text in row.index.strings:
        if string_name == name:
            return text
    prefix = name + " "
    return min((token for token in row.index.tokens if token.startswith(prefix)), default=None)


def included(store: Store, rows: Sequence[Row], includes: Sequence[tuple[str, str]]) -> list[Row]:
    """What ``_include`` (forward) and ``_revinclude`` (backward) add to a page of matches, each row once."""
    seen = {(row.type, row.id) for row in rows}
    added: list[Row] = []
    for direction, value in includes:
        source, _, rest = value.partition(":")
        name, _, target = rest.partition(":")
        for row in rows:
            for other in _linked(store, row, direction, source, name, target):
                if not other.deleted and (other.type, other.id) not in seen:
                    seen.add((other.type, other.id))
                    added.append(other)
    return added


def _linked(store: Store, row: Row, direction: str, source: str, name: str, target: str) -> Iterable[Row]:
    if direction == "_include":
        if row.type == source or source == "*":
            for parameter, address in row.index.references:
                resource_type, resource_id = address.split("/")
                if parameter == name or (source == "*" or name == "*"):
                    found = store.get(resource_type, resource_id)
                    if found and target in {"", resource_type}:
                        yield found
    elif source in parameters():
        compartment = store.compartment(source)
        rows = ordered(compartment, "", parameters()[source])
        yield from compartment.postings("", rows).get(f"{name} {row.type}/{row.id}", ())
