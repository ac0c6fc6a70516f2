"""Placed orders of the record (ServiceRequest and its kin) → events."""

from __future__ import annotations

from typing import Any

import msgspec

from cds_service.record import text, times
from cds_service.record.coding import Coded, coded, texts
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Code, Event
from cds_service.record.words import modalities
from fhir_adapters.read.datatypes import CodeableConcept
from fhir_adapters.read.requests import (
    DeviceRequestView,
    NutritionOrderView,
    ServiceRequestView,
    VisionPrescriptionView,
)
from fhir_adapters.read.view import View

REQUESTS: tuple[type[View], ...] = (ServiceRequestView, DeviceRequestView, NutritionOrderView, VisionPrescriptionView)


def requests(scope: Scope) -> list[Event]:
    """Orders of the record, drafts of the hook aside. ``time`` is when it was authored, ``start`` when it is to happen."""
    made = []
    for kind in REQUESTS:
        for view, reference, note in scope.of(kind):
            name = name_of(view)
            when, due, end = _times(scope, view)
            stop = bool(getattr(view, "doNotPerform", None))
            made.append(
                Event(
                    number=0, reference=reference, resource_type=view.resourceType,
                    label=name.label or f"{view.resourceType} not named", codes=name.codes, time=when.time,
                    time_text=when.text, status=word(view, "status"),
                    note=joined(note, name.note, "do not perform" if stop else "", word(view, "priority")),
                    category="/".join(c.code for c in categories(view)), start=due, end=end, text=reasons_text(view),
                    modalities=modalities(name.label), body_sites=body_sites(view),
                )
            )  # fmt: skip
    return made


def name_of(view: View | None) -> Coded:
    """What is ordered, whichever member says it."""
    if isinstance(view, ServiceRequestView):
        name = coded(view.code)
        if name.concept is not None and view.code is not None and view.code.text:
            name = msgspec.structs.replace(name, label=text.label(view.code.text))  # as the orderer calls it
        details = [d for d in texts(view.orderDetail) if d.casefold() not in name.label.casefold()]
        return Coded(
            name.codes, text.clean(" · ".join([name.label, *details] if name.label else details), 240), note=name.note
        )
    if isinstance(view, DeviceRequestView):
        name = coded(view.codeCodeableConcept)
        shown = view.codeReference.display if view.codeReference is not None else None
        return name if name.label else Coded(name.codes, text.label(shown or ""))
    if isinstance(view, NutritionOrderView):
        return _diet(view)
    if isinstance(view, VisionPrescriptionView):
        return next(
            (found for lens in view.lensSpecification or () if (found := coded(lens.product)).label), Coded((), "")
        )
    return Coded((), "")


def _diet(view: NutritionOrderView) -> Coded:
    concepts: list[CodeableConcept] = list(view.oralDiet.type or ()) if view.oralDiet is not None else []
    names: list[str] = []
    for supplement in (view.supplement or ())[:10]:
        if supplement.type is not None:
            concepts.append(supplement.type)
        elif supplement.productName:
            names.append(text.label(supplement.productName))
    if view.enteralFormula is not None:
        if view.enteralFormula.baseFormulaType is not None:
            concepts.append(view.enteralFormula.baseFormulaType)
        elif view.enteralFormula.baseFormulaProductName:
            names.append(text.label(view.enteralFormula.baseFormulaProductName))
    found = [coded(c) for c in concepts]
    codes = tuple(dict.fromkeys(c for f in found for c in f.codes))
    return Coded(codes, text.clean(", ".join([*(f.label for f in found if f.label), *names]), text.LABEL))


def _times(scope: Scope, view: View) -> tuple[times.Moment, Any, Any]:
    def written(name: str) -> str | None:
        value = getattr(view, name, None)
        return value if isinstance(value, str) else None

    when = scope.at(written("authoredOn"), written("dateTime"), written("dateWritten"), written("created"))
    period = getattr(view, "occurrencePeriod", None)
    start, end = scope.period(period)
    timing = getattr(view, "occurrenceTiming", None)
    event = timing.event[0] if timing is not None and timing.event else None
    return when, start or scope.at(written("occurrenceDateTime"), event).time, end


def word(view: View | None, name: str) -> str:
    """A code member as a bounded lower-case word."""
    value = getattr(view, name, None)
    return text.word(value) if isinstance(value, str) else ""


def categories(view: View | None) -> tuple[Code, ...]:
    """The categories of an order."""
    given = getattr(view, "category", None)
    return (
        tuple(dict.fromkeys(code for c in given or () for code in _codes_or_words(c)))
        if isinstance(given, list)
        else ()
    )


def _codes_or_words(concept: CodeableConcept) -> tuple[Code, ...]:
    found = coded(concept)
    return found.codes or ((Code("", found.label, found.label),) if found.label else ())


def body_sites(view: View | None) -> tuple[Code, ...]:
    """Where on the body."""
    given = getattr(view, "bodySite", None)
    return (
        tuple(dict.fromkeys(code for c in given or () for code in _codes_or_words(c)))
        if isinstance(given, list)
        else ()
    )


def reasons(view: View | None) -> tuple[str, ...]:
    """Why it is ordered, as written."""
    said = list(texts(getattr(view, "reasonCode", None)))
    said += [text.label(r.display) for r in (getattr(view, "reasonReference", None) or ())[:10] if r.display]
    return tuple(dict.fromkeys(said))


def reasons_text(view: View) -> str:
    """The reasons in one line."""
    return text.clean("; ".join(reasons(view)), text.NOTE)
