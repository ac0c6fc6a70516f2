"""Which DICOMweb server a study lies on: the configured one, or one that an Endpoint of the record names and the site allows.

Asked where images are fetched, never in a hook call; with our own credentials, and only where the site allows any address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from cds_service import telemetry
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.client import FhirClient
from fhir_adapters.dicom.endpoints import Endpoint, base_url
from fhir_adapters.errors import FhirError
from fhir_adapters.templates import is_id

PATIENCE_S = 10.0  # for the study and its endpoints
MOST = 8  # endpoints of one study that are looked at
Connect = Callable[[float], Awaitable[FhirClient]]  # until a deadline
_log = telemetry.log(__name__)


class Archives:
    """``configured``: base URL of the server of the settings, ''; ``allowed``: origins an Endpoint may name."""

    def __init__(self, connect: Connect | None, configured: str, allowed: Sequence[str]) -> None:
        self._connect = connect
        self._configured = configured.rstrip("/")
        self._policy = Policy(operator=[str(origin_of(each)) for each in allowed]) if allowed else None

    async def of(self, study: str) -> str:
        """Base URL of the server of 'ImagingStudy/ID', '' for the configured one.

        Raises NoEndpoint or NotConfigured where there is none: the record names no address that may be called, and nothing
        is configured.
        """
        if self._policy is None or self._connect is None:
            return ""
        found = base_url(await self._endpoints(self._connect, study), self._configured, self._policy)
        return "" if found == self._configured else found

    async def _endpoints(self, connect: Connect, study: str) -> list[Endpoint | None]:
        """What the study refers to, in its order; None for what could not be had."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        try:
            client = await connect(deadline)
            body = msgspec.json.decode(await client.document(study, deadline=deadline))
        except FhirError as fault:
            _log.warning("the endpoints of a study could not be read", reason=fault.title)
            return [None]
        held = {f"#{each.get('id')}": each for each in _dicts(body.get("contained"))}
        named = list(dict.fromkeys(_references(body)))[:MOST]
        return list(await asyncio.gather(*(_resolved(client, name, held, deadline) for name in named)))


async def _resolved(client: FhirClient, name: str, held: dict[str, Any], deadline: float) -> Endpoint | None:
    kind, _, own_id = name.partition("/")
    if name in held:
        return _endpoint(held[name])
    if kind != "Endpoint" or not is_id(own_id):
        return None
    try:
        return _endpoint(msgspec.json.decode(await client.document(name, deadline=deadline)))
    except FhirError as fault:
        _log.warning("an endpoint of a study could not be read", reason=fault.title)
        return None


def _references(study: Any) -> Iterator[str]:
    """Of the study, then of its series."""
    for holder in (study, *_dicts(study.get("series"))):
        for each in _dicts(holder.get("endpoint")):
            if isinstance(each.get("reference"), str):
                yield each["reference"]


def _endpoint(body: Any) -> Endpoint | None:
    """R4 Endpoint (https://hl7.org/fhir/R4/endpoint.html), None for anything else."""
    if not isinstance(body, dict) or body.get("resourceType") != "Endpoint":
        return None
    kind = body.get("connectionType")
    texts = [body.get("address"), body.get("status"), kind.get("code") if isinstance(kind, dict) else None]
    address, status, code = (text if isinstance(text, str) else "" for text in texts)
    return Endpoint(address=address, status=status, connection_type=code)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
