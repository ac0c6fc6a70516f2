"""Measured values of a chart as Observations."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct, field

from cds_service.web.simulator.patients.concepts import concept, hl7, quantity

_NUMBER = re.compile(r"(<=|>=|<|>)?\s*(-?\d+(?:\.\d+)?)(?:\s+(HH|H|LL|L|AA|A|N))?\Z")
_PRESSURE = re.compile(r"(\d+)/(\d+)\Z")


class Measurement(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of measurements.toml."""

    loinc: str
    text: str
    unit: str = ""
    range: tuple[Decimal, Decimal] | None = None
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    day: bool = False


@cache
def measurements() -> Mapping[str, tuple[str, Measurement]]:
    """Name → (category, measurement)."""
    import msgspec

    text = files(__package__).joinpath("measurements.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text, parse_float=Decimal)
    rows = msgspec.convert(table, dict[str, dict[str, Measurement]])
    return {name: (category, row) for category, named in rows.items() for name, row in named.items()}


def observation(name: str, written: Any, ranges: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Any]]:
    """The members of the Observation that says ``written`` of a measurement.

    ``6.4``, ``"6.4 HH"``, ``"<0.2"``, ``"92/54"`` (blood pressure), an answer (``"C"``), words, or a table with
    ``value`` and more members of the resource.
    """
    category, row = measurements()[name]
    extra: dict[str, Any] = {}
    if isinstance(written, dict):
        extra = {key: value for key, value in written.items() if key != "value"}
        written = written.get("value")
    yield "status", extra.pop("status", "final")
    yield "category", [hl7("observation-category", category)]
    yield "code", concept(row.text, [f"loinc {row.loinc}"])
    if written is not None:
        yield from _value(row, written, ranges.get(name, row.range))
    yield from extra.items()


def _value(row: Measurement, written: Any, limits: Sequence[Any] | None) -> Iterator[tuple[str, Any]]:
    text = str(written)
    if row.answers:
        answer = row.answers[text]
        yield "valueCodeableConcept", concept(answer["text"], [f"snomed {answer['snomed']}"])
    elif row.day:
        yield "valueDateTime", text
    elif found := _PRESSURE.match(text):
        yield "component", [_pressure("systolic_bp", found[1]), _pressure("diastolic_bp", found[2])]
    elif row.unit and (found := _NUMBER.match(text)):
        number = Decimal(found[2])
        yield "valueQuantity", quantity(number, row.unit, found[1] or "")
        if limits:
            flag = found[3] or _flag(number, limits)
            yield "interpretation", [hl7("v3-ObservationInterpretation", flag)]
            low, high = (quantity(limit, row.unit) for limit in limits)
            yield "referenceRange", [{**({"low": low} if limits[0] else {}), "high": high}]
    else:
        yield "valueString", text


def _pressure(name: str, number: str) -> dict[str, Any]:
    row = measurements()[name][1]
    return {"code": concept(row.text, [f"loinc {row.loinc}"]), "valueQuantity": quantity(Decimal(number), row.unit)}


def _flag(number: Decimal, limits: Sequence[Any]) -> str:
    return "L" if number < limits[0] else "H" if number > limits[1] else "N"
