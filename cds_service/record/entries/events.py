"""Encounters, procedures, immunizations and imaging studies → events."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.record import text
from cds_service.record.coding import Coded, coded, of_coding, texts
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Code, Event
from fhir_adapters.read.datatypes import CodeableConcept, Identifier
from fhir_adapters.read.encounter import EncounterView
from fhir_adapters.read.events import ImagingStudyView, ImmunizationView, ProcedureView

CLASSES = {
    "AMB": "Ambulatory visit", "EMER": "Emergency visit", "IMP": "Inpatient stay", "ACUTE": "Inpatient acute stay",
    "NONAC": "Inpatient non-acute stay", "OBSENC": "Observation stay", "SS": "Short stay", "HH": "Home health visit",
    "VR": "Virtual visit", "FLD": "Field visit", "PRENC": "Pre-admission visit",
}  # fmt: skip


def encounters(scope: Scope) -> list[Event]:
    """Contacts; ``category`` is the class code (v3 ActCode), ``end`` the discharge, ``note`` where the patient went."""
    made = []
    for view, reference, note in scope.of(EncounterView):
        status = text.word(view.status)
        if status == "cancelled":
            scope.excluded["Encounter: cancelled"] += 1
            continue
        kind = of_coding(view.class_)
        code = kind.codes[0].code if kind.codes else ""
        written = view.period.start if view.period else None
        start, end = scope.period(view.period)
        when = scope.at(written)
        went = coded(view.hospitalization.dischargeDisposition).label if view.hospitalization else ""
        made.append(
            Event(
                number=0, reference=reference, resource_type="Encounter",
                label=next(iter(texts(view.type)), "") or CLASSES.get(code, "") or kind.label or "Encounter",
                codes=_codes(view.type), time=when.time, time_text=when.text, status=status,
                note=joined(note, f"discharge: {went}" if went else ""), category=code, start=start, end=end,
                text=text.clean("; ".join(texts(view.reasonCode)), text.NOTE),
            )
        )  # fmt: skip
    return made


def procedures(scope: Scope) -> list[Event]:
    """Procedures; one that was not done says so."""
    made = []
    for view, reference, note in scope.of(ProcedureView):
        name = coded(view.code)
        period = view.performedPeriod
        when = scope.past(scope.at(view.performedDateTime, (period.end or period.start) if period else None))
        start, end = scope.period(period)
        status = text.word(view.status)
        made.append(
            Event(
                number=0, reference=reference, resource_type="Procedure", label=name.label or "Procedure not named",
                codes=name.codes, time=when.time, time_text=when.text or text.clean(view.performedString or "", 60),
                status=status, note=joined(note, name.note, when.note, "not done" if status == "not-done" else ""),
                category=coded(view.category).label, start=start or when.time, end=end,
                text=text.clean("; ".join(texts(view.reasonCode)), text.NOTE), body_sites=_codes(view.bodySite),
            )
        )  # fmt: skip
    return made


def immunizations(scope: Scope) -> list[Event]:
    """Vaccinations; one that was not given says so."""
    made = []
    for view, reference, note in scope.of(ImmunizationView):
        name = coded(view.vaccineCode)
        when = scope.past(scope.at(view.occurrenceDateTime))
        status = text.word(view.status)
        made.append(
            Event(
                number=0, reference=reference, resource_type="Immunization", label=name.label or "Vaccine not named",
                codes=name.codes, time=when.time, time_text=when.text or text.clean(view.occurrenceString or "", 60),
                status=status, note=joined(note, name.note, when.note, "not given" if status == "not-done" else ""),
                start=when.time, text=coded(view.statusReason).label,
            )
        )  # fmt: skip
    return made


def imaging(scope: Scope) -> list[Event]:
    """Imaging studies with their modalities, body sites and Study Instance UIDs."""
    made = []
    for view, reference, note in scope.of(ImagingStudyView):
        if text.word(view.status) == "cancelled":
            scope.excluded["ImagingStudy: cancelled"] += 1
            continue
        when = scope.past(scope.at(view.started))
        series = (view.series or ())[:500]
        modalities = dict.fromkeys(
            text.label(c.code) for c in (*(view.modality or ()), *(s.modality for s in series if s.modality)) if c.code
        )
        sites = dict.fromkeys(code for s in series for code in of_coding(s.bodySite).codes)
        name = _study_name(view)
        made.append(
            Event(
                number=0, reference=reference, resource_type="ImagingStudy", label=name.label or "Imaging study",
                codes=name.codes, time=when.time, time_text=when.text, status=text.word(view.status),
                note=joined(note, name.note, when.note), category="/".join(modalities), start=when.time,
                text=text.clean("; ".join(texts(view.reasonCode)), text.NOTE), modalities=tuple(modalities),
                body_sites=tuple(sites), identifiers=study_uids(view.identifier),
            )
        )  # fmt: skip
    return made


def _study_name(view: ImagingStudyView) -> Coded:
    named = next((found for c in view.procedureCode or () if (found := coded(c)).label), Coded((), ""))
    label = text.label(view.description) if view.description else named.label
    if not label:
        label = text.label(" / ".join(s.description for s in (view.series or ())[:3] if s.description))
    return Coded(named.codes, label, note=named.note)


def study_uids(identifiers: Iterable[Identifier] | None) -> tuple[str, ...]:
    """DICOM UIDs among identifiers: ``urn:oid:1.2…`` (R4), ``urn:dicom:uid:…`` and bare ones."""
    found = []
    for identifier in identifiers or ():
        value = (identifier.value or "").removeprefix("urn:oid:").removeprefix("urn:dicom:uid:")
        if value and len(value) <= 64 and value.replace(".", "").isdecimal() and "." in value:
            found.append(value)
    return tuple(dict.fromkeys(found))


def _codes(concepts: Iterable[CodeableConcept] | None) -> tuple[Code, ...]:
    return tuple(dict.fromkeys(code for c in concepts or () for code in coded(c).codes))
