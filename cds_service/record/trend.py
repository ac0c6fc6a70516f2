"""Whether a series rises or falls.

A change counts only when it is larger than what repeated measurement alone explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from cds_service.record.facts import Reading
from cds_service.record.units import Concept, table

NOTABLE = Decimal("0.10")  # share of the first value below which two results count as the same


class Trend(Struct, frozen=True):
    """First and last exact reading of a window and the direction between them: rising, falling, stable, '' with fewer than two."""

    first: Reading | None
    last: Reading | None
    direction: str


NONE = Trend(None, None, "")


def trend(series: Sequence[Reading], within: timedelta | None = None) -> Trend:
    """The trend of a concept's readings (newest first). Bounds, texts, refused and undated readings take no part.

    ``within`` limits the window to the time before the newest reading.
    """
    first = last = None
    oldest: datetime | None = None
    for reading in series:
        time = reading.time
        if time is None or reading.value is None or reading.comparator or reading.refusal is not None:
            continue
        if last is None:
            last = reading
            oldest = None if within is None else time - within
        elif oldest is not None and time < oldest:
            break
        first = reading
    if first is None or last is None:
        return NONE
    if first.time == last.time or first.value is None or last.value is None:
        return Trend(first, last, "")
    return Trend(first, last, direction(first.value, last.value, table().concepts.get(last.concept)))


def direction(first: Decimal, last: Decimal, concept: Concept | None) -> str:
    """'rising', 'falling' or 'stable' for two values of one unit: by what units.toml calls notable."""
    change = last - first
    if concept is None or concept.notable is None:
        least = abs(first) * (NOTABLE if concept is None else concept.notable_share)
    else:
        least = concept.notable
    if change == 0 or abs(change) < least:
        return "stable"
    return "rising" if change > 0 else "falling"
