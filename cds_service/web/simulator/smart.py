"""The SMART side of the simulated EHR: its configuration, and the launch contexts a CDS client asks for."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from msgspec import Struct, field

from cds_service.web.simulator.exchange import Reply
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.store import Store
from fhir_adapters import json_guard

JSON = {"Content-Type": "application/json"}
KEPT_LAUNCHES = 256


class _Launch(Struct):
    launchUrl: str = ""  # noqa: N815 - the CDS Hooks Sandbox's name
    parameters: dict[str, Any] = field(default_factory=dict)


def configuration(base: str) -> Reply:
    """SMART App Launch 2.2.0 §conformance: the server is open, no grant is offered, and it says so."""
    body = {
        "token_endpoint": f"{base}/_services/smart/token",
        "grant_types_supported": [],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [],
    }
    return Reply(status=200, body=msgspec.json.encode(body), headers=JSON)


def service(store: Store, name: str, body: bytes) -> Reply:
    """``POST _services/smart/{name}``: ``Launch`` answers a launch id, ``token`` that no grant is offered."""
    if name == "token":
        return Reply(status=400, body=b'{"error":"unsupported_grant_type"}', headers=JSON)
    if name != "Launch":
        raise FhirError(404, "not-found", f"no service is called {name!r}")
    try:
        asked = json_guard.decode(body or b"{}", _Launch)
    except json_guard.JsonRefused as fault:
        raise FhirError(400, "structure", f"not a launch request: {fault}") from fault
    launch_id = uuid.uuid4().hex
    store.launches[launch_id] = {**asked.parameters, "launchUrl": asked.launchUrl}
    while len(store.launches) > KEPT_LAUNCHES:
        store.launches.pop(next(iter(store.launches)))
    return Reply(status=200, body=msgspec.json.encode({"launch_id": launch_id}), headers=JSON)
