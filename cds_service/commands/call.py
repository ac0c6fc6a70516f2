"""Acts as a CDS client: builds a conformant hook request, with prefetch from a FHIR server or a Bundle file.

Failed prefetch queries are left out, as the specification asks of a client (checklist row R5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

from cds_service.errors import BadRequest
from cds_service.hooks.protocol import ServiceEntry, Services, decode_as_written
from fhir_adapters.templates import resolve

DEFAULT_USER = "Practitioner/demo-practitioner"
Query = Callable[[str], Awaitable[bytes | None]]
NEEDS_ENCOUNTER = frozenset({"encounter-start", "encounter-discharge"})
NEEDS_ORDERS = frozenset({"order-select", "order-sign"})


class Ask(Struct, frozen=True, kw_only=True):
    """What the caller wants to know, as the command line says it."""

    hook: str
    patient: str
    service: str = ""
    user: str = DEFAULT_USER
    encounter: str = ""
    orders: Path | None = None
    draft_orders: Mapping[str, Any] | None = None
    select: tuple[str, ...] = ()
    fhir_server: str = ""


def choose(services: Services, ask: Ask) -> ServiceEntry:
    """The service of the discovery document for this hook, by id if one is named."""
    matching = [s for s in services.services if s.hook == ask.hook and ask.service in ("", s.id)]
    if not matching:
        offered = ", ".join(f"{s.id} ({s.hook})" for s in services.services)
        raise BadRequest(
            f"no service for hook '{ask.hook}'{' with id ' + ask.service if ask.service else ''}; offered: {offered}"
        )
    return matching[0]


async def build_request(entry: ServiceEntry, ask: Ask, query: Query | None) -> bytes:
    """The JSON body of the hook call (CDS Hooks 2.0.1 §HTTP Request)."""
    context = context_of(ask)
    body: dict[str, Any] = {"hook": ask.hook, "hookInstance": str(uuid4()), "context": context}
    if ask.fhir_server:
        body["fhirServer"] = ask.fhir_server
    if query is not None:
        body["prefetch"] = await prefetch_of(entry, context, query)
    return msgspec.json.encode(body)


def context_of(ask: Ask) -> dict[str, Any]:
    """The context members of the hook (library of hooks, 1.0)."""
    context: dict[str, Any] = {"userId": ask.user, "patientId": ask.patient}
    if ask.encounter:
        context["encounterId"] = ask.encounter
    elif ask.hook in NEEDS_ENCOUNTER:
        raise BadRequest(f"{ask.hook} needs --encounter ID")
    if ask.hook in NEEDS_ORDERS:
        orders = draft_orders(ask)
        context["draftOrders"] = orders
        if ask.hook == "order-select":
            context["selections"] = list(ask.select) or [reference(e["resource"]) for e in orders["entry"]]
    return context


def draft_orders(ask: Ask) -> dict[str, Any]:
    """A Bundle of drafts from a file that holds a Bundle, one resource or a list of them."""
    if ask.draft_orders is not None:
        return dict(ask.draft_orders)
    if ask.orders is None:
        raise BadRequest(f"{ask.hook} needs --orders FILE (a Bundle, one order or a list of orders as FHIR JSON)")
    try:
        found = decode_as_written(ask.orders.read_bytes())
    except msgspec.DecodeError as fault:
        raise BadRequest(f"{ask.orders} is no JSON: {fault}") from None
    if isinstance(found, dict) and found.get("resourceType") == "Bundle":
        return found
    resources: Sequence[Any] = found if isinstance(found, list) else [found]
    if not all(isinstance(each, dict) and each.get("resourceType") for each in resources):
        raise BadRequest(f"{ask.orders} holds something that is no FHIR resource (a JSON object with a resourceType)")
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def reference(resource: Mapping[str, Any]) -> str:
    """``Type/id``."""
    return f"{resource.get('resourceType', '')}/{resource.get('id', '')}"


async def prefetch_of(entry: ServiceEntry, context: Mapping[str, Any], query: Query) -> dict[str, Raw]:
    """Each template of the service that the context can fill and the source can answer."""
    tokens = {key: value for key, value in context.items() if isinstance(value, str)}
    prefetch = {}
    for key, template in entry.prefetch.items():
        try:
            path = resolve(template, tokens)
        except ValueError:
            continue
        found = await query(path)
        if found is not None:
            prefetch[key] = Raw(found)
    return prefetch
