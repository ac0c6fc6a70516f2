"""What lies outside and by which addresses: the outbound policy, the archive, key sets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from cds_service.errors import ConfigurationError
from cds_service.settings import Settings
from cds_service.telemetry import log
from fhir_adapters import json_guard
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import FhirError, UnsafeAddress, for_status
from fhir_adapters.outbound import Outbound

_log = log(__name__)


def policy(settings: Settings) -> Policy:
    """What the operator wrote may be http or private; a client's own FHIR origins get the full policy.

    ConfigurationError names the setting that holds no address.
    """
    operator = {
        "CDS_FHIR_ALLOW": settings.fhir_allow,
        "CDS_DICOMWEB_ALLOW": settings.dicomweb_allow,
        "CDS_WRITE_FHIR_URL": [settings.write_fhir_url],
        "CDS_FHIR_TOKEN_URL": [settings.fhir_token_url],
        "CDS_DICOMWEB_URL": [settings.dicomweb_url],
        **{f"[clients.{name}] jwks_url": [client.jwks_url] for name, client in settings.clients.items()},
    }
    if settings.mode != "production":
        operator["CDS_PUBLIC_URL"] = [settings.public_url]  # the simulator
    clients = {f"[clients.{name}] fhir_origins": client.fhir_origins for name, client in settings.clients.items()}
    return Policy(operator=_origins(operator), request=_origins(clients))


def _origins(written: Mapping[str, Sequence[str]]) -> list[str]:
    found = []
    for setting, entries in written.items():
        for entry in filter(None, entries):
            try:
                Policy(operator=[entry])
            except UnsafeAddress as fault:
                say = f"{setting}: {fault.detail}; write https://HOST or http://HOST:PORT"
                raise ConfigurationError(say) from None
            found.append(entry if "*" in entry else str(origin_of(entry)))
    return found


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
