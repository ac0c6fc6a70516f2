"""A record as a site that works in SI units prints it; what rules compute with stays as it is.

The one place where the unit system is chosen: ``wording`` prints what is put here, ``grounding`` checks against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from msgspec.structs import force_setattr

from cds_service.record.facts import Display, Reading, Record
from cds_service.record.units import Si, table

System = Literal["conventional", "si"]


def put_into(system: System, record: Record) -> None:
    """Give every reading that is printed in another unit its display. The record is still the builder's alone."""
    if system == "conventional":
        return
    for key, series in record.readings.items():
        _in_si(key, series)
    for reading in record.refused:
        _in_si(reading.concept, (reading,))


def _in_si(concept: str, readings: Iterable[Reading]) -> None:
    found = table().concepts.get(concept)
    if found is None or found.si is None:
        return
    for reading in readings:
        if reading.value is not None and reading.unit == found.unit:
            force_setattr(reading, "display", display(reading, reading.value, found.si))


def display(reading: Reading, value: Decimal, si: Si) -> Display:
    """``value`` of ``reading`` in the SI unit: the source's own number where it is in that unit."""
    written = reading.written_value if reading.written_unit == si.conversion.unit else None
    places = _decimals(written) if written is not None else 0
    return Display(
        value=si.of(value) if written is None else written,
        unit=si.conversion.unit,
        low=None if reading.low is None else si.of(reading.low, places),
        high=None if reading.high is None else si.of(reading.high, places),
        as_written=written is not None,
    )


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
