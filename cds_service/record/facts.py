"""The fact table: short, typed, dated, cited facts about one patient. No I/O, no clock of its own.

Readers of ``fhir_adapters`` say what the JSON says; only this package judges units, status, time and identity.
A fact carries what a card or a prompt needs to print and to cite it: a label, a time, a value and the resource it
came from. Facts hold no cycles and are kept out of the garbage collector (``gc=False``): large charts stay cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct, field


class Code(Struct, frozen=True, gc=False):
    """One coding. Matching is always on (system, code): LOINC numbers collide with race codes."""

    system: str
    code: str
    display: str = ""


class Reason(StrEnum):
    """Why something is absent. Absent is a value, never zero and never normal."""

    NOT_ASKED = "not asked"
    NONE_FOUND = "none found"
    NOT_PERMITTED = "not permitted"
    NOT_OFFERED = "not offered by the server"
    FAILED = "failed"
    STALE = "stale"
    UNREADABLE = "unreadable"
    STRANGE = "left out, as not of this patient"


LACKING = frozenset({Reason.NOT_PERMITTED, Reason.FAILED, Reason.UNREADABLE, Reason.STRANGE})  # asked for, not had


class Absence(Struct, frozen=True):
    """Something the record cannot say, and why. ``what`` is a resource type, ``part`` the prefetch key it was wanted for."""

    what: str
    reason: Reason
    detail: str = ""
    part: str = ""


class Refusal(StrEnum):
    """Why one observation of the record cannot be used as a value."""

    NO_TIME = "undated"
    FUTURE = "dated in the future"
    IMPLAUSIBLE_TIME = "date not plausible"
    UNKNOWN_UNIT = "unknown unit"
    IMPLAUSIBLE = "implausible value"
    NO_VALUE = "no value"
    NOT_MEASURED = "not measured"  # dataAbsentReason
    ENTERED_IN_ERROR = "entered in error"
    NOT_FINAL = "no final status"  # registered, cancelled, unknown, or none at all
    SUPERSEDED = "superseded"  # a corrected or duplicate result stands in its place
    OTHER_PATIENT = "another patient"
    MALFORMED = "malformed"


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """One dated datum of the record. ``time`` is aware; it is None when the record gives none or an unusable one."""

    number: int
    reference: str  # 'Observation/k1'; '' only for facts of the request itself
    label: str  # printed name, cleaned of control characters; ours where the code is known
    codes: tuple[Code, ...] = ()
    concept: str = ""  # key of units.toml; '' where the code is not known to us
    time: datetime | None = None
    time_text: str = ""  # as the record writes it, partial dates included
    status: str = ""
    note: str = ""  # what a reader must be told beside it: 'haemolysed', 'display contradicts code'

    @property
    def id(self) -> str:
        """The id statements cite: ``F12``."""
        return f"F{self.number}"


class Display(Struct, frozen=True, gc=False):
    """A reading in the site's unit system, for people and prompts; rules compute with the reading itself."""

    value: Decimal
    unit: str
    low: Decimal | None = None
    high: Decimal | None = None
    as_written: bool = False  # the source wrote this very number in this unit


class Reading(Fact, frozen=True, kw_only=True, gc=False):
    """One measured or observed item (Observation or a component of it).

    ``value`` is in the concept's canonical unit (units.toml); ``written`` keeps what the source says where that
    differs.
    ``comparator`` makes the value a bound: it never enters a formula. ``refusal`` set means: shown as data
    quality, used nowhere.
    """

    value: Decimal | None = None
    comparator: str = ""  # '', '<', '<=', '>=', '>'
    unit: str = ""
    text: str = ""  # coded or string value
    value_codes: tuple[Code, ...] = ()
    written: str = ""  # '88.4 umol/L' where converted; a coded answer's own words
    written_value: Decimal | None = None  # the number before conversion, for thresholds that exist in both unit systems
    written_unit: str = ""  # its unit in canonical spelling: 'umol/L'
    low: Decimal | None = None  # reference range of the source, canonical unit
    high: Decimal | None = None
    flags: tuple[str, ...] = ()  # interpretation codes of the lab: H, HH, L, LL, A, AA, N …
    refusal: Refusal | None = None
    display: Display | None = None  # None: printed in its canonical unit
    noted: bool = False  # Observation.note was written; of its words only a doubt about the sample is kept, in ``note``

    @property
    def exact(self) -> bool:
        """True when the value may enter a formula."""
        return self.value is not None and not self.comparator and self.refusal is None


class Problem(Fact, frozen=True, kw_only=True, gc=False):
    """A Condition. ``negated`` for refuted ones; ``active`` for active, recurrence, relapse."""

    clinical_status: str = ""
    verification: str = ""
    category: str = ""  # problem-list-item, encounter-diagnosis
    active: bool = True
    negated: bool = False
    end: datetime | None = None


class Allergy(Fact, frozen=True, kw_only=True, gc=False):
    """An AllergyIntolerance. ``negated`` for refuted ones and for coded or worded “no known allergies”."""

    criticality: str = ""  # low, high, unable-to-assess
    severity: str = ""  # worst reaction: mild, moderate, severe
    manifestations: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    type: str = ""  # allergy, intolerance
    active: bool = True
    negated: bool = False
    no_known: bool = False


