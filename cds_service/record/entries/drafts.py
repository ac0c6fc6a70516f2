"""Draft orders of a hook's context → orders. Each keeps its bytes.

What has no reader stays, so that the rules can say that it was not checked; a Medication among the drafts is no order
but what one of them refers to.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from cds_service.errors import WrongPatient
from cds_service.record import text
from cds_service.record.coding import Coded, coded
from cds_service.record.entries.medications import dose, drug
from cds_service.record.entries.requests import body_sites, categories, name_of, reasons, word
from cds_service.record.entries.scope import Scope, joined, remark
from cds_service.record.facts import Order
from cds_service.record.words import modalities
from fhir_adapters.read.medication import MedicationRequestView, MedicationView
from fhir_adapters.read.orders import OrderView, read_orders
from fhir_adapters.read.view import View


def orders(scope: Scope, drafts: Raw | None, selections: Sequence[str]) -> list[Order]:
    """Drafts in the order sent. Raises WrongPatient when one names another patient than the context."""
    chosen = {s.partition("/_history/")[0] for s in selections}
    found = read_orders(drafts)
    scope.gathered.index.add((f"Medication/{d.id}", d.url, d.view) for d in found if isinstance(d.view, MedicationView))
    return [_order(scope, draft, chosen) for draft in found if not isinstance(draft.view, MedicationView)]


def _order(scope: Scope, draft: OrderView, chosen: set[str]) -> Order:
    view = draft.view
    subject = getattr(view, "subject", None) or getattr(view, "patient", None)
    if scope.whose.names_another(subject):
        raise WrongPatient(
            f"context.draftOrders holds a {draft.resource_type} for another patient than context.patientId"
        )
    name, unresolved = _name(scope, view)
    identity = text.clean(draft.id, 64)
    kind = text.label(draft.resource_type)
    reference = f"{kind}/{identity}" if identity else text.clean(draft.url, 120)
    when = scope.at(_text(view, "authoredOn") or _text(view, "dateTime"))
    return Order(
        number=0,
        reference=reference,
        label=name.label or f"{kind or 'Order'} not named",
        codes=name.codes,
        time=when.time,
        time_text=when.text,
        status=word(view, "status"),
        note=joined(remark(view, "") if view is not None else "", name.note, unresolved, draft.fault),
        resource_type=kind,
        raw=draft.raw,
        intent=word(view, "intent"),
        priority=word(view, "priority"),
        categories=categories(view),
        modalities=modalities(name.label) if draft.resource_type == "ServiceRequest" else (),
        body_sites=body_sites(view),
        reasons=reasons(view),
        dose=dose(view.dosageInstruction) if isinstance(view, MedicationRequestView) else "",
        route=_route(view),
        do_not_perform=bool(getattr(view, "doNotPerform", None)),
        selected=not chosen or reference in chosen or identity in chosen or draft.url in chosen,
    )


def _name(scope: Scope, view: View | None) -> tuple[Coded, str]:
    if isinstance(view, MedicationRequestView):
        return drug(scope, view)
    return name_of(view), ""


def _text(view: View | None, name: str) -> str:
    value = getattr(view, name, None)
    return value if isinstance(value, str) else ""


def _route(view: View | None) -> str:
    if not isinstance(view, MedicationRequestView):
        return ""
    return next((found.label for d in view.dosageInstruction or () if (found := coded(d.route)).label), "")
