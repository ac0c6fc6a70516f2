"""Observations → readings and refusals. One pass; each observation ends in exactly one of the two, panels in parts.

The usual observation (final, one quantity, a time, this patient) takes a short way; everything else takes the full
one, which judges the same and more. Tests hold the two to the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct, field

from cds_service.record import text, times, values
from cds_service.record.coding import Coded, coded
from cds_service.record.facts import Reading, Refusal
from cds_service.record.patient import Whose
from cds_service.record.samples import interpret, limits, spoilt, spoilt_text
from cds_service.record.units import Conversion, conversion_for, plain, table
from fhir_adapters.read.datatypes import CodeableConcept, Coding
from fhir_adapters.read.observation import ComponentView, ObservationView

USABLE = frozenset({"final", "amended", "corrected", "preliminary"})
JUDGED = frozenset({"status", "code", "subject", "component", "dataAbsentReason", "focus", *values.KINDS})
ISSUED = "time of issue: time of sampling not given"
UNNAMED = Coded((), "Observation without a name", note="no code")
Items = Sequence[tuple[ObservationView, str, str, bool]]


class Found(Struct):
    """What the observations of a record come to."""

    usable: dict[str, list[Reading]] = field(default_factory=dict)  # concept → readings, unsorted
    others: list[Reading] = field(default_factory=list)
    refused: list[Reading] = field(default_factory=list)
    identifiers: dict[tuple[str, str, str], list[Reading]] = field(default_factory=dict)

    def file(self, reading: Reading) -> None:
        """Put one reading where it belongs."""
        if reading.refusal is not None:
            self.refused.append(reading)
        elif not reading.concept:
            self.others.append(reading)
        elif reading.concept in self.usable:
            self.usable[reading.concept].append(reading)
        else:
            self.usable[reading.concept] = [reading]


class Usual(Struct, frozen=True, gc=False):
    """Everything the short way needs to know of a code and a unit."""

    name: Coded
    key: str
    unit: str
    low: Decimal
    high: Decimal
    conversion: Conversion


@lru_cache(maxsize=8192)
def usual(
    system: str | None, code: str | None, display: str | None, words: str | None,
    unit: str | None, unit_code: str | None, unit_system: str | None,
) -> Usual | None:  # fmt: skip
    """A known measurement in its own unit about whose name there is nothing to remark; else None."""
    if sum(len(part or "") for part in (system, code, display, words, unit, unit_code, unit_system)) > 2 * text.CACHED:
        raise text.Oversize
    name = coded(CodeableConcept(coding=[Coding(system, code, display)], text=words))
    concept = name.concept
    if concept is None or concept.kind != "number" or name.note:
        return None
    found = conversion_for(concept.key, name.code, unit, unit_code, unit_system)
    if isinstance(found, str) or found.steps:
        return None
    return Usual(name, concept.key, concept.unit, found.low, found.high, found)


class Reader:
    """Reads the observations of one build. Holds its clock and whose record it is; nothing outlives the build."""

    def __init__(self, now: datetime, zone: tzinfo, whose: Whose) -> None:
        self.now, self.zone, self.whose = now, zone, whose
        self.latest = now.astimezone(UTC) + times.SKEW
        self.found = Found()
        self.own, self.usable = whose.own, self.found.usable
        self.moments: dict[str, datetime] = {}

    def read_all(self, items: Items) -> Found:
        """Every observation.

        Raises WrongPatient where the client itself sent one of another patient (fault matrix row 14).
        """
        short, full = self._usual, self.read
        for view, reference, _, prefetch in items:
            if not short(view, reference):
                full(view, reference, prefetch)
        return self.found

    def _usual(self, view: ObservationView, reference: str) -> bool:
        """File the usual observation and say so; False leaves it to ``read``. Every attribute is read at most once: hot."""
        quantity, subject, written, code = view.valueQuantity, view.subject, view.effectiveDateTime, view.code
        if (
            quantity is None or view.status != "final" or subject is None or subject.reference not in self.own
            or written is None or code is None or quantity.comparator is not None or view.component is not None
            or view.dataAbsentReason is not None or view.note is not None or view.damaged or view.focus is not None
            or view.identifier is not None or view.modifierExtension is not None or
            view.valueCodeableConcept is not None
            or view.valueString is not None or view.valueInteger is not None or view.valueBoolean is not None
            or view.valueDateTime is not None or view.valueRange is not None or view.valueRatio is not None
            or view.valueTime is not None or view.valuePeriod is not None or view.valueSampledData is not None
        ):  # fmt: skip
            return False
        codings, number = code.coding, quantity.value
        if codings is None or len(codings) != 1 or number is None or not number.is_finite():
            return False
        coding, unit, unit_code = codings[0], quantity.unit, quantity.code
        try:
            known = usual(coding.system, coding.code, coding.display, code.text, unit, unit_code, quantity.system)
        except text.Oversize:
            return False
        when = self.moments.get(written) or self._moment(written)
        if known is None or when is None or not known.low <= number <= known.high:
            return False
        flags: tuple[str, ...] = ()
        if view.interpretation is not None:
            flags, said = interpret(view.interpretation)
            if said:
                return False
        low = high = None
        if view.referenceRange is not None:
            low, high = limits(view.referenceRange, quantity, known.name, known.conversion)
        reading = Reading(
            number=0, reference=reference, label=known.name.label, codes=known.name.codes, concept=known.key, time=when,
            time_text=written, status="final", value=number, unit=known.unit, low=low, high=high, flags=flags,
        )  # fmt: skip
        series = self.usable.get(known.key)
        if series is None:
            self.usable[known.key] = [reading]
        else:
            series.append(reading)
        return True

    def _moment(self, written: str) -> datetime | None:
        """The moment of a plain dateTime with zone and at least minutes, neither ahead nor ancient; else None."""
        if not 16 < len(written) <= 40 or written[4] != "-" or written[10] != "T":
            return None
        try:
            found = datetime.fromisoformat(written)
        except (ValueError, OverflowError):
            return None
        if found.tzinfo is not UTC:
            if found.tzinfo is None or not 1800 < found.year < 9000:
                return None
            found = found.astimezone(UTC)
        if not times.EARLIEST <= found <= self.latest:
            return None
        self.moments[written] = found
        return found

    def read(self, view: ObservationView, reference: str, prefetch: bool = False) -> None:
        """File one Observation: its own value, and each component."""
        moment, note, refusal = self._when(view)
        status, bad_status = self._status(view.status)
        stranger, said = self._stranger(view, prefetch)
        refusal = stranger or bad_status or refusal
        note = _and(note, said)
        if view.damaged and not JUDGED.isdisjoint(view.damaged):
            refusal, note = refusal or Refusal.MALFORMED, _and(note, f"unreadable: {', '.join(view.damaged)}")
        if view.modifierExtension:
            refusal, note = refusal or Refusal.MALFORMED, _and(note, "changed by an extension we do not know")
        if view.note is not None:
            note = _and(note, spoilt(view.note))
        name = coded(view.code)
        shared = (reference, moment, note, refusal, status)
        if view.component is None:
            self._file(view, name, shared, view)
            return
        if view.valueQuantity is not None or values.other_kinds(view):
            self._file(view, name, shared, view)
        for component in view.component:
            part = coded(component.code)
            if part.concept is None and name.label:
                part = Coded(part.codes, text.clean(f"{name.label}: {part.label}", text.LABEL), note=part.note)
            self._file(component, part, shared, view)

    def _status(self, written: str | None) -> tuple[str, Refusal | None]:
        status = text.word(written)
        if status in USABLE:
            return status, None
        return status, Refusal.ENTERED_IN_ERROR if status == "entered-in-error" else Refusal.NOT_FINAL

    def _stranger(self, view: ObservationView, prefetch: bool) -> tuple[Refusal | None, str]:
        """Whether the observation is about somebody else, or about something else than its subject (Observation.focus)."""
        verdict = self.whose.judge(view.subject)
        if verdict == "other":
            if prefetch:
                self.whose.refuse_stranger(view.subject, "Observation")
            return Refusal.OTHER_PATIENT, ""
        if view.focus and not self.whose.all_own(view.focus):
            return Refusal.OTHER_PATIENT, _and(verdict, "about another focus")
        return None, verdict

    def _when(self, view: ObservationView) -> tuple[times.Moment, str, Refusal | None]:
        written = view.effectiveDateTime
        if written is not None:
            moment = times.parse(written, self.zone)
            note = moment.note
        else:
            moment, note = self._other_time(view)
        return moment, note, times.judge(moment, self.now, self.zone)

    def _other_time(self, view: ObservationView) -> tuple[times.Moment, str]:
        """A period counts from its end unless that lies ahead; the time of issue is a last resort, and said."""
        if view.effectiveInstant:
            moment = times.parse(view.effectiveInstant, self.zone)
            return moment, moment.note
        period = view.effectivePeriod
        if period is not None and (period.end or period.start):
            end, start = times.parse(period.end, self.zone), times.parse(period.start, self.zone)
            ended = end.time is not None and end.time <= self.latest
            moment = end if ended or not period.start else start
            return moment, moment.note
        if view.effectiveTiming is not None and view.effectiveTiming.event:
            moment = max((times.parse(e, self.zone) for e in view.effectiveTiming.event[:100]), key=_or_never)
            return moment, moment.note
        if view.issued and not any(name.startswith("effective") for name in view.damaged):
            moment = times.parse(view.issued, self.zone)
            return moment, _and(ISSUED, moment.note)
        return times.NEVER, ""

    def _file(
        self,
        view: ObservationView | ComponentView,
        name: Coded,
        shared: tuple[str, times.Moment, str, Refusal | None, str],
        parent: ObservationView,
    ) -> None:
        reference, moment, note, refusal, status = shared
        value = values.judge(view, name)
        if value.refusal is Refusal.NO_VALUE and value.text and name.concept is not None and name.concept.words_as:
            name, value = in_words(name, value)
        if refusal is None and value.refusal is not None:
            refusal = value.refusal
            if refusal is Refusal.NO_VALUE and view is parent and parent.hasMember and not value.text:
                return  # a panel: its members are observations of their own
        flags, said = interpret(view.interpretation) if view.interpretation is not None else ((), "")
        if not name.label:
            name, refusal = UNNAMED, refusal or Refusal.MALFORMED
        spoilt_by = spoilt_text(value.text) if value.text and value.refusal is not None else ""
        for remark in (name.note, value.note, said, spoilt_by):
            note = _and(note, remark)
        low = high = None
        if view.referenceRange is not None and view.valueQuantity is not None and value.value is not None:
            low, high = limits(view.referenceRange, view.valueQuantity, name, value.conversion)
        reading = Reading(
            number=0, reference=reference, label=name.label, codes=name.codes,
            concept=name.concept.key if name.concept is not None else "", time=moment.time, time_text=moment.text,
            status=status, note=note, value=value.value, comparator=value.comparator, unit=value.unit, text=value.text,
            value_codes=value.codes, written=value.written, written_value=value.written_value,
            written_unit=value.written_unit, low=low, high=high, flags=flags, refusal=refusal,
        )  # fmt: skip
        self.found.file(reading)
        if parent.identifier is not None and refusal is None:
            self._remember(parent, reading)

    def _remember(self, view: ObservationView, reading: Reading) -> None:
        what = reading.concept or reading.label
        for identifier in view.identifier or ():
            if identifier.value:
                key = (identifier.system or "", identifier.value, what)
                self.found.identifiers.setdefault(key, []).append(reading)


def in_words(name: Coded, value: values.Value) -> tuple[Coded, values.Value]:
    """A text where a number was asked for, when it is an answer of the concept the table names for that; else as it was."""
    other = table().concepts[name.concept.words_as] if name.concept is not None else None
    answer = other.answer_words.get(plain(value.text)) if other is not None else None
    if other is None or answer is None:
        return name, value
    return Coded(name.codes, other.label, other, name.code, name.note), values.Value(text=answer, codes=value.codes, written=value.text)


def _or_never(moment: times.Moment) -> datetime:
    return moment.time or times.EARLIEST


def _and(one: str, other: str) -> str:
    if not other or other in one:
        return one
    return f"{one}; {other}" if one else other
