"""Whether a series rises or falls.

A change counts only when it is larger than what repeated measurement alone explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from cds_service.record.facts import Reading
from cds_service.record.units import table

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
    concept = table().concepts.get(last.concept)
    return Trend(first, last, direction(first.value, last.value, concept.notable if concept is not None else None))


def direction(first: Decimal, last: Decimal, notable: Decimal | None = None) -> str:
    """'rising', 'falling' or 'stable' for two values of one unit.

    At least ``notable`` must lie between them (units.toml), or a tenth of the first where the table names nothing.
    """
    change = last - first
    least = abs(first) * NOTABLE if notable is None else notable
    if change == 0 or abs(change) < least:
        return "stable"
    return "rising" if change > 0 else "falling"
