"""What the record says of a patient's state: pregnancy, dialysis, oxygen, a hypercapnic target (states.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Any

from msgspec import Struct

from cds_service.record.facts import Fact, Problem, Reading, Record

_TABLE: dict[str, Any] = tomllib.loads(
    resources.files("cds_service.rules").joinpath("states.toml").read_text(encoding="utf-8")
)
_SNOMED = _TABLE["systems"]["snomed"]
_ICD = (_TABLE["systems"]["icd10cm"], _TABLE["systems"]["icd10"])


class Match(Struct, frozen=True):
    """A list of codes and words that stand for one state."""

    snomed: frozenset[str]
    icd10: tuple[str, ...]
    words: tuple[str, ...]
    not_words: tuple[str, ...]

    def __call__(self, fact: Fact) -> bool:
        """True when a code of the fact is listed, or, where no code is, its printed name has one of the words."""
        coded = False
        for code in fact.codes:
            if code.system == _SNOMED:
                coded = True
                if code.code in self.snomed:
                    return True
            elif code.system in _ICD:
                coded = True
                if code.code.startswith(self.icd10):
                    return True
        if coded:
            return False
        name = fact.label.lower()
        return any(word in name for word in self.words) and not any(word in name for word in self.not_words)


def match(table: dict[str, Any]) -> Match:
    """One table of states.toml."""
    return Match(frozenset(table["snomed"]), tuple(table["icd10"]), tuple(table["words"]), tuple(table["not_words"]))


_PREGNANCY = _TABLE["pregnancy"]
_PREGNANT_PROBLEM = match(_PREGNANCY["problem"])
_PREGNANCY_ENDED = match(_PREGNANCY["ended"])
_MAINTENANCE = match(_TABLE["dialysis"]["maintenance"])
_FAILURE = match(_TABLE["dialysis"]["failure"])
_DIALYSIS = match(_TABLE["dialysis"]["procedure"])
_RECENT_DIALYSIS = timedelta(days=_TABLE["dialysis"]["recent_days"])
_OXYGEN = _TABLE["oxygen"]
_HYPERCAPNIC = _TABLE["hypercapnic"]
_LONGEST = timedelta(days=_PREGNANCY["longest_days"])


class PregnancyState(Struct, frozen=True):
    """``state``: pregnant, not-pregnant, unknown, not-applicable; with the facts behind it."""

    state: str
    facts: tuple[Fact, ...] = ()
    text: str = ""


def pregnancy_state(record: Record) -> PregnancyState:
    """Whether the record says that the patient is pregnant now; never inferred from its silence.

    Evidence counts whatever sex is recorded. Without any, males and ages outside states.toml are ``not-applicable``,
    all others ``unknown``. A delivery or “not pregnant” recorded after the evidence ends it.
    """
    evidence = sorted(_pregnancy_evidence(record), key=_when(record), reverse=True)
    against = _newest(record, _pregnancy_contradicted(record))
    if evidence and (against is None or _when(record)(against) <= _when(record)(evidence[0])):
        return PregnancyState("pregnant", tuple(evidence), "pregnancy recorded")
    negative = _newest(record, _statements(record, "not_pregnant"))
    recent = timedelta(days=_PREGNANCY["not_pregnant_days"])
    if negative is not None and negative.time is not None and record.now - negative.time <= recent:
        return PregnancyState("not-pregnant", (negative,), "recorded as not pregnant")
    age = record.person.age(record.now)
    youngest, oldest = _PREGNANCY["ages"]
    if record.person.sex == "male" or (age is not None and not youngest <= age <= oldest):
        return PregnancyState("not-applicable")
    return PregnancyState("unknown", () if against is None else (against,), "pregnancy status not recorded")


def _when(record: Record) -> Any:
    """Sort key: the fact's time; an undated fact counts as of now, so that it is not silently outdated."""

    def key(fact: Fact) -> datetime:
        return fact.time or record.now

    return key


def _newest(record: Record, facts: Iterable[Fact]) -> Fact | None:
    return max(facts, key=_when(record), default=None)


def _statements(record: Record, kind: str) -> list[Fact]:
    """Pregnancy status observations that say ``pregnant`` or ``not_pregnant``."""
    codes = _PREGNANCY[kind]
    wanted = kind.replace("_", " ")
    return [
        reading
        for reading in record.readings.get("pregnancy_status", ())
        if any(code.system == _SNOMED and code.code in codes for code in reading.value_codes)
        or reading.text.strip().lower() == wanted
    ]


def _pregnancy_evidence(record: Record) -> Iterable[Fact]:
    now = record.now
    for fact in (*_statements(record, "pregnant"), *_problems(record, _PREGNANT_PROBLEM)):
        if fact.time is None or now - fact.time <= _LONGEST:
            yield fact
    latest = timedelta(days=_PREGNANCY["after_due_days"])
    for reading in record.readings.get("estimated_delivery_date", ()):
        due = iso_date(reading)
        if due is not None and now.date() - latest <= due <= now.date() + _LONGEST:
            yield reading
    for reading in record.readings.get("gestational_age", ()):
        if reading.time is None or reading.value is None:
            continue
        if timedelta(weeks=float(reading.value)) + (now - reading.time) <= _LONGEST:
            yield reading


def _pregnancy_contradicted(record: Record) -> Iterable[Fact]:
    yield from _statements(record, "not_pregnant")
    yield from (event for event in record.procedures if _PREGNANCY_ENDED(event))
    yield from _problems(record, _PREGNANCY_ENDED)


def iso_date(reading: Reading) -> date | None:
    """The date a dated observation states (valueDateTime), to the day; None where it states none."""
    try:
        return date.fromisoformat(reading.text.strip()[:10])
    except ValueError:
        return None


def _problems(record: Record, wanted: Match) -> list[Problem]:
    return [problem for problem in record.problems if problem.active and not problem.negated and wanted(problem)]


class Dialysis(Struct, frozen=True):
    """``maintenance``: on it for good; ``recent``: procedures within the last 14 days without that (newest first)."""

    maintenance: bool
    recent: tuple[Fact, ...] = ()
    facts: tuple[Fact, ...] = ()


def dialysis_state(record: Record) -> Dialysis:
    """Maintenance dialysis by a recorded dependence, or by end-stage kidney failure with a recent dialysis."""
    recent = tuple(
        event
        for event in record.procedures
        if event.time is not None and record.now - event.time <= _RECENT_DIALYSIS and _DIALYSIS(event)
    )
    dependence = _problems(record, _MAINTENANCE)
    if dependence:
        return Dialysis(True, recent, (*dependence, *recent[:1]))
    failure = _problems(record, _FAILURE) if recent else []
    return Dialysis(bool(failure), recent, (*failure, *recent[:1]))


def supplemental_oxygen(reading: Reading) -> bool | None:
    """Whether an oxygen observation says that oxygen is given; None where its words are not known."""
    if reading.concept == "oxygen_flow":
        return None if not reading.exact or reading.value is None else reading.value > 0
    if reading.concept == "inhaled_oxygen":
        return None if not reading.exact or reading.value is None else reading.value > 21
    for code in reading.value_codes:
        if code.system == _SNOMED and code.code in _OXYGEN["on_codes"]:
            return True
        if code.system == _SNOMED and code.code in _OXYGEN["off_codes"]:
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
