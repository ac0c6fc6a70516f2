"""Our own access to a FHIR server, with our own credentials: for drafts, reads and subscriptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from cds_service.errors import ConfigurationError
from cds_service.imaging.archives import Archives
from cds_service.settings import Settings
from cds_service.web.keys import signing_key
from cds_service.wiring.outside import dicomweb_url
from fhir_adapters.backend import BackendServices
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound


class Record(NamedTuple):
    """Our own access to the FHIR server: ``connect`` until a deadline, ``spend`` a token it no longer takes."""

    connect: Callable[[float], Awaitable[FhirClient]] | None  # None where there is no server
    spend: Callable[[], None] | None  # None where no token is asked for


def record_access(settings: Settings, outbound: Outbound) -> Record:
    """The FHIR server of our own access: of the settings, in demo and sandbox the simulator; None where there is none."""
    simulated = "" if settings.mode == "production" else f"{settings.public_url.rstrip('/')}/simulator/fhir"
    base = settings.write_fhir_url or simulated
    backend = backend_services(settings, outbound, base)

    async def connect(deadline: float) -> FhirClient:
        return FhirClient(outbound, base, await backend.bearer(deadline=deadline) if backend else None)

    return Record(connect if base else None, backend.spend if backend else None)


def archives(settings: Settings, outbound: Outbound) -> Archives:
    """Where the images of a study are, by the endpoints of the record that the settings allow."""
    return Archives(record_access(settings, outbound).connect, dicomweb_url(settings), settings.dicomweb_allow)


def backend_services(settings: Settings, outbound: Outbound, base: str) -> BackendServices | None:
    """Our own credentials at the FHIR server drafts go to; None where no client id is set."""
    if not settings.fhir_client_id:
        return None
    key = signing_key(settings)
    if key is None:
        raise ConfigurationError("CDS_FHIR_CLIENT_ID needs a key to sign with: set CDS_SIGNING_KEY_FILE")
    token_url, scope = settings.fhir_token_url, settings.fhir_scope
    return BackendServices(outbound, base, client_id=settings.fhir_client_id, key=key, token_url=token_url, scope=scope)
