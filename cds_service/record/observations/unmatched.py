"""Recent measurements that no rule could look at: their code is not known here, or their date is not exact.

Concepts are found by (system, code) alone; a name decides nothing. But a name and a unit that are those of a concept
tell that a local code stands where a known one was due, and then “Potassium 6.9 mmol/L” without an alert beside it
must not read as “judged and found harmless” (fault matrix rows 46 and 55).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.record.coding import DISAGREE, UNSYSTEMATIC, meant
from cds_service.record.facts import Reading, Record
from cds_service.record.units import Conversion, conversion_for
from cds_service.record.words import words

RECENT = timedelta(days=7)  # what is older no rule of the present would look at either
GROUPS = frozenset({"laboratory", "vital-signs"})


def uncoded(record: Record) -> list[Reading]:
    """The newest recent result of each name that is a known concept's by name and unit, and by its code is not."""
    found: dict[str, Reading] = {}
    for reading in _recent(record):
        if reading.label not in found and _looks_known(reading):
            found[reading.label] = reading
    return list(found.values())


def inexact(record: Record) -> list[Reading]:
    """Of each concept that has no dated result, the one whose date says a month or a year."""
    return [series[0] for series in record.readings.values() if series and series[0].time is None]


def _recent(record: Record) -> Iterator[Reading]:
    oldest = record.now - RECENT
    return (r for r in record.others if r.value is not None and r.time is not None and r.time >= oldest)


def _looks_known(reading: Reading) -> bool:
    """Its codes were all but one; or a number in a unit, and of a size, that a concept with this name may have."""
    if DISAGREE in reading.note or UNSYSTEMATIC in reading.note:
        return True
    if words().other_measure.search(reading.label):
        return False
    return any(concept.group in GROUPS and _fits(reading, concept.key) for concept in meant(reading.label))


def _fits(reading: Reading, concept: str) -> bool:
    found = conversion_for(concept, ("", ""), reading.unit, None, None)
    return isinstance(found, Conversion) and reading.value is not None and found.low <= reading.value <= found.high
