"""Critical limits of laboratory values (critical_values.toml), resolved by population. Exact decimal comparison."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from cds_service.record.facts import Reading
from cds_service.record.units import table as units
from cds_service.rules.catalogue import Source

POPULATIONS = ("newborn", "child", "kidney-failure")


class Si(Struct, frozen=True, forbid_unknown_fields=True):
    """The source's limits in the other unit system."""

    unit: str
    low: Decimal | None = None
    high: Decimal | None = None


class Override(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members of a row another population has otherwise; false takes a limit away."""

    source: str
    low: Decimal | Literal[False] | None = None
    high: Decimal | Literal[False] | None = None
    si: Si | None = None
    note: str = ""


class Row(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of critical_values.toml."""

    concept: str
    unit: str
    hours: int
    source: str
    low: Decimal | Literal[False] | None = None
    high: Decimal | Literal[False] | None = None
    si: Si | None = None
    note: str = ""
    newborn: Override | None = None
    child: Override | None = None
    kidney_failure: Override | None = field(default=None, name="kidney-failure")


class Limit(Struct, frozen=True):
    """What holds for one concept and population."""

    concept: str
    unit: str
    low: Decimal | None
    high: Decimal | None
    si: Si | None
    fresh: timedelta
    source: Source
    note: str
    population: str  # '', or the override in force

    def beyond(self, reading: Reading) -> str:
        """'low' or 'high' where the reading is at or beyond a limit, else ''.

        A bound counts where it proves it: “>6.0” at a high limit of 6.0 does, “>5.0” proves nothing.
        """
        value, low, high, _ = self._compared(reading)
        if value is None or reading.refusal is not None:
            return ""
        if high is not None and value >= high and reading.comparator not in ("<", "<="):
            return "high"
        if low is not None and value <= low and reading.comparator not in (">", ">="):
            return "low"
        return ""

    def _compared(self, reading: Reading) -> tuple[Decimal | None, Decimal | None, Decimal | None, str]:
        """Value, limits and unit: the source's own where the result was written in the other unit system."""
        if self.si is not None and reading.written_value is not None and reading.written_unit == self.si.unit:
            return reading.written_value, self.si.low, self.si.high, self.si.unit
        return reading.value, self.low, self.high, self.unit

    def edge(self, reading: Reading) -> tuple[Decimal, str]:
        """The limit a critical reading is beyond, and its unit."""
        value, low, high, unit = self._compared(reading)
        edge = high if self.beyond(reading) == "high" else low
        return (edge if edge is not None else value or Decimal(0)), unit

    def excess(self, reading: Reading) -> float:
        """How far beyond its limit, as a share of the limit; orders worse values of one concept."""
        limit = self.high if self.beyond(reading) == "high" else self.low
        if reading.value is None or not limit:
            return 0.0
        return abs(float((reading.value - limit) / limit))


class CriticalTable:
    """The limits of every population, resolved once at start."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        unknown = set(table) - {"sources", "value"}
        if unknown:
            raise ValueError(f"unknown tables {sorted(unknown)}")
        self.sources = msgspec.convert(table["sources"], dict[str, Source], strict=True)
        rows = [_row(written) for written in table["value"]]
        if not rows:
            raise ValueError("no critical value at all")
        self.limits: dict[str, tuple[Limit, ...]] = {
            population: tuple(limit for row in rows if (limit := self._resolve(row, population)) is not None)
            for population in ("", *POPULATIONS)
        }
        self.by_concept = {
            population: {limit.concept: limit for limit in limits} for population, limits in self.limits.items()
        }
        concepts = [row.concept for row in rows]
        twice = {concept for concept in concepts if concepts.count(concept) > 1}
        if twice:
            raise ValueError(f"more than one row for {', '.join(sorted(twice))}")

    def _resolve(self, row: Row, population: str) -> Limit | None:
        override = {"newborn": row.newborn, "child": row.child, "kidney-failure": row.kidney_failure}.get(population)
        low, high, si = row.low, row.high, row.si
        name, note = row.source, row.note
        if override is not None:
            low = override.low if override.low is not None else low
            high = override.high if override.high is not None else high
            si = override.si  # limits of another population may not be mixed
            name, note = override.source, override.note
        if name not in self.sources:
            raise ValueError(f"critical value {row.concept}: unknown source {name!r}")
        if row.hours <= 0:
            raise ValueError(f"critical value {row.concept}: hours must be positive")
        low, high = low or None, high or None
        if low is not None and high is not None and low >= high:
            raise ValueError(f"critical value {row.concept}: low limit {low} is not below high limit {high}")
        if low is None and high is None:
            return None
        return Limit(
            row.concept,
            row.unit,
            low,
            high,
            si,
            timedelta(hours=row.hours),
            self.sources[name],
            note,
            population if override else "",
        )


def _row(written: Mapping[str, Any]) -> Row:
    """A row whose limits are in the unit its readings are compared in; ValueError names the concept and the fault."""
    name = written.get("concept", "without concept")
    concept = units().concepts.get(name)
    if concept is None:
        raise ValueError(f"critical value {name}: no such concept in record/units.toml")
    try:
        row = msgspec.convert(written, Row, strict=True)
    except msgspec.ValidationError as fault:
        raise ValueError(f"critical value {name}: {fault}") from fault
    if row.unit != concept.unit:
        raise ValueError(
            f"critical value {name}: its limits are in {concept.unit or 'no unit'}, not {row.unit!r};"
            " those of another unit go under `si`"
        )
    for si in (row.si, *(override.si for override in (row.newborn, row.child, row.kidney_failure) if override)):
        if si is not None and not any(known.unit == si.unit for known in concept.conversions.values()):
            raise ValueError(f"critical value {name}: {si.unit!r} is no unit of it")
    return row
