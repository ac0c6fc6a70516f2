"""The default engine: no model. It picks the salient facts and words them as statements under the schema of the prompt.

It takes the facts themselves (``Request.material``), not the text of the prompt, and its statements pass the same grounding
as a model's. Cards label it as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from cds_service.grounding.evidence.literal import measured, name, pressure
from cds_service.grounding.statement import Statement
from cds_service.models import phrases
from cds_service.models.engine import Capabilities, Generation, Identity, Material, Request, Scores, Unsupported
from cds_service.record.facts import Allergy, Event, Fact, Medication, Order, Problem, Reading
from cds_service.record.salience import PRESENT
from cds_service.record.trend import trend
from cds_service.record.units import table
from cds_service.record.wording import DAY, level, minute, moment, partial

LABEL = "extractive summary, no language model"
REVISION = "4"  # raised with every change of what is picked or how it is worded
MAX_STATEMENTS = 12  # of prompts/record-summary/schema.json, like the next two
MAX_TEXT = 240
MAX_FACTS = 8
OWN_LINE = 5  # results that get a statement of their own
FRESH = timedelta(days=90)  # within which an encounter is called recent
_GIVEN = "MedicationAdministration"

EMPTY: Mapping[int, Fact] = {}

F = TypeVar("F", bound=Fact)


class Extractive:
    """An Engine (models/engine.py) without a model: instant, deterministic, and never more than the record says."""

    identity = Identity("extractive", revision=REVISION)
    capabilities = Capabilities(schema=True, structured=True)

    async def generate(self, request: Request) -> Generation:
        """Statements as compact JSON; needs ``request.material``."""
        if request.material is None:
            raise Unsupported("the extractive engine composes from facts: pass Request.material")
        wire = [{"text": s.text, "fact_ids": s.fact_ids, "kind": s.kind} for s in compose(request.material)]
        text = msgspec.json.encode({"statements": wire}).decode()
        return Generation(text=text, finish_reason="stop", identity=self.identity)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """There is nothing to score with."""
        raise Unsupported("the extractive engine has no probabilities: use the rules' urgency")


def compose(material: Material) -> list[Statement]:
    """Statements over the facts: notable results, vital signs, problems, allergies, medications, what happened, the rest.

    At most 12, each of at most 240 characters and 8 facts (the bounds of the schema). Facts whose text may not be shown
    give no statement.
    """
    zone, facts = material.zone, material.facts
    alone, plain = _results(_of(facts, Reading), zone)
    vital_signs, others = _gathered(plain, zone)
    made = [
        *alone,
        *vital_signs[:1],
        *_problems(_of(facts, Problem), material),
        *_allergies(_of(facts, Allergy)),
        *_medications(_of(facts, Medication), material),
        *_events(_of(facts, Event), material),
        *others,
        *vital_signs[1:],
        *_list("Draft orders", _of(facts, Order), lambda order: name(order.label)),
    ]
    return made[:MAX_STATEMENTS]


def _of(facts: Sequence[Fact], kind: type[F]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]


def _statement(text: str, facts: Iterable[Fact]) -> Statement:
    return Statement(text=text, fact_ids=tuple(fact.id for fact in facts))


def _results(readings: Sequence[Reading], zone: ZoneInfo) -> tuple[list[Statement], list[Reading]]:
    """Abnormal or changed results one by one, and the readings that have nothing to say of their own."""
    series: dict[str, list[Reading]] = {}
    for reading in readings:
        series.setdefault(reading.concept or reading.label, []).append(reading)
    alone: list[Statement] = []
    plain: list[Reading] = []
    for found in series.values():
        if len(found) > 1:
            found.sort(key=_when, reverse=True)
        newest, before = found[0], found[1] if len(found) > 1 else None
        if not (before or level(newest)) or len(alone) >= OWN_LINE:
            plain.append(newest)
            continue
        direction = trend((newest, before)).direction if before is not None else ""
        text = phrases.result(newest, before, direction, zone)
        if text and len(text) <= MAX_TEXT:
            alone.append(_statement(text, (newest, before) if before is not None else (newest,)))
    return alone, plain


def _when(reading: Reading) -> float:
    return reading.time.timestamp() if reading.time is not None else float("-inf")


def _gathered(readings: Sequence[Reading], zone: ZoneInfo) -> tuple[list[Statement], list[Statement]]:
    """'Vital signs on 2026-11-20 09:00: Heart rate 118 /min; Body weight 81 kg (08:15).' by day; other results the same way."""
    vital_signs: dict[str, list[tuple[str, Reading]]] = {}
    others: dict[str, list[tuple[str, Reading]]] = {}
    concepts = table().concepts
    moments: dict[tuple[datetime | None, str], str] = {}  # many readings share one: said once
    for reading in readings:
        concept = concepts.get(reading.concept)
        group = vital_signs if concept is not None and concept.group == "vital-signs" else others
        key = (reading.time, reading.time_text)
        when = moments.get(key)
        if when is None:
            when = moments[key] = moment(reading, zone) or partial(reading)
        group.setdefault(when[:DAY], []).append((when, reading))
    return _by_day("Vital signs", vital_signs), _by_day("Results", others)


def _by_day(head: str, groups: Mapping[str, Sequence[tuple[str, Reading]]]) -> list[Statement]:
    """The moment of the first reading stands for all of a day; one of another minute says its own."""
    made: list[Statement] = []
    for day, found in groups.items():
        stands = found[0][0]
        apart = {id(reading): when for when, reading in found if when != stands}
        title = f"{head} on {stands}" if len(day) == DAY else f"{head} of {day}" if day else f"{head}, undated"
        both, lower = _pressures(found)
        if not (apart or both):
            made += _list(title, [reading for _, reading in found], _measured_with_level)
            continue
        said_with = {id(reading) for reading in lower.values()}
        readings = [reading for _, reading in found if id(reading) not in said_with]
        made += _list(title, readings, _measured_at(apart, both), lower)
    return made


def _pressures(found: Sequence[tuple[str, Reading]]) -> tuple[dict[int, str], dict[int, Reading]]:
    """By the systolic part of a blood pressure: the two parts in words, where they are said in one, and the diastolic."""
    both: dict[int, str] = {}
    lower: dict[int, Reading] = {}
    for (_, first), (_, second) in pairwise(found):
        if first.concept == "systolic_bp" and (said := pressure(first, second)):
            both[id(first)], lower[id(first)] = said, second
    return both, lower


def _measured_at(apart: Mapping[int, str], both: Mapping[int, str]) -> Callable[[Reading], str]:
    def word(reading: Reading) -> str:
        said, when = both.get(id(reading)) or _measured_with_level(reading), apart.get(id(reading))
        return f"{said} ({minute(when)})" if said and when is not None else said

    return word


def _measured_with_level(reading: Reading) -> str:
    said, shown = measured(reading), level(reading)
    return f"{said}, {shown}" if said and shown else said


def _list(
    head: str, facts: Sequence[F], word: Callable[[F], str], beside: Mapping[int, Fact] = EMPTY
) -> list[Statement]:
    """'Head: one; two; three.' in as many statements as the bounds ask for. ``beside``: facts that share a word."""
    made: list[Statement] = []
    said: list[str] = []
    cited: list[Fact] = []
    length = len(head) + 3
    for fact in facts:
        text = word(fact)
        if not text or len(text) + len(head) + 3 > MAX_TEXT:
            continue
        other = beside.get(id(fact))
        if said and (length + len(text) + 2 > MAX_TEXT or len(cited) + (other is not None) >= MAX_FACTS):
            made.append(_statement(f"{head}: {'; '.join(said)}.", cited))
            said, cited, length = [], [], len(head) + 3
        said.append(text)
        cited.append(fact)
        if other is not None:
            cited.append(other)
        length += len(text) + 2
    if said:
        made.append(_statement(f"{head}: {'; '.join(said)}.", cited))
    return made


def _problems(problems: Sequence[Problem], material: Material) -> Iterator[Statement]:
    def word(fact: Problem) -> str:
        return phrases.problem(fact, material.zone, material.now)

    held = [p for p in problems if not p.negated]
    family = [p for p in held if "family history" in p.note]
    yield from _list("Active problems", [p for p in held if p.active], word)
    yield from _list("Past problems", [p for p in held if not p.active and p not in family], word)
    yield from _list("Family history", family, word)
    yield from _list("Refuted", [p for p in problems if p.negated], word)


def _allergies(allergies: Sequence[Allergy]) -> Iterator[Statement]:
    """A recorded "no known allergies" is not repeated beside an allergy that stands."""
    stands = any(a.active and not a.negated for a in allergies)
    for fact in allergies:
        text = "" if fact.no_known and stands else phrases.allergy(fact)
        if text and len(text) <= MAX_TEXT:
            yield _statement(text, (fact,))


def _medications(medications: Sequence[Medication], material: Material) -> Iterator[Statement]:
    def word(fact: Medication) -> str:
        return phrases.medication(fact, material.zone, material.now)

    given = [m for m in medications if m.resource_type == _GIVEN and not m.active and m.status == "completed"]
    barred = [m for m in medications if m.do_not_perform or m.status in ("not-taken", "not-done")]
    left = [m for m in medications if m not in given and m not in barred]
    yield from _list("Active medications", [m for m in left if m.active], word)
    yield from _list("Medications given", given, word)
    yield from _list("Past medications", [m for m in left if not m.active and m.status != "draft"], word)
    yield from _list("Medications not taken", barred, word)


def _events(events: Sequence[Event], material: Material) -> Iterator[Statement]:
    zone = material.zone
    by_type: dict[str, list[Event]] = {}
    for event in events:
        by_type.setdefault("directive" if event.category == "code-status" else event.resource_type, []).append(event)
    yield from _list("Directives", by_type.pop("directive", []), lambda e: phrases.event(e, zone))
    yield from _encounters(by_type.pop("Encounter", []), material)
    silent: list[Event] = []
    for fact in by_type.pop("DiagnosticReport", []):
        text = phrases.report(fact, zone)
        if text and len(text) <= MAX_TEXT:
            yield _statement(text, (fact,))
        else:
            silent.append(fact)
    by_type["DiagnosticReport"] = silent
    for kind, head in _HEADS.items():
        done = [e for e in by_type.get(kind, ()) if e.status != "not-done"]
        yield from _list(head, done, lambda e: phrases.event(e, zone))


_HEADS = {
    "ImagingStudy": "Imaging studies",
    "Procedure": "Procedures",
    "ServiceRequest": "Ordered",
    "DiagnosticReport": "Reports",
    "Immunization": "Immunizations",
    "DocumentReference": "Documents",
}


def _encounters(encounters: Sequence[Event], material: Material) -> Iterator[Statement]:
    def word(fact: Event) -> str:
        return phrases.encounter(fact, material.zone)

    current = [e for e in encounters if e.status in PRESENT]
    planned = [e for e in encounters if e.status == "planned"]
    past = [e for e in encounters if e not in current and e not in planned]
    recent = [e for e in past if e.time is not None and material.now - (e.end or e.time) <= FRESH]
    yield from _list("Current encounter", current, word)
    yield from _list("Recent encounters", recent, word)
    yield from _list("Past encounters", [e for e in past if e not in recent], word)
    yield from _list("Planned encounters", planned, word)
