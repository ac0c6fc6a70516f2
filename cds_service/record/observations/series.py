"""Puts the readings of one concept in order, newest first, and lets one result stand for each measurement.

Fault matrix row 49: a corrected result replaces what it corrects, a copy is shown once, two different results of the
same
moment both stand and say so. What was replaced is kept among the refused, so that nothing disappears silently.
"""

from __future__ import annotations

from itertools import groupby, islice
from operator import attrgetter, eq
from typing import TypeVar

import msgspec

from cds_service.record.facts import Fact, Reading, Refusal

F = TypeVar("F", bound=Fact)
RANK = {"preliminary": 1, "final": 2, "amended": 3, "corrected": 3}
_BY_TIME = attrgetter("time")


def newest_first(facts: list[F]) -> list[F]:
    """Dated facts newest first, undated ones last; ties by reference, so that the order of arrival does not matter."""
    return facts if len(facts) < 2 else _ordered(facts)[0]


def _ordered(facts: list[F]) -> tuple[list[F], bool]:
    """The facts in order, and whether two of them are of one moment."""
    try:
        facts.sort(key=_BY_TIME, reverse=True)
    except TypeError:  # an undated one is among them
        dated = [f for f in facts if f.time is not None]
        undated = sorted((f for f in facts if f.time is None), key=lambda f: (f.time_text, *_tie(f)), reverse=True)
        ordered, tied = _ordered(dated)
        return ordered + undated, tied or len(undated) > 1
    times = list(map(_BY_TIME, facts))
    tied = any(map(eq, times, islice(times, 1, None)))
    return (_untie(facts) if tied else facts), tied


def _untie(facts: list[F]) -> list[F]:
    return [fact for _, group in groupby(facts, key=_BY_TIME) for fact in sorted(group, key=_tie)]


def _tie(fact: Fact) -> tuple[str, ...]:
    value = (str(fact.value), fact.comparator, fact.text) if isinstance(fact, Reading) else ()
    return (fact.reference, fact.label, fact.status, fact.note, *value)


def settle(readings: list[Reading], refused: list[Reading]) -> list[Reading]:
    """One concept's readings in order; superseded and repeated ones moved to ``refused``."""
    ordered, tied = _ordered(readings)
    return _settle_ties(ordered, refused) if tied else ordered


def _settle_ties(ordered: list[Reading], refused: list[Reading]) -> list[Reading]:
    kept: list[Reading] = []
    start = 0
    while start < len(ordered):
        end = start + 1
        while end < len(ordered) and _same_moment(ordered[start], ordered[end]):
            end += 1
        group = ordered[start:end]
        kept += group if len(group) == 1 else one_each(group, refused)
        start = end
    return kept


def _same_moment(one: Reading, other: Reading) -> bool:
    return one.time == other.time if one.time is not None else one.time_text == other.time_text and other.time is None


def one_each(group: list[Reading], refused: list[Reading]) -> list[Reading]:
    """Of results of one measurement or moment: the highest status wins, copies go, differing equals stay and say so."""
    best = max(RANK.get(r.status, 0) for r in group)
    kept: list[Reading] = []
    for reading in sorted(group, key=lambda r: (-RANK.get(r.status, 0), r.reference)):
        twin = next((k for k in kept if _same_value(k, reading)), None)
        if RANK.get(reading.status, 0) < best:
            refused.append(replaced(reading, f"replaced by a {kept[0].status} result ({kept[0].reference})"))
        elif twin is not None:
            refused.append(replaced(reading, f"the same result as {twin.reference}"))
        else:
            kept.append(reading)
    if len(kept) > 1:
        kept = [_differs(r, next(k for k in kept if k is not r)) for r in kept]
    return kept


def _same_value(one: Reading, other: Reading) -> bool:
    return (one.value, one.comparator, one.text, one.label) == (other.value, other.comparator, other.text, other.label)


def replaced(reading: Reading, why: str) -> Reading:
    """The same reading, refused."""
    return msgspec.structs.replace(reading, refusal=Refusal.SUPERSEDED, note=_and(reading.note, why))


def _differs(reading: Reading, other: Reading) -> Reading:
    return msgspec.structs.replace(
        reading, note=_and(reading.note, f"another result at the same time: {other.reference}")
    )


def _and(one: str, other: str) -> str:
    return f"{one}; {other}" if one else other
