"""What doctor looks at for each client of the settings: its keys, its FHIR servers, the browsers that may call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from cds_service.commands.doctor_servers import PATIENCE_S, Check, mend
from cds_service.hooks.clients.auth import ClientAuth
from cds_service.settings import Settings
from cds_service.wiring.outside import policy
from fhir_adapters.addresses import origin_of
from fhir_adapters.errors import FhirError, UnsafeAddress
from fhir_adapters.outbound import Outbound


def client_keys(settings: Settings) -> Check:
    """Whether every issuer has keys, as the service asks at its start."""
    ClientAuth(settings, _nobody)
    with_keys = sum(bool(client.jwks_file or client.jwks_url) for client in settings.clients.values())
    return Check("client keys", "ok", f"{with_keys} clients with keys")


def browser_origins(settings: Settings) -> Check:
    """What stands in CDS_CORS_ORIGINS is compared with a browser's Origin header as it is written."""
    if settings.mode != "production":
        return Check("browser origins", "note", "any may call")
    for entry in settings.cors_origins:
        if entry == "*":
            return Check(
                "browser origins", "note", "any page may call (without credentials): list yours in CDS_CORS_ORIGINS"
            )
        try:
            exact = str(origin_of(entry))
        except UnsafeAddress as fault:
            return Check("browser origins", "fault", f"CDS_CORS_ORIGINS '{entry}': {fault.detail}; write https://HOST")
        if exact != entry:
            return Check("browser origins", "fault", f"CDS_CORS_ORIGINS '{entry}' matches no browser; write {exact}")
    return Check("browser origins", "ok", ", ".join(settings.cors_origins))


async def checks_of(settings: Settings) -> AsyncIterator[Check]:
    """The FHIR servers of each client: may they be named, and do they answer from here."""
    for check in _unnamed(settings):
        yield check
    async with Outbound(policy(settings)) as outbound:
        for name, client in settings.clients.items():
            for origin in (entry for entry in client.fhir_origins if "*" not in entry):
                yield await _answers(outbound, f"[clients.{name}] {origin}", origin)


def _unnamed(settings: Settings) -> Iterator[Check]:
    """Clients whose fhirServer is never one of ours: in production a call that carries a token for it is a 400."""
    for name, client in settings.clients.items():
        if settings.mode == "production" and not client.fhir_origins and not settings.fhir_allow:
            say = "names no FHIR server: only prefetch is used, and calls that carry an access token are refused (400); set fhir_origins"
            yield Check(f"[clients.{name}]", "note", say)


async def _answers(outbound: Outbound, what: str, origin: str) -> Check:
    """Any HTTP answer will do: a base may have a path, and may ask for a token."""
    try:
        await outbound.request(
            "GET", f"{origin.rstrip('/')}/metadata", deadline=asyncio.get_running_loop().time() + PATIENCE_S
        )
    except UnsafeAddress as fault:
        say = f"never called: {fault.detail}. If it stands inside your network, write it in CDS_FHIR_ALLOW too"
        return Check(what, "fault", say)
    except FhirError as fault:
        return Check(what, "fault", f"no answer ({fault}): its records are not seen beyond prefetch{mend(fault)}")
    return Check(what, "ok", "answers")


async def _nobody(_url: str, _deadline: float) -> object | None:
    """Keys are fetched by another check."""
    return None
