"""Puts the EHR simulator into an application: FHIR server, page of patients, faults. Demo and sandbox modes only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

import msgspec
from fastapi import FastAPI
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from cds_service.web.simulator import dicomweb
from cds_service.web.simulator.archive import Archive
from cds_service.web.simulator.misbehaviour import Misbehaviour, Rule, faults
from cds_service.web.simulator.outcome import outcome
from cds_service.web.simulator.page import render
from cds_service.web.simulator.patients import DemoPatient, load_patients, practitioners
from cds_service.web.simulator.store import Store
from cds_service.web.simulator.wire import PATH, FhirEndpoint

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def attach_simulator(
    app: FastAPI, *, base_url: str | None, clock: Callable[[], datetime], folder: Path | None = None
) -> Store:
    """Serve the demo patients under ``/simulator/`` and their FHIR server under ``/simulator/fhir``.

    ``base_url`` is the service's public address; None takes it from each request. The charts' times are resolved
    against the clock of this moment. ``/simulator/dicomweb`` serves their radiographs, kept in ``folder``.
    """
    store = Store(clock)
    patients = _fill(store, clock())
    archive = Archive([body for patient in patients for body in patient.resources], folder or Path(mkdtemp()))
    for route in (*_routes(store, patients, base_url), *dicomweb.routes(archive)):
        app.router.routes.append(route)
    return store


def _fill(store: Store, now: datetime) -> list[DemoPatient]:
    patients = load_patients(now)
    for body in practitioners(now):
        store.adopt(body)
    for patient in patients:
        for body in patient.resources:
            store.adopt(body)
        if patient.more is not None:
            store.later(patient.id, "Observation", patient.more)
    return patients


def _routes(store: Store, patients: Sequence[DemoPatient], base_url: str | None) -> list[Route]:
    by_id = {patient.id: patient for patient in patients}

    async def overview(request: Request) -> Response:
        base = (base_url or str(request.base_url)).rstrip("/")
        return HTMLResponse(render(base, PATH, patients, store), headers=_PAGE_HEADERS)

    async def draft_orders(request: Request) -> Response:
        patient = by_id.get(request.path_params["patient"])
        if patient is None or patient.draft_orders is None:
            return _json(outcome("error", "not-found", "no draft orders of this patient"), 404)
        return _json(msgspec.json.encode(patient.draft_orders))

    async def misbehaviour(request: Request) -> Response:
        return _misbehave(request.method, await request.body(), store.misbehaviour)

    async def front_door(_request: Request) -> Response:
        return RedirectResponse("/simulator/")

    return [
        Route("/", front_door, methods=["GET"]),
        Route("/simulator/", overview, methods=["GET"]),
        Route("/simulator/patients/{patient}/draft-orders", draft_orders, methods=["GET"]),
        Route("/simulator/misbehaviour", misbehaviour, methods=["GET", "PUT", "DELETE"]),
        Route(PATH + "{rest:path}", FhirEndpoint(store, base_url)),
    ]


class _Rules(Struct, forbid_unknown_fields=True):
    rules: list[Rule] = field(default_factory=list)


def _misbehave(method: str, body: bytes, misbehaviour: Misbehaviour) -> Response:
    """GET lists faults and rules, PUT ``{"rules": [{"fault", "on", "times"}]}`` switches on, DELETE switches off."""
    try:
        if method == "PUT":
            misbehaviour.set(*msgspec.json.decode(body, type=_Rules).rules)
        elif method == "DELETE":
            misbehaviour.clear()
    except (ValueError, RecursionError) as fault:
        return _json(outcome("error", "invalid", str(fault)), 400)
    about = {name: fault.about for name, fault in faults().items()}
    return _json(msgspec.json.encode({"faults": about, "rules": misbehaviour.rules}))


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json")
