"""MedicationRequest, -Statement and -Administration → medications, with the drug found wherever the reference points."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record import text
from cds_service.record.coding import NOTHING, Coded, coded
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Code, Medication
from cds_service.record.observations.values import wrote
from fhir_adapters.read.datatypes import Dosage
from fhir_adapters.read.medication import (
    MedicationAdministrationView,
    MedicationRequestView,
    MedicationStatementView,
    MedicationView,
)

Prescribed = MedicationRequestView | MedicationStatementView | MedicationAdministrationView
ACTIVE = frozenset({"active", ""})  # a missing status is no reason to leave a drug unchecked
STATUS_REMARKS = {"": "status not stated", "on-hold": "on hold", "not-taken": "not taken", "unknown": "status unknown"}
NOT_ORDERS = frozenset({"proposal", "option"})
UNRESOLVED = "drug known by name only; its code was not sent"

NEITHER = "neither its name nor its code was sent"


def medications(scope: Scope) -> list[Medication]:
    """Everything prescribed, stated or given."""
    return [*_requests(scope), *_statements(scope), *_administrations(scope)]


def _requests(scope: Scope) -> Iterator[Medication]:
    for view, reference, note in scope.of(MedicationRequestView):
        name, unresolved = drug(scope, view)
        status, intent = text.word(view.status), text.word(view.intent)
        when = scope.at(view.authoredOn)
        period = view.dispenseRequest.validityPeriod if view.dispenseRequest else None
        start, end = scope.period(period)
        yield Medication(
            number=0, reference=reference, label=name.label, codes=name.codes, time=when.time, time_text=when.text,
            status=status,
            note=joined(note, name.note, unresolved, STATUS_REMARKS.get(status, "")),
            resource_type="MedicationRequest", intent=intent,
            active=status in ACTIVE and intent not in NOT_ORDERS and not view.doNotPerform,
            dose=dose(view.dosageInstruction), start=start or when.time, end=end,
            do_not_perform=bool(view.doNotPerform),
        )  # fmt: skip


def _statements(scope: Scope) -> Iterator[Medication]:
    for view, reference, note in scope.of(MedicationStatementView):
        name, unresolved = drug(scope, view)
        status = text.word(view.status)
        start, end = scope.period(view.effectivePeriod)
        when = scope.at(
            view.effectiveDateTime, view.effectivePeriod.start if view.effectivePeriod else None, view.dateAsserted
        )
        ended = end is not None and end < scope.now
        yield Medication(
            number=0, reference=reference, label=name.label, codes=name.codes, time=when.time, time_text=when.text,
            status=status,
            note=joined(note, name.note, unresolved, STATUS_REMARKS.get(status, "")),
            resource_type="MedicationStatement", active=status in ACTIVE and not ended,
            dose=dose(view.dosage), start=start or when.time, end=end,
        )  # fmt: skip


def _administrations(scope: Scope) -> Iterator[Medication]:
    for view, reference, note in scope.of(MedicationAdministrationView):
        name, unresolved = drug(scope, view)
        status = text.word(view.status)
        start, end = scope.period(view.effectivePeriod)
        when = scope.past(
            scope.at(view.effectiveDateTime, view.effectivePeriod.start if view.effectivePeriod else None)
        )
        yield Medication(
            number=0, reference=reference, label=name.label, codes=name.codes, time=when.time, time_text=when.text,
            status=status,
            note=joined(note, name.note, unresolved, when.note, "not given" if status == "not-done" else ""),
            resource_type="MedicationAdministration", active=status == "in-progress",
            dose=dose([view.dosage] if view.dosage else None), start=start or when.time, end=end,
        )  # fmt: skip


def drug(scope: Scope, view: Prescribed) -> tuple[Coded, str]:
    """The drug and its ingredients, and a remark where the reference leads nowhere."""
    named = coded(view.medicationCodeableConcept)
    if named is not NOTHING and (named.label or named.codes):
        return named, ""
    reference = view.medicationReference
    found = scope.gathered.index.medication(reference, view.contained)
    if found is not None:
        made = of_medication(found)
        if made.label:
            return made, ""
    display = text.label(reference.display) if reference is not None and reference.display else ""
    return Coded((), display or "Medication not named"), UNRESOLVED if display else NEITHER


def of_medication(view: MedicationView) -> Coded:
    """A Medication's own code and those of its ingredients, so that either finds the drug."""
    own = coded(view.code)
    parts = [coded(i.itemCodeableConcept) for i in (view.ingredient or ())[:20]]
    codes: dict[Code, None] = dict.fromkeys((*own.codes, *(c for p in parts for c in p.codes)))
    label = own.label or text.clean(" + ".join(p.label for p in parts if p.label), text.LABEL)
    return Coded(tuple(codes), label, note=own.note)


def dose(dosages: list[Dosage] | None) -> str:
    """Dosage as written, or put together from its parts."""
    said = []
    for dosage in (dosages or ())[:5]:
        words = dosage.text or dosage.patientInstruction
        if not words:
            words = " ".join(filter(None, (_amount(dosage), coded(dosage.route).label, _frequency(dosage))))
        if words:
            said.append(text.clean(words, 200))
    return "; ".join(said)


def _amount(dosage: Dosage) -> str:
    if dosage.dose is not None:
        return wrote(dosage.dose)
    for rate in dosage.doseAndRate or ():
        if rate.doseQuantity is not None:
            return wrote(rate.doseQuantity)
        if rate.doseRange is not None:
            return " – ".join(wrote(q) for q in (rate.doseRange.low, rate.doseRange.high) if q is not None)
        if rate.rateQuantity is not None:
            return wrote(rate.rateQuantity)
    return ""


def _frequency(dosage: Dosage) -> str:
    return coded(dosage.timing.code).label if dosage.timing is not None else ""
