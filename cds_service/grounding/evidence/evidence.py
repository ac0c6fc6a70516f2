"""What one fact lends to statements: its words by polarity, its tense, its days. Built per call; strings are cached below it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.grounding.evidence.source import Source, source
from cds_service.grounding.language.lexicon import (
    NAME_LISTS,
    PRESENT_WORDS,
    SHORT_FORMS,
    SPANS,
    SPECIMENS,
    UNITS,
    stems,
)
from cds_service.record.facts import Allergy, Event, Fact, Medication, Order, Problem, Reading
from cds_service.record.wording import answer, number

SHOWN = 200  # characters of a report or note that a fact line shows (record/wording.py); no more may be said of it
_NOT_DONE = frozenset({"not-done", "not-taken"})
_COARSE = (4, 7, 10)  # lengths of a year, a month, a day as FHIR writes them
_NO_WORDS: frozenset[str] = frozenset()
_SUPPOSED = frozenset({"unconfirmed", "provisional", "differential"})


class Tense:
    """What may be said of a fact's time, as bits. PAST, PLANNED and FAMILY must be said; the others go without saying."""

    ACTIVE = 1
    PAST = 2
    PLANNED = 4
    FAMILY = 8
    DONE = 16
    MEASURED = 32
    ASKED = 64  # ordered or requested, done since or not
    UNSAID = ACTIVE | DONE | MEASURED


_PLANNED_STATES = frozenset({"planned", "booked", "draft", "proposed", "pending", "waitlist", "preparation"})
_RUNNING_STATES = frozenset({"in-progress", "arrived", "triaged", "onleave", "active", "on-hold"})
_REQUESTS = frozenset({"ServiceRequest", "MedicationRequest", "DeviceRequest", "NutritionOrder", "VisionPrescription"})


class Lexis(Struct, frozen=True):
    """The words some strings and reviewed names lend together, by polarity."""

    affirmed: frozenset[str]
    denied: frozenset[str]
    hedged: frozenset[str]
    sources: tuple[Source, ...]


@lru_cache(maxsize=8192)
def lexis(texts: tuple[str, ...], named: tuple[str, ...], denies: bool) -> Lexis:
    """Words of ``texts`` and of the name lists ``named``. ``denies``: the fact as a whole is a denial (refuted, not done)."""
    sources = tuple(source(text) for text in texts if text)
    affirmed: set[str] = set()
    denied: set[str] = set()
    for each in sources:
        whole_denied = denies and not each.negates
        (denied if whole_denied else affirmed).update(each.affirmed)
        denied.update(each.denied)
    names = frozenset[str]().union(*(NAME_LISTS.get(key, _NO_WORDS) for key in named)) - denied  # "Never smoker"
    (denied if denies else affirmed).update(names)
    hedged = _only_hedged(sources, names) if any(each.hedged for each in sources) else _NO_WORDS
    return Lexis(frozenset(affirmed), frozenset(denied), hedged, sources)


def _only_hedged(sources: tuple[Source, ...], names: frozenset[str]) -> frozenset[str]:
    plain = names.union(*(each.affirmed - each.hedged for each in sources))
    return frozenset[str]().union(*(each.hedged for each in sources)) - plain


