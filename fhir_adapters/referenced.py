"""Medications that a record names by reference alone: which of them have to be fetched before a drug can be told.

R4 medicationrequest.html#MedicationRequest.medication_x_: a drug is a code, or a reference to a Medication that may be
contained, stand in the same Bundle (``_include``), or live on the server. Only the last kind is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Raw

from fhir_adapters.read.medication import (
    MedicationAdministrationView,
    MedicationRequestView,
    MedicationStatementView,
    MedicationView,
)
from fhir_adapters.read.orders import read_orders
from fhir_adapters.read.view import View
from fhir_adapters.retrieved import Retrieved
from fhir_adapters.templates import is_id

KEY = "medications-referenced"
MOST = 30  # Medications fetched in one call; the rest is said not to be checked
_NAMING = (MedicationRequestView, MedicationStatementView, MedicationAdministrationView)
_OVER = frozenset({"completed", "stopped", "cancelled", "entered-in-error", "not-done", "not-taken"})


def named_only_by_reference(found: Iterable[Retrieved], drafts: Raw | None) -> tuple[list[str], int]:
    """Ids of the Medications to fetch, drafts first, at most ``MOST``; and how many more there are."""
    orders = [order.view for order in read_orders(drafts)]
    views = [view for answer in found for page in answer.resources for view in page.views]
    held = {view.id for view in (*orders, *views) if isinstance(view, MedicationView)}
    wanted = dict.fromkeys(identity for identity in _references((*orders, *views)) if identity not in held)
    return list(wanted)[:MOST], max(len(wanted) - MOST, 0)


def _references(views: Iterable[View | None]) -> Iterator[str]:
    for view in views:
        if not isinstance(view, _NAMING) or view.medicationReference is None or view.status in _OVER:
            continue
        named = view.medicationCodeableConcept
        if named is not None and (named.text or named.coding):
            continue
        written = (view.medicationReference.reference or "").partition("/_history/")[0]
        kind, _, identity = written.rpartition("/")
        if kind.rpartition("/")[2] == "Medication" and is_id(identity):
            yield identity
