"""What the record says of a patient's state: pregnancy, dialysis, oxygen, a hypercapnic target (states.toml)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import partial

from msgspec import Struct

from cds_service.record.facts import Event, Fact, Medication, Problem, Reading, Record
from cds_service.rules.feeding.conditions import EVER, SNOMED, STATES, sort_out

_PREGNANCY = STATES["pregnancy"]
_POSITIVE, _POSSIBLE, _NEGATIVE = (_PREGNANCY["answers"][kind] for kind in ("positive", "possible", "negative"))
_EVER_NEGATIVE = {concept: dict.fromkeys(answers, 100_000) for concept, answers in _NEGATIVE.items()}
_OXYGEN = STATES["oxygen"]
_HYPERCAPNIC = STATES["hypercapnic"]
_LONGEST = timedelta(days=_PREGNANCY["longest_days"])
_RECENT_DIALYSIS = timedelta(days=STATES["dialysis"]["recent_days"])

_NOT_DONE = frozenset({"not-done", "preparation", "on-hold", "entered-in-error"})


class Entries(Struct, frozen=True):
    """A record with its problems and procedures sorted out by condition."""

    record: Record
    problems: Mapping[str, list[Problem]]
    procedures: Mapping[str, list[Event]]

    def condition(self, name: str) -> tuple[Problem, ...]:
        """Problems that are the condition: never negated ones, resolved ones only where its table says ``ever``."""
        found = self.problems.get(name, ())
        return tuple(p for p in found if not p.negated and (p.active or name in EVER))


def entries(record: Record) -> Entries:
    """Problems and procedures sorted out, once for all states."""
    done = (event for event in record.procedures if event.status not in _NOT_DONE)
    return Entries(record, sort_out(record.problems), sort_out(done))


class PregnancyState(Struct, frozen=True):
    """``state``: pregnant, not-pregnant, unknown, not-applicable; with the facts behind it."""

    state: str
    facts: tuple[Fact, ...] = ()
    text: str = ""


def pregnancy_state(seen: Entries) -> PregnancyState:
    """Whether the record says that the patient is pregnant now; never inferred from its silence.

    Below the youngest age of states.toml it does not apply: a newborn's record holds its mother's facts. Evidence
    counts whatever sex is recorded; a delivery or “not pregnant” recorded after it ends it. Without evidence, males and
    ages above the oldest are ``not-applicable``, all others ``unknown``.
    """
    record = seen.record
    age = record.person.age(record.now)
    youngest, oldest = _PREGNANCY["ages"]
    if age is not None and age < youngest:
        return PregnancyState("not-applicable")
    when = partial(_when, record)
    evidence = sorted(_evidence(seen), key=when, reverse=True)
    against = max(_contradicted(seen), key=when, default=None)
    if evidence and (against is None or when(against) <= when(evidence[0])):
        return PregnancyState("pregnant", tuple(evidence), "pregnancy recorded")
    possible = max(_recent(record, _POSSIBLE), key=when, default=None)
    negative = max(_recent(record, _NEGATIVE), key=when, default=None)
    if negative is not None and (possible is None or when(possible) <= when(negative)):
        return PregnancyState("not-pregnant", (negative,), "recorded as not pregnant")
    if possible is not None:
        return PregnancyState("unknown", (possible,), "pregnancy possible, not confirmed")
    if record.person.sex == "male" or (age is not None and age > oldest):
        return PregnancyState("not-applicable")
    return PregnancyState("unknown", () if against is None else (against,), "pregnancy status not recorded")


def _when(record: Record, fact: Fact) -> datetime:
    """The fact's time; an undated fact counts as of now, so that it is not silently outdated."""
    return fact.time or record.now


def _recent(record: Record, answers: Mapping[str, Mapping[str, int]]) -> list[Fact]:
    """Coded answers (concept → answer → days it holds) that still hold; an undated one holds."""
    return [
        reading
        for concept, wanted in answers.items()
        for reading in record.readings.get(concept, ())
        if (days := wanted.get(reading.text.strip().lower())) is not None
        and (reading.time is None or record.now - reading.time <= timedelta(days=days))
    ]


