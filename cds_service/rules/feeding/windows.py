"""Which readings may enter one calculation: fresh enough, and close enough to each other (freshness.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib import resources

from msgspec import Struct, convert

from cds_service.record import wording
from cds_service.record.facts import Reading, Record, Refusal


class _Freshness(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of freshness.toml."""

    fresh_hours: dict[str, int]
    fresh_hours_of: dict[str, dict[str, int]]
    window_minutes: dict[str, int]
    words: dict[str, str]


_TABLE = convert(
    tomllib.loads(resources.files("cds_service.rules").joinpath("freshness.toml").read_text("utf-8")), _Freshness
)
_WORDS = frozenset(_TABLE.words.values())


@cache
def limit(calculator: str, concept: str) -> timedelta:
    """How old a value of ``concept`` may be for ``calculator``."""
    own = _TABLE.fresh_hours_of.get(calculator, {})
    return timedelta(hours=own.get(concept) or _TABLE.fresh_hours[concept])


@cache
def window(calculator: str) -> timedelta:
    """How far apart the inputs of ``calculator`` may lie; '' for the common window."""
    return timedelta(minutes=_TABLE.window_minutes.get(calculator, _TABLE.window_minutes["default"]))


def tables() -> tuple[Mapping[str, int], Mapping[str, Mapping[str, int]], Mapping[str, int]]:
    """The limits as data: hours by item, hours by calculator and item, minutes by calculator."""
    return _TABLE.fresh_hours, _TABLE.fresh_hours_of, _TABLE.window_minutes


Series = Mapping[str, Sequence[Reading]]
Usable = Callable[[str, Reading], bool]


def fresh(record: Record, calculator: str, *concepts: str) -> list[Reading]:
    """The dated readings of some concepts young enough for ``calculator``, newest first."""
    found: list[Reading] = []
    for concept in concepts:
        oldest = record.now - limit(calculator, concept)
        for reading in record.readings.get(concept, ()):
            if reading.time is None or reading.time < oldest:
                break
            found.append(reading)
    if len(concepts) > 1:
        found.sort(key=moment, reverse=True)
    return found


def moment(reading: Reading) -> datetime:
    """The time of a dated reading."""
    assert reading.time is not None  # noqa: S101 - fresh() lets no undated reading pass
    return reading.time


def newest_complete(series: Series, span: timedelta, usable: Usable) -> dict[str, Reading] | None:
    """The newest set with one usable reading of every item, all within ``span`` of each other.

    A reading that cannot be used (a bound, an unknown word) hides every older one from its own time on: a set that ends
    after it would print a value that something newer contradicts.
    """
    position = dict.fromkeys(series, 0)
    while True:
        picks: dict[str, Reading] = {}
        for key, readings in series.items():
            if position[key] >= len(readings):
                return None
            picks[key] = readings[position[key]]
        unusable = [moment(reading) for key, reading in picks.items() if not usable(key, reading)]
        earliest = min(moment(reading) for reading in picks.values())
        if not unusable and max(moment(reading) for reading in picks.values()) - earliest <= span:
            return picks
        until = min(unusable) if unusable else earliest + span
        for key, readings in series.items():
            while position[key] < len(readings) and _beyond(moment(readings[position[key]]), until, bool(unusable)):
                position[key] += 1


def _beyond(time: datetime, until: datetime, inclusive: bool) -> bool:
    return time >= until if inclusive else time > until


def newest_partial(series: Series, span: timedelta) -> dict[str, Reading]:
    """The newest reading of each item that lies within ``span`` of the newest reading of all."""
    newest = {key: readings[0] for key, readings in series.items() if readings}
    if not newest:
        return {}
    latest = max(moment(reading) for reading in newest.values())
    return {key: reading for key, reading in newest.items() if latest - moment(reading) <= span}


def lacking(record: Record, calculator: str, key: str, concepts: Sequence[str], picked: Reading | None) -> str:
    """An item that could not be used, in words, with the reason where the record has one."""
    word = key if key in _WORDS else _TABLE.words[concepts[0]]
    if picked is not None:
        return f"{word} (recorded as {written(picked)})"
    if not record.refused and record.readings.keys().isdisjoint(concepts):
        return word
    if fresh(record, calculator, *concepts):
        return f"{word} (too long before the others)"
    oldest = max(limit(calculator, concept) for concept in concepts)
    refused = _refused(record, concepts, record.now - oldest)
    if refused:
        return f"{word} ({refused})"
    known = [reading for concept in concepts for reading in record.readings.get(concept, ())[:1]]
    if known:
        return f"{word} ({f'older than {minutes(oldest)}' if any(r.time for r in known) else 'undated'})"
    return word


_NO_RESULT = frozenset({Refusal.ENTERED_IN_ERROR, Refusal.SUPERSEDED, Refusal.OTHER_PATIENT, Refusal.NOT_FINAL})


def _refused(record: Record, concepts: Sequence[str], since: datetime) -> str:
    """Why a recent result could not be used: 'unknown unit', 'implausible value'; '' where there is none."""
    for reading in record.refused:
        recent = reading.time is None or reading.time >= since
        if reading.concept in concepts and recent and reading.refusal and reading.refusal not in _NO_RESULT:
            return reading.refusal.value
    return ""


def not_recorded(missing: Sequence[str]) -> str:
    """Missing items in words: what was never recorded, then what cannot be used and why."""
    absent = [word for word in missing if "(" not in word]
    other = [word for word in missing if "(" in word]
    parts = [f"not recorded: {', '.join(absent)}"] if absent else []
    return "; ".join([*parts, f"not usable: {', '.join(other)}"] if other else parts)


def written(reading: Reading) -> str:
    """A value or bound in a few words: '<70 %', 'confused'."""
    if reading.value is None:
        return f"“{wording.answer(reading)[:40]}”" if reading.text else "without value"
    printed = reading.display or reading
    return wording.quantity(printed.value or reading.value, printed.unit, reading.comparator)


def minutes(span: timedelta) -> str:
    """A span in the words of the table: '60 min', '12 h', '90 d'."""
    total = int(span.total_seconds()) // 60
    if total <= 60:
        return f"{total} min"
    return f"{total // 60} h" if total <= 2880 else f"{total // 1440} d"
