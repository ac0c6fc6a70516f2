"""Observations → readings and refusals. One pass; each observation ends in exactly one of the two, panels in parts.

The usual observation (final, one quantity, a time, this patient) takes a short way; everything else takes the full
one, which judges the same and more. Tests hold the two to the same answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache

from msgspec import Raw, Struct, field
from msgspec.structs import force_setattr as write

from cds_service.record import text, times
from cds_service.record.coding import NOTHING, Coded, coded
from cds_service.record.entries.patient import Whose
from cds_service.record.facts import Reading, Refusal
from cds_service.record.observations import values
from cds_service.record.observations.samples import interpret, limits, spoilt, spoilt_text
from cds_service.record.units import Conversion, conversion_for, plain, table
from fhir_adapters.read.datatypes import Quantity
from fhir_adapters.read.observation import NONE, ComponentView, ObservationView, code_of, interpretations
from fhir_adapters.read.tolerant import Misfit

USABLE = frozenset({"final", "amended", "corrected", "preliminary"})
JUDGED = frozenset({"status", "code", "subject", "component", "dataAbsentReason", "focus", *values.KINDS})
LONGEST = 3 * text.CACHED  # characters of what observations share, beyond which it is not kept
ISSUED = "time of issue: time of sampling not given"
UNNAMED = Coded((), "Observation without a name", note="no code")
Items = Sequence[tuple[ObservationView, str, str, bool]]


class Found(Struct):
    """What the observations of a record come to."""

    usable: defaultdict[str, list[Reading]] = field(default_factory=lambda: defaultdict(list))  # by concept, unsorted
    others: list[Reading] = field(default_factory=list)
    refused: list[Reading] = field(default_factory=list)
    identifiers: dict[tuple[str, str, str], list[Reading]] = field(default_factory=dict)

    def file(self, reading: Reading) -> None:
        """Put one reading where it belongs."""
        if reading.refusal is not None:
            self.refused.append(reading)
        elif not reading.concept:
            self.others.append(reading)
        else:
            self.usable[reading.concept].append(reading)


class Usual(Struct, frozen=True, gc=False):
    """What observations of one code, unit, range and flag share. ``key`` is '' for a code units.toml does not know."""

    name: Coded
    key: str
    unit: str
    least: Decimal
    most: Decimal
    low: Decimal | None
    high: Decimal | None
    flags: tuple[str, ...]
    conversion: Conversion | None = None


@lru_cache(maxsize=4096)
def usual(
    code: bytes, limits_: bytes, flagged: bytes, unit: str | None, unit_code: str | None, unit_system: str | None
) -> Usual | None:
    """A measurement in a unit that needs no remark, about whose code and flag there is nothing to remark; else None."""
    if len(code) + len(limits_) + len(flagged) + sum(map(len, filter(None, (unit, unit_code, unit_system)))) > LONGEST:
        raise text.Oversize
    name, damaged = named(Raw(code))
    flags, said = interpret(interpretations(Raw(flagged)))
    if damaged or name.note or not name.label or said:
        return None
    quantity, known = Quantity(unit=unit, code=unit_code, system=unit_system), name.concept
    if known is None:
        low, high = limits(Raw(limits_), quantity, name, None)
        printed = text.label(unit or unit_code or "")
        return Usual(name, "", printed, values.LEAST, values.MOST, low, high, flags)
    found = conversion_for(known.key, name.code, unit, unit_code, unit_system) if known.kind == "number" else ""
    if isinstance(found, str):
        return None
    low, high = limits(Raw(limits_), quantity, name, found)
    return Usual(name, known.key, known.unit, found.low, found.high, low, high, flags, found)


def named(code: Raw) -> tuple[Coded, bool]:
    """The judged code of an observation, and whether it was there and could not be read."""
    try:
        return coded(code_of(code)), False
    except Misfit:
        return NOTHING, True


class Reader:
    """Reads the observations of one build. Holds its clock and whose record it is; nothing outlives the build."""

    def __init__(self, now: datetime, zone: tzinfo, whose: Whose) -> None:
        self.now, self.zone, self.whose = now, zone, whose
        self.latest = now.astimezone(UTC) + times.SKEW
        self.found = Found()
        self.own, self.usable, self.others = whose.own, self.found.usable, self.found.others
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
        """File the usual observation and say so; False leaves it to ``read``. Hot: every attribute is read at most once."""
        quantity, subject, written = view.valueQuantity, view.subject, view.effectiveDateTime
        if (
            quantity is None or view.status != "final" or subject is None or subject.reference not in self.own
            or written is None or quantity.comparator is not None or view.component is not None
            or view.dataAbsentReason is not None or view.note is not None or view.damaged or view.focus is not None
            or view.modifierExtension is not None or view.valueCodeableConcept is not None
            or view.valueString is not None or view.valueInteger is not None or view.valueBoolean is not None
            or view.valueDateTime is not None or view.valueRange is not None or view.valueRatio is not None
            or view.valueTime is not None or view.valuePeriod is not None or view.valueSampledData is not None
        ):  # fmt: skip
            return False
        number = quantity.value
        if number is None or not number.is_finite() or number.adjusted() < values.FINEST:
            return False
        try:
            known = usual(
                bytes(view.code), bytes(view.referenceRange), bytes(view.interpretation),
                quantity.unit, quantity.code, quantity.system,
            )  # fmt: skip
        except text.Oversize:
            return False
        when = self.moments.get(written) or self._moment(written)
        if known is None or when is None or not known.least <= number <= known.most:
            return False
        conversion, name = known.conversion, known.name
        reading = Reading(
            number=0, reference=reference, label=name.label, codes=name.codes, concept=known.key, time=when,
            time_text=written, status="final", value=number, unit=known.unit, low=known.low, high=known.high,
            flags=known.flags,
        )  # fmt: skip
        if conversion is not None and conversion.steps:
            write(reading, "value", conversion.apply(number))
            write(reading, "written", values.wrote(quantity))
            write(reading, "written_value", number)
            write(reading, "written_unit", conversion.unit)
        (self.usable[known.key] if known.key else self.others).append(reading)
        if view.identifier is not None:
            self._remember(view, reading)
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
        moment, refusal = self._when(view)
        status = view.status
        if status not in USABLE:
            status = text.word(status)
            if status not in USABLE:
                refusal = Refusal.ENTERED_IN_ERROR if status == "entered-in-error" else Refusal.NOT_FINAL
        note, subject = moment.note, view.subject
        if subject is None or subject.reference not in self.own or view.focus is not None:
            stranger, said = self._stranger(view, prefetch)
            refusal, note = stranger or refusal, _and(note, said)
        if view.damaged and not JUDGED.isdisjoint(view.damaged):
            refusal, note = refusal or Refusal.MALFORMED, _and(note, f"unreadable: {', '.join(view.damaged)}")
        if view.modifierExtension:
            refusal, note = refusal or Refusal.MALFORMED, _and(note, "changed by an extension we do not know")
        if view.note is not None:
            note = _and(note, spoilt(view.note))
        name, damaged = named(view.code)
        if damaged:
            refusal, note = refusal or Refusal.MALFORMED, _and(note, "unreadable: code")
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

    def _when(self, view: ObservationView) -> tuple[times.Moment, Refusal | None]:
        written = view.effectiveDateTime
        if written is None:
            moment = self._other_time(view)
            return moment, times.judge(moment, self.now, self.zone)
        found = self.moments.get(written) or self._moment(written)
        if found is not None:
            return times.Moment(found, written, "second"), None
        moment = times.parse(written, self.zone)
        return moment, times.judge(moment, self.now, self.zone)

    def _other_time(self, view: ObservationView) -> times.Moment:
        """A period counts from its end unless that lies ahead; the time of issue is a last resort, and said."""
        if view.effectiveInstant:
            return times.parse(view.effectiveInstant, self.zone)
        period = view.effectivePeriod
        if period is not None and (period.end or period.start):
            end, start = times.parse(period.end, self.zone), times.parse(period.start, self.zone)
            ended = end.time is not None and end.time <= self.latest
            return end if ended or not period.start else start
        if view.effectiveTiming is not None and view.effectiveTiming.event:
            return max((times.parse(e, self.zone) for e in view.effectiveTiming.event[:100]), key=_or_never)
        if view.issued and not any(name.startswith("effective") for name in view.damaged):
            moment = times.parse(view.issued, self.zone)
            return times.Moment(moment.time, moment.text, moment.precision, _and(ISSUED, moment.note))
        return times.NEVER

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
        flags, said = interpret(interpretations(view.interpretation))
        note = _and(note, said)
        if not name.label:
            name, refusal = UNNAMED, refusal or Refusal.MALFORMED
        if name.note or value.note:
            note = _and(_and(note, name.note), value.note)
        if value.text and value.refusal is not None:
            note = _and(note, spoilt_text(value.text))
        concept = name.concept
        reading = Reading(
            number=0, reference=reference, label=name.label, codes=name.codes, concept=concept.key if concept is not None else "",
            time=moment.time, time_text=moment.text, status=status, note=note, value=value.value,
            comparator=value.comparator, unit=value.unit, text=value.text, flags=flags, refusal=refusal,
        )  # fmt: skip
        # More than fifteen keywords would take Python's slow call; the reading is still ours alone.
        if value.written or value.codes:
            write(reading, "value_codes", value.codes)
            write(reading, "written", value.written)
            write(reading, "written_value", value.written_value)
            write(reading, "written_unit", value.written_unit)
        if parent.note is not None and any(each.text and not each.text.isspace() for each in parent.note):
            write(reading, "noted", True)
        if view.referenceRange is not NONE and view.valueQuantity is not None and value.value is not None:
            low, high = limits(view.referenceRange, view.valueQuantity, name, value.conversion)
            write(reading, "low", low)
            write(reading, "high", high)
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
    return Coded(name.codes, other.label, other, name.code, name.note), values.Value(
        text=answer, codes=value.codes, written=value.text
    )


def _or_never(moment: times.Moment) -> datetime:
    return moment.time or times.EARLIEST


def _and(one: str, other: str) -> str:
    if not other or other in one:
        return one
    return f"{one}; {other}" if one else other
