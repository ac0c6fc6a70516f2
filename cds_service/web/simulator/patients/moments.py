"""Times of a chart, written relative to the start clock: ``-2h30min``, ``-8y``, ``+15w``."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

_WRITTEN = re.compile(r"([+-])((?:\d+(?:y|mo|w|d|h|min))+)\Z")
_PART = re.compile(r"(\d+)(y|mo|w|d|h|min)")
_HOURS = {"y": 365.25 * 24, "mo": 30.4375 * 24, "w": 168, "d": 24, "h": 1, "min": 1 / 60}
_IN_TEXT = re.compile(r"@(day )?([+-](?:\d+(?:y|mo|w|d|h|min))+)")


class Clock:
    """The start clock of the demo (aware; to the minute)."""

    def __init__(self, now: datetime) -> None:
        self.now = now.replace(second=0, microsecond=0)

    def moment(self, written: str) -> datetime:
        """The moment a relative time means."""
        found = _WRITTEN.match(written)
        if found is None:
            raise ValueError(f"{written!r} is no relative time such as -2h30min")
        hours = sum(int(count) * _HOURS[unit] for count, unit in _PART.findall(found[2]))
        moment = self.now + (-1 if found[1] == "-" else 1) * timedelta(hours=hours)
        return moment.replace(second=0, microsecond=0)

    def at(self, written: str) -> str:
        """FHIR dateTime of a relative time."""
        return self.moment(written).isoformat()

    def day(self, written: str) -> str:
        """FHIR date of a relative time."""
        return self.moment(written).date().isoformat()

    def birth_date(self, age: str) -> date:
        """The birth date of somebody who is ``71y`` or ``14mo`` old, some way into that year or month."""
        into = timedelta(days=137 if age.endswith("y") else 9)
        return (self.moment(f"-{age}") - into).date()

    def resolve(self, value: Any) -> Any:
        """A raw resource with every ``@-2h`` (dateTime) and ``@day -8y`` (date) replaced."""
        if isinstance(value, str):
            return _IN_TEXT.sub(lambda found: (self.day if found[1] else self.at)(found[2]), value)
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, dict):
            return {name: self.resolve(item) for name, item in value.items()}
        return value
