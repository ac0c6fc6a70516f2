"""What lies outside and by which addresses: the outbound policy, the archive, key sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cds_service.settings import Settings
from fhir_adapters import json_guard
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import FhirError
from fhir_adapters.outbound import Outbound


def policy(settings: Settings) -> Policy:
    """What the operator wrote may be http or private; a client's own FHIR origins get the full policy (DESIGN §5.8)."""
    operator = [
        *settings.fhir_allow,
        *settings.dicomweb_allow,
        *filter(None, [settings.write_fhir_url, settings.fhir_token_url, settings.dicomweb_url]),
        *(c.jwks_url for c in settings.clients.values() if c.jwks_url),
    ]
    if settings.mode != "production":
        operator.append(settings.public_url)  # the simulator
    clients = [origin for client in settings.clients.values() for origin in client.fhir_origins]
    return Policy(
        operator=[entry if "*" in entry else str(origin_of(entry)) for entry in operator],
        request=[str(origin_of(entry)) for entry in clients],
    )


def json_fetcher(outbound: Outbound) -> Callable[[str, float], Awaitable[object | None]]:
    """Reads a JSON document (a client's key set) until a deadline; None where it could not be had."""

    async def fetch(url: str, deadline: float) -> object | None:
        try:
            reply = await outbound.request("GET", url, deadline=deadline, headers={"Accept": "application/json"})
            return json_guard.decode(reply.body) if reply.status == 200 else None
        except (FhirError, json_guard.JsonRefused):
            return None

    return fetch


def dicomweb_url(settings: Settings) -> str:
    """The archive of the settings; in demo and sandbox the simulator's where none is named."""
    simulated = "" if settings.mode == "production" else f"{settings.public_url.rstrip('/')}/simulator/dicomweb"
    return settings.dicomweb_url or simulated
