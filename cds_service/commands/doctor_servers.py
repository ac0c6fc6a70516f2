"""What doctor looks at over the network: FHIR servers and keys of clients, and where drafts go.

Each is asked once, through the service's own policy, for something that holds nothing of a patient where there is such.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from msgspec import Struct

from cds_service.errors import CdsError
from cds_service.hooks.clients.keys import import_keys
from cds_service.settings import Settings
from cds_service.wiring.outside import policy
from cds_service.wiring.own_access import backend_services
from fhir_adapters import json_guard
from fhir_adapters.capability import capability
from fhir_adapters.client import FhirClient
from fhir_adapters.errors import FhirError, NoAnswer
from fhir_adapters.outbound import Outbound

PATIENCE_S = 5.0
FHIR_JSON = {"Accept": "application/fhir+json"}
MAX_BYTES = 8 * 1024 * 1024  # a capability statement of a large server has some megabytes


class Check(Struct, frozen=True):
    """One line: what was looked at, how it is, what to do."""

    what: str
    state: Literal["ok", "note", "fault"]
    say: str


async def checks_of(settings: Settings) -> AsyncIterator[Check]:
    """Every server an operator wrote down."""
    bases = [entry for entry in settings.fhir_allow if "*" not in entry]
    keys = [client.jwks_url for client in settings.clients.values() if client.jwks_url]
    if not bases and not settings.clients:
        yield Check("FHIR servers", "note", "none allowed: only prefetch is used; list origins in CDS_FHIR_ALLOW")
    async with Outbound(policy(settings)) as outbound:
        for base in bases:
            yield await _fhir(outbound, base)
        for url in keys:
            yield await _jwks(outbound, url)
        if settings.write_fhir_url:
            yield await _written_to(outbound, settings.write_fhir_url)
        if settings.fhir_client_id:
            yield await _token(outbound, settings)


async def _fhir(outbound: Outbound, base: str) -> Check:
    try:
        await outbound.request("GET", f"{base.rstrip('/')}/metadata", deadline=_soon(), headers=FHIR_JSON)
    except NoAnswer as fault:
        return Check(f"FHIR {base}", "fault", f"no answer ({fault}): check that it runs{mend(fault)}")
    except FhirError:
        pass  # it answers; what, is judged below
    found = await FhirClient(outbound, base).metadata(deadline=_soon())
    if found is None:
        return Check(f"FHIR {base}", "note", "no capability statement at this address; the base may have a path")
    return Check(f"FHIR {base}", "ok", f"answers, FHIR {found.fhir_version or 'version not said'}")


async def _jwks(outbound: Outbound, url: str) -> Check:
    try:
        reply = await outbound.request("GET", url, deadline=_soon())
    except FhirError as fault:
        say = f"cannot be fetched ({fault}); tokens of this client will be refused{mend(fault)}"
        return Check(f"keys {url}", "fault", say)
    if reply.status != 200:
        return Check(f"keys {url}", "fault", f"HTTP {reply.status}; check jwks_url of this client")
    try:
        usable = import_keys(json_guard.decode(reply.body))
    except json_guard.JsonRefused as fault:
        return Check(f"keys {url}", "fault", f"no JWK set ({fault}); check jwks_url of this client")
    if not usable:
        return Check(f"keys {url}", "fault", "no RSA (2048 bits or more) or EC key with a kid; tokens will be refused")
    return Check(f"keys {url}", "ok", f"{len(usable)} usable keys")


async def _written_to(outbound: Outbound, base: str) -> Check:
    """The FHIR server taken drafts are written to, by its capability statement, which asks for no token."""
    what = "FHIR server of drafts"
    try:
        reply = await outbound.request(
            "GET", f"{base.rstrip('/')}/metadata", deadline=_soon(), headers=FHIR_JSON, max_bytes=MAX_BYTES
        )
    except FhirError as fault:
        say = f"no answer from {base} ({fault}): taken drafts wait; check that it runs, and CDS_WRITE_FHIR_URL"
        return Check(what, "fault", say)
    found = capability(reply.body) if reply.status == 200 else None
    if found is None or not found.fhir_version:
        say = f"no capability statement at {base}/metadata (HTTP {reply.status}); give CDS_WRITE_FHIR_URL with its path"
        return Check(what, "fault", say)
    return Check(what, "ok", f"{base} answers, FHIR {found.fhir_version}")


async def _token(outbound: Outbound, settings: Settings) -> Check:
    """Signs in once at the server drafts are written to, as a write would."""
    what = "token endpoint"
    if not settings.write_fhir_url:
        say = "CDS_FHIR_CLIENT_ID is set, and there is nothing to sign in to: set CDS_WRITE_FHIR_URL"
        return Check(what, "fault", say)
    try:
        backend = backend_services(settings, outbound, settings.write_fhir_url)
        if backend is not None:
            await backend.bearer(deadline=_soon())
    except CdsError as fault:
        return Check(what, "fault", fault.message)
    except FhirError as fault:
        say = f"no token ({fault}); register our key (/.well-known/jwks.json) there, check CDS_FHIR_TOKEN_URL"
        return Check(what, "fault", say)
    return Check(what, "ok", f"a token is given for {settings.fhir_client_id}")


def mend(fault: FhirError) -> str:
    """What to do about a server that gave no answer, where the fault tells."""
    if fault.detail == "certificate not trusted":
        return "; add its authority to the system's certificates, or name a file of all you trust in SSL_CERT_FILE"
    return ""


def _soon() -> float:
    return asyncio.get_running_loop().time() + PATIENCE_S
