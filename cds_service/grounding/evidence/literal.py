"""Sentences that are the record's own wording of their facts, letter for letter: nothing is left to interpret.

Lists ("Active problems: …; ….") and single results ("Potassium 6.1 mmol/L on …, high.") are compared with what
record/wording.py says of the cited facts; heads, levels, directions and "new" are decided anew from the facts. A sentence
that is anything else is not refused here: the other checks read it word by word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cds_service.grounding.evidence.evidence import supposed
from cds_service.grounding.evidence.source import source
from cds_service.grounding.language.lexicon import stems
from cds_service.record.facts import Event, Fact, Medication, Problem, Reading
from cds_service.record.salience import PRESENT
from cds_service.record.trend import trend
from cds_service.record.units import table
from cds_service.record.wording import CONTRADICTS, DAY, level, minute, moment, partial, value

NEW = timedelta(days=30)
_TAG = re.compile(
    r" \((?:finding|disorder|procedure|situation|event|regime/therapy|person|substance|product|morphologic abnormality"
    r"|observable entity|qualifier value|record artifact|physical object|environment)\)$"
)
MEASURED_NAMES = frozenset().union(*(stems(c.label.lower()) for c in table().concepts.values() if " " not in c.label))
DISAGREE = "code and name disagree"
_REASON = 140  # characters of a reason for an encounter
_GATHERED = ("Vital signs", "Results")


@lru_cache(maxsize=8192)
def name(label: str) -> str:
    """A label without the semantic tag of its terminology; '' for one that may not be shown (hostile or unreadable)."""
    return _TAG.sub("", label) if source(label).quotable else ""


def measured(reading: Reading) -> str:
    """'Potassium 6.1 mmol/L'; '' where name or value may not be shown. Beside it, that code and name disagree."""
    label = name(reading.label)
    if not label or (reading.value is None and not source(reading.text).quotable):
        return ""
    said = f"{label} {value(reading)}"
    return f"{said} ({DISAGREE})" if reading.note and CONTRADICTS in reading.note else said


def pressure(systolic: Reading, diastolic: Reading) -> str:
    """'Blood pressure 92/54 mmHg' of the two parts of one measurement; '' where either has more to say than its number."""
    if (
        systolic.concept != "systolic_bp"
        or diastolic.concept != "diastolic_bp"
        or systolic.reference != diastolic.reference
        or systolic.time != diastolic.time
        or CONTRADICTS in systolic.note + diastolic.note
        or level(systolic)
        or level(diastolic)
    ):
        return ""
    upper, lower = value(systolic).removesuffix(" mmHg"), value(diastolic)
    plain = upper.isdecimal() and lower.removesuffix(" mmHg").isdecimal()
    return f"Blood pressure {upper}/{lower}" if plain and lower.endswith(" mmHg") else ""


def reason(encounter: Event) -> str:
    """Why the encounter is, as recorded: 'Chest pain'; '' where nothing is or where it claims more than a name does."""
    said = encounter.text.rstrip(". ")
    if not said or len(said) > _REASON or not source(said).plain or source(said).quantities or _lends_value(said):
        return ""
    return name(said)


def literal(text: str, cited: Sequence[Fact], zone: ZoneInfo, now: datetime | None) -> bool:
    """True when the text is nothing but the wording of its facts. False decides nothing."""
    first = cited[0]
    if isinstance(first, Reading):
        readings = [fact for fact in cited if isinstance(fact, Reading)]
        if len(readings) != len(cited):
            return False
        return _gathered(text, readings, zone) if ": " in text[:60] else _result(text, readings, zone)
    head, colon, rest = text.partition(": ")
    if not colon or not all(type(fact) is type(first) for fact in cited):
        return False
    if head == "Active problems" and isinstance(first, Problem):
        return _listed(rest, cited, lambda fact, at: _held(rest, at, fact, zone, now))
    if head == "Active medications" and isinstance(first, Medication):
        return _listed(rest, cited, lambda fact, at: _held(rest, at, fact, zone, now))
    if head == "Current encounter" and isinstance(first, Event):
        return _listed(rest, cited, lambda fact, at: _present(rest, at, fact, zone))
    return False


def _result(text: str, readings: Sequence[Reading], zone: ZoneInfo) -> bool:
    """'Potassium 6.1 mmol/L on 2026-11-20 08:10, high (was 4.9 mmol/L on 2026-11-18 07:55), rising.'"""
    newest, before = readings[0], readings[1] if len(readings) > 1 else None
    said, when = measured(newest) if _plain(newest) else "", moment(newest, zone)
    if len(readings) > 2 or not said or not when:
        return False
    shown = level(newest)
    built = f"{said} on {when}, {shown}" if shown else f"{said} on {when}"
    if before is None:
        return text == f"{built}."
    if (before.concept or before.label) != (newest.concept or newest.label) or before.unit != newest.unit:
        return False
    earlier = moment(before, zone)
    if not earlier or before.time is None or newest.time is None or before.time >= newest.time:
        return False
    direction = trend((newest, before)).direction
    built = f"{built} (was {value(before)} on {earlier})"
    return text == (f"{built}, {direction}." if direction else f"{built}.")


def _gathered(text: str, readings: Sequence[Reading], zone: ZoneInfo) -> bool:
    """'Vital signs on 2026-11-20 09:00: Heart rate 118 /min; Body weight 81 kg (08:15).', 'Results of 2019: …'"""
    head, _, rest = text.partition(": ")
    group, on, when = head.partition(" on ")
    if not on:
        group, _, when = head.partition(" of ")
    if group not in _GATHERED or not when:
        return False
    said: list[str] = []
    last: Reading | None = None
    upper: Reading | None = None
    shown, day = "", when[:DAY]
    for reading in readings:
        item = _with_level(reading) if _plain(reading) else ""
        if last is None or reading.time_text != last.time_text or reading.time != last.time:
            shown = moment(reading, zone) if on else partial(reading)
        if not item or shown[:DAY] != day:
            return False
        if upper is not None and (both := pressure(upper, reading)):
            said.pop()
            item = both
        last, upper = reading, reading if reading.concept == "systolic_bp" else None
        said.append(item if shown == when else f"{item} ({minute(shown)})")
    return rest == f"{'; '.join(said)}."


def _with_level(reading: Reading) -> str:
    said, shown = measured(reading), level(reading)
    return f"{said}, {shown}" if said and shown else said


def _plain(reading: Reading) -> bool:
    """A known concept, or names and words that claim nothing by themselves; 'negative' alone is an answer to its name."""
    if reading.value is None:
        answer = source(reading.text)
        if not (answer.plain or (answer.empty_denial and answer.quotable)) or answer.quantities:
            return False
    return bool(reading.concept) or (source(reading.label).plain and not source(reading.label).quantities)


def _lends_value(text: str) -> bool:
    """A dosage that speaks of something measured is read word by word."""
    return not MEASURED_NAMES.isdisjoint(source(text).affirmed)


def _listed(rest: str, cited: Sequence[Fact], item: Callable[[Fact, int], int]) -> bool:
    at = 0
    for position, fact in enumerate(cited):
        at = item(fact, at)
        joint = "." if position == len(cited) - 1 else "; "
        if at < 0 or not rest.startswith(joint, at):
            return False
        at += len(joint)
    return at == len(rest)


def _held(rest: str, at: int, fact: Fact, zone: ZoneInfo, now: datetime | None) -> int:
    """End of 'Lisinopril 10 MG Oral Tablet, 10 mg once daily (new, 2026-02-11)' in ``rest`` from ``at``; -1 if it is not there.

    A problem nobody has confirmed says so: 'Lung cancer, provisional (2026-09-22)'.
    """
    label = name(fact.label)
    if (
        not label
        or not _active(fact)
        or not source(fact.label).plain
        or _lends_value(fact.label)
        or not rest.startswith(label, at)
    ):
        return -1
    at += len(label)
    if doubt := supposed(fact):
        if not rest.startswith(f", {doubt}", at):
            return -1
        at += len(doubt) + 2
    if isinstance(fact, Medication) and fact.dose:
        dose = f", {fact.dose}"
        if rest.startswith(dose, at) and source(fact.dose).plain and not _lends_value(fact.dose):
            at += len(dose)
    day = moment(fact, zone)[:10] or partial(fact)
    if day and rest.startswith(f" ({day})", at):
        return at + len(day) + 3
    if day and rest.startswith(f" (new, {day})", at):
        young = now is not None and fact.time is not None and timedelta(0) <= now - fact.time <= NEW
        return at + len(day) + 8 if young else -1
    return at


def _present(rest: str, at: int, fact: Fact, zone: ZoneInfo) -> int:
    """End of 'Emergency visit since 2026-11-20 07:40: Chest pain' in ``rest`` from ``at``; -1 if it is not there."""
    if not isinstance(fact, Event) or fact.status not in PRESENT or not source(fact.label).plain:
        return -1
    start, why = moment(fact, zone), reason(fact)
    said = f"{name(fact.label)} since {start}: {why}"
    return at + len(said) if start and why and rest.startswith(said, at) else -1


def _active(fact: Fact) -> bool:
    """Active, not negated, and not a history by its own name."""
    if isinstance(fact, Problem):
        return fact.active and not fact.negated and not source(fact.label).quantities
    return isinstance(fact, Medication) and fact.active and not fact.do_not_perform and fact.status != "draft"