class Medication(Fact, frozen=True, kw_only=True, gc=False):
    """A MedicationRequest, MedicationStatement or MedicationAdministration.

    ``label`` is the drug as the record names it.
    """

    resource_type: str
    intent: str = ""
    active: bool = True
    dose: str = ""  # dosage text as written
    start: datetime | None = None
    end: datetime | None = None
    do_not_perform: bool = False


class Event(Fact, frozen=True, kw_only=True, gc=False):
    """A Procedure, Encounter, Immunization, DiagnosticReport, DocumentReference, ImagingStudy, ServiceRequest, Coverage of care …"""

    resource_type: str
    category: str = ""  # encounter class, report category, modality
    start: datetime | None = None
    end: datetime | None = None
    text: str = ""  # conclusion, reason, body site; bounded, cleaned, never an instruction
    modalities: tuple[str, ...] = ()
    body_sites: tuple[Code, ...] = ()
    identifiers: tuple[str, ...] = ()


class Order(Fact, frozen=True, kw_only=True, gc=False):
    """A draft order of the hook's context. ``raw`` is its JSON as sent: an update action copies it with numbers as written."""

    resource_type: str
    raw: bytes
    intent: str = ""
    priority: str = ""
    categories: tuple[Code, ...] = ()
    modalities: tuple[str, ...] = ()  # DICOM modality codes a rule could tell from code or words: CT, MR, CR, US …
    body_sites: tuple[Code, ...] = ()
    reasons: tuple[str, ...] = ()
    dose: str = ""
    route: str = ""
    do_not_perform: bool = False
    selected: bool = True  # named in context.selections (order-select), else True


class Person(Struct, frozen=True, kw_only=True):
    """Who the record is about, without names, identifiers, addresses or contacts."""

    reference: str
    sex: str = ""  # administrative gender as written: male, female, other, unknown, ''
    birth_date: date | None = None
    birth_precision: str = ""  # day, month, year, ''
    deceased: bool = False
    deceased_at: datetime | None = None

    def age(self, now: datetime) -> int | None:
        """Completed years at ``now``; with a partial birth date the lowest age that is certain."""
        if self.birth_date is None:
            return None
        born = self.birth_date
        return now.year - born.year - ((now.month, now.day) < (born.month, born.day))

    def age_months(self, now: datetime) -> int | None:
        """Completed months at ``now``."""
        if self.birth_date is None:
            return None
        born = self.birth_date
        return (now.year - born.year) * 12 + now.month - born.month - (now.day < born.day)


F = TypeVar("F", bound=Fact)


class Record(Struct, frozen=True, kw_only=True):
    """Everything known about one patient at ``now``. Lists are newest first; undated facts stand last."""

    now: datetime
    person: Person
    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)  # concept → usable readings
    others: Sequence[Reading] = ()  # usable observations whose code units.toml does not know
    refused: Sequence[Reading] = ()  # observations that may not be used, each with its refusal
    problems: Sequence[Problem] = ()
    allergies: Sequence[Allergy] = ()
    medications: Sequence[Medication] = ()
    encounters: Sequence[Event] = ()
    procedures: Sequence[Event] = ()
    immunizations: Sequence[Event] = ()
    reports: Sequence[Event] = ()
    documents: Sequence[Event] = ()
    imaging: Sequence[Event] = ()
    requests: Sequence[Event] = ()  # placed ServiceRequests and other orders of the record
    goals: Sequence[Event] = ()  # code status and other advance directives
    orders: Sequence[Order] = ()  # drafts of the hook's context
    absences: Sequence[Absence] = ()
    truncated: Sequence[str] = ()  # what was cut by a cap, said in words
    faults: Counter[str] = field(default_factory=Counter)  # resources no reader could read, by reason
    excluded: Counter[str] = field(
        default_factory=Counter
    )  # resources read and left out: 'Condition: entered in error'

    def latest(self, concept: str, within: timedelta | None = None) -> Reading | None:
        """The newest usable reading of a concept, if it is not older than ``within``."""
        for reading in self.readings.get(concept, ()):
            if reading.time is None:
                return None
            if within is not None and self.now - reading.time > within:
                return None
            return reading
        return None

    def looked_for(self, resource_type: str) -> bool:
        """True when the resource type was really searched (found or none found), false when absent for another reason."""
        return all(a.reason is Reason.NONE_FOUND for a in self.absences if a.what == resource_type)

    def absence(self, what: str) -> Absence | None:
        """The absence recorded for a resource type or concept, if any."""
        return next((a for a in self.absences if a.what == what), None)

    def facts(self) -> Iterator[Fact]:
        """Every usable fact, newest first within its kind."""
        for series in self.readings.values():
            yield from series
        yield from self.others
        yield from self.entries()
        yield from self.orders

    def entries(self) -> Iterator[Fact]:
        """The usable facts that are neither readings nor drafts."""
        for kind in (
            self.problems, self.allergies, self.medications, self.encounters, self.procedures, self.immunizations,
            self.reports, self.documents, self.imaging, self.requests, self.goals,
        ):  # fmt: skip
            yield from kind
