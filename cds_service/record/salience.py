"""Which facts a prompt of limited length should hold. Deterministic; what is left out is counted by kind and said.

Order of weight: what must always be mentioned, then what is abnormal, recent and changing, then the rest.
One reading stands for a series; its predecessor joins it when the value changed. The newest vital signs of a current
encounter belong together: a blood pressure is not left out where the pulse of the same minute stays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from operator import itemgetter

from msgspec import Struct, field

from cds_service.record.facts import Allergy, Event, Fact, Medication, Problem, Reading, Record
from cds_service.record.trend import trend
from cds_service.record.units import table
from cds_service.record.wording import level

RECENT = timedelta(days=3)
CURRENT = timedelta(days=90)
DISCHARGE = timedelta(days=30)
LATELY = timedelta(days=7)  # a procedure of these days explains what is measured after it
TOGETHER = timedelta(hours=1)  # vital signs within this time are one set
PRESENT = frozenset({"in-progress", "arrived", "triaged", "onleave"})  # Encounter.status of one that is not over
STAYS = frozenset({"IMP", "ACUTE", "NONAC", "OBSENC", "EMER", "SS"})
STATUS_CONCEPTS = frozenset(
    {"code_status", "pregnancy_status", "pregnancy_test", "consciousness", "hypercapnic_target"}
)
CRITICAL = ("critically high", "critically low", "critically abnormal")


class Selection(Struct, frozen=True):
    """The facts chosen, most salient first, and how many of each kind were not."""

    facts: list[Fact]
    left_out: Counter[str] = field(default_factory=Counter)


def rank(record: Record, budget: int) -> Selection:
    """At most ``budget`` facts of a record (drafts of the hook aside), by weight, then newest first, then by number.

    The newest vital signs of a current encounter are chosen whole and count as one.
    """
    weighed = [(-weight, -_stamp(fact), fact.number, fact) for fact, weight in _weighed(record)]
    weighed.sort(key=itemgetter(0, 1, 2))
    together = _newest_vital_signs(record) if budget > 0 else frozenset()
    if not together:
        chosen = [each[3] for each in weighed[: max(budget, 0)]]
    else:
        others = [each[2] for each in weighed if each[2] not in together][: budget - 1]
        kept = together.union(others)
        chosen = [each[3] for each in weighed if each[2] in kept]
    return Selection(chosen, _left_out(record, chosen))


def _newest_vital_signs(record: Record) -> frozenset[int]:
    """The numbers of the vital signs taken within an hour of the newest; none where no encounter is current."""
    if not any(encounter.status in PRESENT for encounter in record.encounters):
        return frozenset()
    newest = [series[0] for key in _vital_signs() if (series := record.readings.get(key))]
    last = max((reading.time for reading in newest if reading.time is not None), default=None)
    if last is None or record.now - last > RECENT:
        return frozenset()
    return frozenset(r.number for r in newest if r.time is not None and last - r.time <= TOGETHER)


@cache
def _vital_signs() -> tuple[str, ...]:
    return tuple(key for key, concept in table().concepts.items() if concept.group == "vital-signs")


def _left_out(record: Record, chosen: Iterable[Fact]) -> Counter[str]:
    """How many of each kind were not chosen. A series is of one kind, so that it is asked once."""
    left: defaultdict[str, int] = defaultdict(int)
    for series in record.readings.values():
        left[kind_of(series[0])] += len(series)
    for fact in (*record.others, *record.entries()):
        left[kind_of(fact)] += 1
    for fact in chosen:
        left[kind_of(fact)] -= 1
    return Counter({kind: count for kind, count in left.items() if count > 0})


def kind_of(fact: Fact) -> str:
    """The kind of a fact in words, for the line that says what was left out."""
    if isinstance(fact, Reading):
        concept = table().concepts.get(fact.concept)
        return {"laboratory": "laboratory results", "vital-signs": "vital signs"}.get(
            concept.group if concept else "", "other observations"
        )
    if isinstance(fact, Event):
        return EVENT_KINDS.get(fact.resource_type, "other entries")
    return {Problem: "problems", Allergy: "allergies", Medication: "medications"}.get(type(fact), "other entries")


EVENT_KINDS = {
    "Encounter": "encounters", "Procedure": "procedures", "Immunization": "immunizations",
    "DiagnosticReport": "reports",
    "DocumentReference": "documents", "ImagingStudy": "imaging studies", "ServiceRequest": "requests",
    "Goal": "goals and directives", "Consent": "goals and directives", "Flag": "goals and directives",
}  # fmt: skip


def _stamp(fact: Fact) -> float:
    return fact.time.timestamp() if fact.time is not None else float("-inf")


def _weighed(record: Record) -> Iterator[tuple[Fact, int]]:
    yield from _readings(record)
    yield from ((p, _problem(record, p)) for p in record.problems)
    yield from ((a, _allergy(a)) for a in record.allergies)
    yield from ((m, 60 if m.active else 12 + _age(record, m)) for m in record.medications)
    yield from ((e, _encounter(record, e)) for e in record.encounters)
    yield from _events(record, record.goals, 85)
    yield from _events(record, record.reports, 30)
    yield from _events(record, record.imaging, 30)
    yield from ((p, _procedure(record, p)) for p in record.procedures)
    yield from _events(record, record.requests, 18)
    yield from _events(record, record.documents, 15)
    yield from _events(record, record.immunizations, 5)


def _age(record: Record, fact: Fact) -> int:
    """20 for the last days, 10 for the last months, else 0."""
    if fact.time is None:
        return 0
    age = record.now - fact.time
    return 20 if age <= RECENT else 10 if age <= CURRENT else 0


def _events(record: Record, events: Iterable[Event], base: int) -> Iterator[tuple[Fact, int]]:
    for event in events:
        boost = 10 if event.category in ("code-status", "oxygen-target") else -60 if event.category == "goal" else 0
        yield event, base + boost + _age(record, event)


def _procedure(record: Record, procedure: Event) -> int:
    lately = procedure.time is not None and record.now - procedure.time <= LATELY and procedure.status != "not-done"
    return 60 if lately else 22 + _age(record, procedure)


def _readings(record: Record) -> Iterator[tuple[Fact, int]]:
    for concept, series in record.readings.items():
        newest = series[0]
        shown = level(newest)
        weight = 25 + _age(record, newest)
        if shown in CRITICAL:
            weight += 55
        elif shown:
            weight += 25
        if concept in STATUS_CONCEPTS:
            weight += 40
        moved = trend(series, CURRENT).direction in ("rising", "falling")
        yield newest, weight + (8 if moved else 0)
        if moved and len(series) > 1:
            yield _compared(series), weight - 5
    for reading in record.others:
        yield reading, 8 + _age(record, reading) + (15 if level(reading) else 0)


def _compared(series: Sequence[Reading]) -> Reading:
    """The nearest earlier reading from which the newest notably differs: a slow fall is not called stable."""
    differing = (r for r in series[1:] if trend((series[0], r)).direction in ("rising", "falling"))
    return next(differing, series[1])


def _problem(record: Record, problem: Problem) -> int:
    if problem.negated:
        return 6
    return 65 if problem.active else 14 + _age(record, problem) // 2


def _allergy(allergy: Allergy) -> int:
    if not allergy.active:
        return 16
    severe = allergy.severity == "severe" or allergy.criticality == "high"
    return 100 if severe else 80


def _encounter(record: Record, encounter: Event) -> int:
    if encounter.status in PRESENT:
        return 75
    left = encounter.end is not None and record.now - encounter.end <= DISCHARGE and encounter.end <= record.now
    return 70 if left and encounter.category in STAYS else 14 + _age(record, encounter)
