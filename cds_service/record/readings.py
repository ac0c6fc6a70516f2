"""Observations → readings and refusals. One pass; every observation ends in exactly one of the two, panels in their parts.

Hot path: 1,000 Observations must cost milliseconds, so names, units and times come from caches and nothing is matched by pattern
unless a note or an interpretation is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, tzinfo

from msgspec import Struct, field

from cds_service.record import text, times, values
from cds_service.record.coding import Coded, coded
from cds_service.record.facts import Reading, Refusal
from cds_service.record.patient import Whose
from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Quantity
from fhir_adapters.read.observation import ComponentView, ObservationView, ReferenceRange

USABLE = {"final": "final", "amended": "amended", "corrected": "corrected", "preliminary": "preliminary"}
STATUS_RANK = {"preliminary": 1, "final": 2, "amended": 3, "corrected": 3}
FLAGS = frozenset(
    "H HH HU L LL LU A AA N HX LX POS NEG IND E D U B W S R I NR RR WR < >".split()  # noqa: SIM905 - one list, readable
)
JUDGED = frozenset({"status", "code", "subject", "component", "dataAbsentReason", "focus", *values.KINDS})
ISSUED = "time of issue: time of sampling not given"
SPOILT = re.compile(
    r"(?P<not>\b(?:no|not|non|without|nil|negative for|absence of)[\s-]+(?:\w+\s+){0,2})?"
    r"\b(?P<what>ha?emoly[sz]|lip[ae]?emi|icteri|clotted|contaminat|diluted|drip arm|wrong tube|insufficient|old sample)"
    r"\w*(?P<none>\s*(?:index)?\s*[:=]?\s*(?:none|negative|absent|not detected|nil|no\b|0\b))?",
    re.IGNORECASE,
)


class Found(Struct):
    """What the observations of a record come to."""

    usable: dict[str, list[Reading]] = field(default_factory=dict)  # concept → readings, unsorted
    others: list[Reading] = field(default_factory=list)
    refused: list[Reading] = field(default_factory=list)
    identifiers: dict[tuple[str, str, str], list[Reading]] = field(default_factory=dict)


class Reader:
    """Reads the observations of one build. Holds its clock and whose record it is; nothing outlives the build."""

    def __init__(self, now: datetime, zone: tzinfo, whose: Whose) -> None:
        self.now, self.zone, self.whose = now, zone, whose
        self.latest = now + times.SKEW
        self.found = Found()

    def read(self, view: ObservationView, reference: str) -> None:
        """File one Observation: its own value, and each component."""
        moment, note, refusal = self._when(view)
        status = view.status or ""
        if status not in USABLE:
            folded = status.strip().casefold()
            if folded not in USABLE:
                refusal = Refusal.ENTERED_IN_ERROR if folded == "entered-in-error" else Refusal.NOT_FINAL
            status = folded[:40]
        subject = view.subject
        if subject is None or subject.reference not in self.whose.own:
            verdict = self.whose.judge(subject)
            refusal, note = (Refusal.OTHER_PATIENT, note) if verdict == "other" else (refusal, _and(note, verdict))
        if view.focus is not None and refusal is None and not self.whose.all_own(view.focus):
            refusal, note = Refusal.OTHER_PATIENT, _and(note, "about another focus")
        if view.damaged and not JUDGED.isdisjoint(view.damaged):
            refusal, note = refusal or Refusal.MALFORMED, _and(note, f"unreadable: {', '.join(view.damaged)}")
        if view.modifierExtension is not None and len(view.modifierExtension) > 4:
            refusal, note = refusal or Refusal.MALFORMED, _and(note, "changed by an extension we do not know")
        if view.note is not None:
            note = _and(note, spoilt(view.note))
        name = coded(view.code)
        shared = (reference, moment, note, refusal, status)
        components = view.component
        if components is None:
            self._file(view, name, shared, view)
            return
        if any(getattr(view, kind) is not None for kind in values.KINDS):
            self._file(view, name, shared, view)
        for component in components:
            part = coded(component.code)
            if part.concept is None and name.label:
                part = Coded(part.codes, text.clean(f"{name.label}: {part.label}", text.LABEL), note=part.note)
            self._file(component, part, shared, view)

    def _when(self, view: ObservationView) -> tuple[times.Moment, str, Refusal | None]:
        written = view.effectiveDateTime
        if written is not None:
            moment = times.parse(written, self.zone)
            note = moment.note
        else:
            moment, note = self._other_time(view)
        found = moment.time
        if found is not None and moment.precision == "second" and times.EARLIEST <= found <= self.latest:
            return moment, note, None
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
        if view.issued and "effectiveDateTime" not in view.damaged and "effectivePeriod" not in view.damaged:
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
        if value.refusal is not None:
            if refusal is None:
                refusal = value.refusal
                if refusal is Refusal.NO_VALUE and view is parent and parent.hasMember and not value.text:
                    return  # a panel: its members are observations of their own
        concept = name.concept
        if name.note:
            note = _and(note, name.note)
        if value.note:
            note = _and(note, value.note)
        flags: tuple[str, ...] = ()
        if view.interpretation is not None:
            flags, said = interpret(view.interpretation)
            note = _and(note, said)
        if value.text and value.refusal is not None:
            note = _and(note, spoilt_text(value.text))
        low = high = None
        if view.referenceRange is not None and value.value is not None:
            low, high = limits(view.referenceRange, view.valueQuantity, name, value)
        reading = Reading(
            number=0, reference=reference, label=name.label, codes=name.codes, concept=concept.key if concept else "",
            time=moment.time, time_text=moment.text, status=status, note=note, value=value.value,
            comparator=value.comparator, unit=value.unit, text=value.text, value_codes=value.codes, written=value.written,
            written_value=value.written_value, written_unit=value.written_unit, low=low, high=high, flags=flags,
            refusal=refusal,
        )  # fmt: skip
        if refusal is not None:
            self.found.refused.append(reading)
        elif concept is None:
            self.found.others.append(reading)
        else:
            series = self.found.usable.get(concept.key)
            if series is None:
                self.found.usable[concept.key] = [reading]
            else:
                series.append(reading)
        if parent.identifier is not None and refusal is None:
            self._remember(parent, reading)

    def _remember(self, view: ObservationView, reading: Reading) -> None:
        what = reading.concept or reading.label
        for identifier in view.identifier or ():
            if identifier.value:
                key = (identifier.system or "", identifier.value, what)
                self.found.identifiers.setdefault(key, []).append(reading)


def _or_never(moment: times.Moment) -> datetime:
    return moment.time or times.EARLIEST


def _and(one: str, other: str) -> str:
    return f"{one}; {other}" if one and other else one or other


def interpret(concepts: Iterable[CodeableConcept]) -> tuple[tuple[str, ...], str]:
    """The laboratory's flags (v3 ObservationInterpretation, v2 0078) and what its words say about the sample."""
    flags, note = [], ""
    for concept in concepts:
        found = coded(concept)
        flags += [c.code.upper() for c in found.codes if c.code.upper() in FLAGS]
        if not found.codes and found.label.upper() in FLAGS:
            flags.append(found.label.upper())
        note = _and(note, spoilt_text(found.label))
    return tuple(dict.fromkeys(flags)), note


