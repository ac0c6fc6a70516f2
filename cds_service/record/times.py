"""FHIR dateTime, instant and date as the record writes them → a moment, or the reason why there is none.

Precision decides what a time is good for: a second or a day dates a fact (a day stands at its first moment in the
site's
zone); a month or a year is kept as text and is never “latest”. A time without zone is read in the site's zone, and
noted.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from cds_service.record.facts import Refusal
from cds_service.record.text import clean

SKEW = timedelta(minutes=5)  # clocks of two machines may differ by this much
EARLIEST = datetime(1900, 1, 2, tzinfo=UTC)  # systems write 1900-01-01 for a day they do not know
NO_ZONE = "time written without zone"


class Moment(Struct, frozen=True, gc=False):
    """A time of the record. ``time`` is in UTC, None where the text gives no day; ``text`` is as written, bounded."""

    time: datetime | None
    text: str
    precision: str = ""  # second, day, month, year, '' where there is none
    note: str = ""


NEVER = Moment(None, "")


def parse(text: str | None, zone: tzinfo) -> Moment:
    """A moment from a FHIR date, dateTime or instant.

    Lenient towards a missing zone, missing seconds, a blank for T and a leap second; never towards the order of day
    and month.
    """
    if not text:
        return NEVER
    return _parse(text, zone) if len(text) <= 40 else Moment(None, clean(text, 40))


@lru_cache(maxsize=4096)
def _parse(text: str, zone: tzinfo) -> Moment:
    text = clean(text, 40)
    if len(text) <= 10:
        return _partial(text, zone)
    found = _full(text) if text[4] == "-" and text[10] in "T " else None
    if found is None:
        return Moment(None, text)
    note = ""
    if found.tzinfo is None:
        found, note = found.replace(tzinfo=zone), NO_ZONE
    return Moment(_utc(found), text, "second", note)


def _utc(found: datetime) -> datetime | None:
    try:
        return found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _full(text: str) -> datetime | None:
    """R4 allows a leap second (:60); the second before stands for it."""
    if text[16:19] == ":60":
        text = text[:17] + "59" + text[19:]
    try:
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def _partial(text: str, zone: tzinfo) -> Moment:
    try:
        if len(text) == 10 and text.isascii() and text[7] == "-":
            return Moment(_utc(datetime.combine(date.fromisoformat(text), time(), zone)), text, "day")
        if len(text) == 7 and text[4] == "-" and 1 <= int(text[5:]) <= 12 and text[:4].isdecimal():
            return Moment(None, text, "month")
    except (ValueError, OverflowError):
        return Moment(None, text)
    return Moment(None, text, "year") if len(text) == 4 and text.isdecimal() else Moment(None, text)


def judge(moment: Moment, now: datetime, zone: tzinfo) -> Refusal | None:
    """Whether a measurement may stand at this moment (fault matrix rows 45 and 46)."""
    if moment.time is None:
        return _judge_text(moment, now)
    if moment.time < EARLIEST:
        return Refusal.IMPLAUSIBLE_TIME
    if moment.precision == "day":
        return Refusal.FUTURE if moment.text > (now + SKEW).astimezone(zone).date().isoformat() else None
    return Refusal.FUTURE if moment.time > now + SKEW else None


def _judge_text(moment: Moment, now: datetime) -> Refusal | None:
    if not moment.precision:
        return Refusal.NO_TIME
    if moment.text <= "1900-01":
        return Refusal.IMPLAUSIBLE_TIME
    return Refusal.FUTURE if moment.text > now.isoformat()[: len(moment.text)] else None