class Evidence:
    """One cited fact, ready to be looked things up in."""

    __slots__ = (
        "_days",
        "_zone",
        "affirmed",
        "amount",
        "denied",
        "fact",
        "hedged",
        "limits",
        "sources",
        "tense",
        "unit",
        "value",
    )

    def __init__(self, fact: Fact, zone: ZoneInfo) -> None:
        self.fact = fact
        self.value = self.unit = ""
        self.amount: Decimal | None = None
        self.limits: tuple[Decimal | None, Decimal | None] = (None, None)
        if isinstance(fact, Reading):
            printed = fact.display or fact  # what the prompt and the card print
            self.amount, self.limits = printed.value, (printed.low, printed.high)
            self.value = number(self.amount) if self.amount is not None else ""
            self.unit = unit_of(printed.unit)
        words = lexis(tuple(strings(fact)), _named(fact), _denies(fact))
        self.affirmed, self.denied, self.sources = words.affirmed, words.denied, words.sources
        self.hedged = words.hedged
        if supposed(fact):
            self.hedged = source(fact.label).affirmed
        self.tense = tense(fact)
        self._zone = zone
        self._days: tuple[dict[str, str], frozenset[str]] | None = None

    @property
    def days(self) -> dict[str, str]:
        """Local ISO days (or months, years where the record is no finer) → which end of the fact they are."""
        if self._days is None:
            self._days = _days(self.fact, self._zone)
        return self._days[0]

    @property
    def times(self) -> frozenset[str]:
        """Local HH:MM."""
        if self._days is None:
            self._days = _days(self.fact, self._zone)
        return self._days[1]


def name_words(fact: Fact) -> frozenset[str]:
    """The words that name a fact: a drug's first, all of a problem's or an allergen's, without their short forms."""
    if isinstance(fact, Medication):
        return stems(fact.label.lower().partition(" ")[0])
    words = source(fact.label).affirmed
    return words - SHORT_FORMS.keys() or words


def details(fact: Fact) -> frozenset[str]:
    """Words of what an entry tells beside its name: a report's text, an allergy's reactions."""
    texts = (
        fact.manifestations if isinstance(fact, Allergy) else (fact.text[:SHOWN],) if isinstance(fact, Event) else ()
    )
    return frozenset().union(*(source(text).affirmed | source(text).denied for text in texts))


def told(fact: Fact) -> tuple[frozenset[str], ...]:
    """The clauses of a report's or note's text, where there are several; () else."""
    clauses = source(fact.text[:SHOWN]).clauses if isinstance(fact, Event) and fact.text else ()
    return clauses if len(clauses) > 1 else ()


def supposed(fact: Fact) -> str:
    """'provisional', 'differential' or 'unconfirmed' of a problem nobody has confirmed; ''."""
    return fact.verification if isinstance(fact, Problem) and fact.verification in _SUPPOSED else ""


def standing(fact: Fact) -> bool:
    """An active problem, drug or allergy."""
    if isinstance(fact, Problem | Allergy):
        return fact.active and not fact.negated
    return isinstance(fact, Medication) and fact.active


def strings(fact: Fact) -> Iterable[str]:
    """Every string of a fact whose words a statement may use. Hostile ones lend nothing (``source``)."""
    yield fact.label
    yield fact.note
    if isinstance(fact, Reading):
        yield answer(fact)
        return
    yield fact.status.replace("-", " ")
    if isinstance(fact, Problem):
        yield from (fact.clinical_status, fact.verification.replace("-", " "), fact.category.replace("-", " "))
    elif isinstance(fact, Allergy):
        level = fact.criticality.replace("-", " ")
        yield from (f"{level} criticality {level}", fact.severity, fact.type, *fact.category, *fact.manifestations)
    elif isinstance(fact, Medication):
        yield from (fact.intent, fact.dose)
    elif isinstance(fact, Event):
        yield from (fact.category, fact.text[:SHOWN], *fact.modalities, *(site.display for site in fact.body_sites))
    elif isinstance(fact, Order):
        yield from (fact.intent, fact.priority, fact.dose, fact.route, *fact.reasons, *fact.modalities)
        yield from (code.display for code in (*fact.body_sites, *fact.categories))


def _denies(fact: Fact) -> bool:
    if isinstance(fact, Reading):
        return bool(fact.text) and source(fact.text).empty_denial
    if isinstance(fact, Problem | Allergy):
        return fact.negated
    if fact.status in _NOT_DONE:
        return True
    return isinstance(fact, Medication | Order) and fact.do_not_perform