def spoilt(notes: Iterable[Annotation]) -> str:
    """Words of the notes that make a value doubtful: haemolysed, clotted, diluted …"""
    return "; ".join(dict.fromkeys(said for n in notes if n.text and (said := spoilt_text(n.text))))


def spoilt_text(words: str) -> str:
    """'sample: …' with the source's own words, or '' where nothing (or only its denial) is said."""
    for match in SPOILT.finditer(words[:2000]):
        if not match["not"] and not match["none"]:
            what = "haemolysed" if "moly" in match["what"].casefold() else match[0].strip()
            return f"sample: {text.clean(what, 60)}"
    return ""


def limits(
    ranges: list[ReferenceRange], quantity: Quantity | None, name: Coded, value: values.Value
) -> tuple[values.Decimal | None, values.Decimal | None]:
    """The source's reference range in the reading's unit; only a range that is for everybody, and only one."""
    fit = [r for r in ranges if not r.appliesTo and r.age is None and _normal(r.type)] if len(ranges) > 1 else ranges
    if len(fit) != 1 or quantity is None:
        return None, None
    low, high = (_limit(q, quantity, name, value) for q in (fit[0].low, fit[0].high))
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def _limit(bound: Quantity | None, quantity: Quantity, name: Coded, value: values.Value) -> values.Decimal | None:
    if bound is None or bound.value is None or not bound.value.is_finite():
        return None
    same = (bound.unit is None and bound.code is None) or (bound.unit == quantity.unit and bound.code in (None, quantity.code))
    if same:
        conversion = value.conversion
        return bound.value if conversion is None or not conversion.steps else conversion.apply(bound.value)
    if name.concept is None:
        return None
    found = values.conversion_for(name.concept.key, name.code, bound.unit, bound.code, bound.system)
    return None if isinstance(found, str) else found.apply(bound.value)


def _normal(kind: CodeableConcept | None) -> bool:
    return kind is None or any(c.code == "normal" for c in coded(kind).codes)
