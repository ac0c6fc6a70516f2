"""Critical values: beyond a limit of the table, or flagged critical by the laboratory itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.record import wording
from cds_service.record.facts import Reading, Refusal
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.critical import Limit
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.situation import Situation

FLAGS = frozenset(("HH", "LL", "AA"))  # v3-ObservationInterpretation: critical high, critical low, critical abnormal
SAID = (Refusal.UNKNOWN_UNIT, Refusal.IMPLAUSIBLE, Refusal.NO_VALUE)  # a flag still speaks where the value cannot


class CriticalGiven(Given, frozen=True):
    """``old_hours``: how long after its window a critical value not measured again is still mentioned, as old."""

    old_hours: int


class FlagGiven(Given, frozen=True):
    """``hours``: how old a flagged result may be."""

    hours: int


def limits(situation: Situation) -> Sequence[Limit]:
    """The limits of this patient's population; adult ones where the age is not known."""
    return situation.tables.critical.limits[_population(situation)]


def limit_of(situation: Situation, concept: str) -> Limit | None:
    """The limit of this patient's population for one concept."""
    return situation.tables.critical.by_concept[_population(situation)].get(concept)


def _population(situation: Situation) -> str:
    if situation.newborn:
        return "newborn"
    if situation.dialysis.maintenance or situation.problems("kidney-failure"):
        return "kidney-failure"
    return "child" if situation.age is not None and situation.age < 18 else ""


def newest(series: Sequence[Reading], limit: Limit) -> Reading | None:
    """The newest reading; of several taken at the same moment, the one beyond a limit."""
    first = series[0] if series else None
    if first is None or first.time is None:
        return None
    for reading in series:
        if reading.time != first.time:
            break
        if limit.beyond(reading):
            return reading
    return first


def since(series: Sequence[Reading], limit: Limit, side: str) -> tuple[datetime | None, int]:
    """Since when the value has been beyond the same limit without a break, and how many results say so."""
    start, count = None, 0
    for reading in series:
        if limit.beyond(reading) != side:
            break
        start, count = reading.time, count + 1
    return start, count


def printed(edge: Decimal, unit: str, reading: Reading) -> str:
    """The limit as its source gives it, after the same amount in the unit the reading is printed in where that differs."""
    own = f"{edge:f} {wording.unit(unit)}".strip()
    if reading.display is None or unit != reading.unit:
        return own
    return f"{wording.beside(reading, edge)} ({own})"


@record_logic(
    "critical-value",
    CriticalGiven,
    current="label value side limit",
    repeated="label value side limit count",
    old="label value side limit",
)
def critical_value(rule: Rule, given: CriticalGiven, situation: Situation) -> Iterator[Finding]:
    """The newest result of each listed concept, where it is at or beyond its limit. A repeat is shown again."""
    readings, now = situation.record.readings, situation.record.now
    for limit in limits(situation):
        series = readings.get(limit.concept)
        reading = newest(series, limit) if series else None
        if series is None or reading is None or reading.time is None:
            continue
        side = limit.beyond(reading)
        if not side:
            continue
        age = now - reading.time
        old = age > limit.fresh
        if old and age > limit.fresh + timedelta(hours=given.old_hours):
            continue
        start, count = since(series, limit, side)
        edge, unit = limit.edge(reading)
        words = {
            "label": reading.label,
            "value": wording.reported(reading),
            "side": "at or above" if side == "high" else "at or below",
            "limit": printed(edge, unit, reading),
            "count": count,
        }
        yield conclude(
            rule,
            "old" if old else "repeated" if count > 1 else "current",
            words,
            key=f"{limit.concept}:{side}" + (":old" if old else ""),
            tier=Tier.REMARK if old else Tier.ORDINARY,
            facts=(reading,),
            missing=("age: adult limits were used",) if situation.age is None else (),
            worse=-1.0 if old else limit.excess(reading),
            since=start,
            values={
                "concept": limit.concept,
                "side": side,
                "limit": str(edge),
                "source": limit.source.label,
                "old": old,
            },
        )


@record_logic("critical-flag", FlagGiven, flagged="label value flag", unusable="label flag reason")
def critical_flag(rule: Rule, given: FlagGiven, situation: Situation) -> Iterator[Finding]:
    """The laboratory's own critical flag on a newest result that no limit of the table has already called critical."""
    record = situation.record
    oldest = record.now - timedelta(hours=given.hours)
    by_concept = situation.tables.critical.by_concept[_population(situation)]
    for concept, series in record.readings.items():
        reading = series[0]
        if not reading.flags or reading.time is None or reading.time < oldest or FLAGS.isdisjoint(reading.flags):
            continue
        limit = by_concept.get(concept)
        if limit is None or not limit.beyond(reading):
            yield _flag(rule, reading, concept)
    seen: set[object] = set()
    for reading in record.others:
        code = reading.codes or reading.label
        if code in seen:
            continue
        seen.add(code)
        if reading.flags and reading.time is not None and reading.time >= oldest and FLAGS & set(reading.flags):
            yield _flag(rule, reading, reading.label)
    for reading in record.refused:
        if not reading.flags or reading.refusal not in SAID or FLAGS.isdisjoint(reading.flags):
            continue
        if reading.time is None or reading.time < oldest or _replaced(situation, reading):
            continue
        flag = next(f for f in reading.flags if f in FLAGS)
        words = {"label": reading.label, "flag": flag, "reason": reading.refusal.value if reading.refusal else ""}
        yield conclude(rule, "unusable", words, key=f"{reading.concept or reading.label}:{flag}", facts=(reading,))


def _flag(rule: Rule, reading: Reading, key: str) -> Finding:
    flag = next(f for f in reading.flags if f in FLAGS)
    words = {"label": reading.label, "value": wording.reported(reading), "flag": flag}
    return conclude(rule, "flagged", words, key=f"{key}:{flag}", facts=(reading,), values={"flag": flag})


def _replaced(situation: Situation, reading: Reading) -> bool:
    """True when a newer usable result of the same concept stands in the record."""
    usable = situation.record.latest(reading.concept) if reading.concept else None
    return usable is not None and usable.time is not None and reading.time is not None and usable.time >= reading.time


CHECKS = (critical_value, critical_flag)