def _evidence(seen: Entries) -> Iterable[Fact]:
    record, now = seen.record, seen.record.now
    yield from _recent(record, _POSITIVE)
    for problem in seen.condition("pregnancy"):
        if problem.time is None or now - problem.time <= _LONGEST:
            yield problem
    latest = timedelta(days=_PREGNANCY["after_due_days"])
    for reading in record.readings.get("estimated_delivery_date", ()):
        due = iso_date(reading)
        if due is not None and now.date() - latest <= due <= now.date() + _LONGEST:
            yield reading
    for reading in record.readings.get("gestational_age", ()):
        if reading.time is None or reading.value is None or not reading.exact:
            continue
        if timedelta(weeks=float(reading.value)) + (now - reading.time) <= _LONGEST:
            yield reading


def _contradicted(seen: Entries) -> Iterable[Fact]:
    yield from _recent(seen.record, _EVER_NEGATIVE)
    yield from seen.procedures.get("pregnancy ended", ())
    yield from seen.condition("pregnancy ended")


def pregnancy_ended(seen: Entries, within: timedelta) -> tuple[Fact, ...]:
    """Deliveries, losses and terminations of the last days, newest first; undated ones say nothing of when."""
    now = seen.record.now
    ended = (*seen.procedures.get("pregnancy ended", ()), *seen.condition("pregnancy ended"))
    recent = [fact for fact in ended if fact.time is not None and timedelta(0) <= now - fact.time <= within]
    return tuple(sorted(recent, key=partial(_when, seen.record), reverse=True))


def iso_date(reading: Reading) -> date | None:
    """The date a dated observation states (valueDateTime), to the day; None where it states none."""
    try:
        return date.fromisoformat(reading.text.strip()[:10])
    except ValueError:
        return None


class Dialysis(Struct, frozen=True):
    """``maintenance``: on it for good; ``recent``: procedures within the last 14 days without that (newest first)."""

    maintenance: bool
    recent: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()


def dialysis_state(seen: Entries) -> Dialysis:
    """Maintenance dialysis by a recorded dependence, or by end-stage kidney failure with a recent dialysis."""
    now = seen.record.now
    recent = tuple(
        event
        for event in seen.procedures.get("dialysis", ())
        if event.time is not None and now - event.time <= _RECENT_DIALYSIS
    )
    dependence = seen.condition("maintenance dialysis")
    if dependence:
        return Dialysis(True, recent, (*dependence, *recent[:1]))
    failure = seen.condition("kidney failure") if recent else ()
    return Dialysis(bool(failure), recent, (*failure, *recent[:1]))


def takes(record: Record, drugs: str) -> tuple[Medication, ...]:
    """Active medications whose name has an ingredient word of the list ``drugs`` of states.toml."""
    words = STATES["drugs"][drugs]
    return tuple(
        medication
        for medication in record.medications
        if medication.active
        and not medication.do_not_perform
        and any(word in medication.label.lower() for word in words)
    )


def supplemental_oxygen(reading: Reading) -> bool | None:
    """Whether an oxygen observation says that oxygen is given; None where its words are not known."""
    if reading.concept == "oxygen_flow":
        return None if not reading.exact or reading.value is None else reading.value > 0
    if reading.concept == "inhaled_oxygen":
        return None if not reading.exact or reading.value is None else reading.value > 21
    for code in reading.value_codes:
        if code.system == SNOMED and code.code in _OXYGEN["on_codes"]:
            return True
        if code.system == SNOMED and code.code in _OXYGEN["off_codes"]:
            return False
    words = reading.text.lower()
    if any(word in words for word in _OXYGEN["off_words"]):
        return False
    return True if any(word in words for word in _OXYGEN["on_words"]) else None


def hypercapnic_target(record: Record, oldest: timedelta) -> Reading | None:
    """The documented SpO2 target of 88–92 % if the newest statement of a target says so."""
    for reading in record.readings.get("hypercapnic_target", ()):
        if reading.time is None or record.now - reading.time > oldest:
            return None
        words = reading.text.lower().replace("–", "-").replace("—", "-")
        wanted = any(word in words for word in _HYPERCAPNIC["words"])
        return reading if wanted and not any(word in words for word in _HYPERCAPNIC["not_words"]) else None
    return None
