"""What lies outside and by which addresses: the outbound policy, the archive, key sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cds_service.settings import Settings
from cds_service.telemetry import log
from fhir_adapters import json_guard
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import FhirError, for_status
from fhir_adapters.outbound import Outbound

_log = log(__name__)


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


def json_fetcher(outbound: Outbound, count: Callable[[str], None]) -> Callable[[str, float], Awaitable[object | None]]:
    """Reads a JSON document (a client's key set) until a deadline; None where it could not be had, and why is logged."""

    async def fetch(url: str, deadline: float) -> object | None:
        try:
            reply = await outbound.request("GET", url, deadline=deadline, headers={"Accept": "application/json"})
            if reply.status != 200:
                raise for_status(max(reply.status, 300), "")
            document: object = json_guard.decode(reply.body)
        except FhirError as fault:
            why = {"reason": fault.title, "fault": fault.detail or None, "status": fault.status or None}
        except json_guard.JsonRefused:
            why = {"reason": "not readable as json"}
        else:
            return document
        count("client_keys:not fetched")
        _log.warning("keys of a client were not fetched", origin=url, **why)
        return None

    return fetch


def dicomweb_url(settings: Settings) -> str:
    """The archive of the settings; in demo and sandbox the simulator's where none is named."""
    simulated = "" if settings.mode == "production" else f"{settings.public_url.rstrip('/')}/simulator/dicomweb"
    return settings.dicomweb_url or simulated