@lru_cache(maxsize=512)
def unit_of(code: str) -> str:
    """The canonical unit a figure's unit is compared with; a unit of time as numbers of spans carry it: '#week'."""
    folded = code.lower()
    return f"#{SPANS[folded]}" if folded in SPANS and folded not in UNITS else UNITS.get(folded, folded)


def _answers(fact: Reading) -> tuple[str, ...]:
    """A finding that is there may be called by any of the words for that."""
    present = not PRESENT_WORDS.isdisjoint(fact.text.lower().split()) if fact.text else False
    return ("present",) if present and not source(fact.text).negates else ()


def _named(fact: Fact) -> tuple[str, ...]:
    """Keys of the reviewed names that fit: the concept's, the kind's."""
    if isinstance(fact, Reading):
        drawn = fact.value is not None and not fact.concept and SPECIMENS.isdisjoint(source(fact.label).affirmed)
        return ("Reading", "drawn" if drawn else fact.concept, *_answers(fact))
    keys = (type(fact).__name__, fact.reference.partition("/")[0])
    if not isinstance(fact, Event):
        return keys
    unclassed = fact.resource_type == "Encounter" and fact.category not in NAME_LISTS
    return (*keys, fact.resource_type, "unclassed" if unclassed else fact.category)


def tense(fact: Fact) -> int:
    """Active, past, planned, family, done or measured: from status members, and from the label where it says so itself."""
    if isinstance(fact, Reading):
        in_words = source(fact.text).tenses if fact.text else _NO_WORDS
        return Tense.PAST if "past" in in_words else Tense.FAMILY if "family" in in_words else Tense.MEASURED
    if isinstance(fact, Order):
        return Tense.PLANNED | Tense.ASKED
    said = source(fact.label).tenses
    if "family" in said or fact.reference.startswith("FamilyMemberHistory/"):
        return Tense.FAMILY
    if isinstance(fact, Problem | Allergy):
        # What was refuted is denied, not over: the record counts it as inactive, and nobody need call it past.
        own = Tense.ACTIVE if fact.active or fact.negated else Tense.PAST
    elif isinstance(fact, Medication):
        planned = fact.status == "draft" or fact.intent in ("proposal", "plan")
        own = Tense.PLANNED if planned else Tense.ACTIVE if fact.active else Tense.PAST
        if fact.resource_type == "MedicationAdministration":
            own |= Tense.DONE
        if fact.resource_type == "MedicationRequest":
            own |= Tense.ASKED
    elif isinstance(fact, Event) and fact.resource_type in _REQUESTS:
        own = Tense.ASKED | (Tense.PLANNED if fact.status in ("active", "draft", "on-hold") else Tense.DONE)
    elif fact.status in _PLANNED_STATES:
        own = Tense.PLANNED
    else:
        own = Tense.ACTIVE if fact.status in _RUNNING_STATES else Tense.DONE
    return own | Tense.PAST if "past" in said else own


def moments(fact: Fact) -> list[tuple[datetime, str]]:
    """The fact's times with their role: '' for its own, 'start' and 'end' of a period."""
    found = [(fact.time, "start")] if fact.time is not None else []
    start, end = getattr(fact, "start", None), getattr(fact, "end", None)
    if start is not None and start != fact.time:
        found.append((start, "start"))
    if end is not None:
        found.append((end, "end"))
    return found


def _days(fact: Fact, zone: ZoneInfo) -> tuple[dict[str, str], frozenset[str]]:
    """Local ISO days (or months, years where the record is no finer) → role, and local HH:MM times."""
    days: dict[str, str] = {}
    times: set[str] = set()
    coarse = len(fact.time_text) in _COARSE
    if coarse:
        days[fact.time_text] = "start"
    for moment, role in moments(fact):
        if coarse and moment is fact.time:
            continue
        local = moment.astimezone(zone).isoformat()
        days[local[:10]] = role
        times.add(local[11:16])
    return days, frozenset(times)
