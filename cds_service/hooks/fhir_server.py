"""Whether the ``fhirServer`` of a request may be asked for data (DESIGN §5.8). Decides; connects to nothing.

============================== ======================= =====================================
fhirServer                     demo, sandbox           production
============================== ======================= =====================================
listed for this client         called                  called
not an address, credentials    400                     400
http, not listed               not called, noted       400
https, not listed, no token    not called, noted       not called, noted
https, not listed, with token  not called, noted       400: a token from a stranger's server
============================== ======================= =====================================

"Listed" is the client's own ``fhir_origins``; a client without any, and an anonymous one, gets ``CDS_FHIR_ALLOW`` and,
outside production, this server's own address (the simulator).
Not called means: answered from prefetch, the gaps are shown as not seen. The door out checks every address again.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from cds_service.errors import BadRequest, UnsafeAddress
from cds_service.hooks.profiles import origin
from cds_service.settings import Client, Settings

LONGEST = 2048


class FhirServers:
    """The origins each client may name, prepared once from the settings."""

    def __init__(self, settings: Settings) -> None:
        self._strict = settings.mode == "production"
        own = [] if self._strict else [settings.public_url]  # the simulator
        self._common = _origins(settings.fhir_allow + own)
        strangers = [url for c in settings.clients.values() if not c.issuer for url in c.fhir_origins]
        self._anonymous = self._common | _origins(strangers)

    def base(self, url: str, client: Client | None, *, with_token: bool) -> tuple[str, str]:
        """The base URL to call ('' for: call nothing) and a note for the audit log ('' when all is well)."""
        asked = check_address(url)
        if asked in self._allowed(client):
            return url.rstrip("/"), ""
        if self._strict and asked.startswith("http:"):
            raise UnsafeAddress("fhirServer must be https")
        if self._strict and with_token:
            raise UnsafeAddress("fhirServer is not one this client may name")
        return "", "fhirServer not allowed so not called"

    def _allowed(self, client: Client | None) -> frozenset[str]:
        if client is None:
            return self._anonymous
        return _origins(client.fhir_origins) if client.fhir_origins else self._common


def check_address(url: str) -> str:
    """The origin of an absolute http(s) address without credentials, query and fragment; 400 for anything else."""
    found = origin(url) if len(url) <= LONGEST and url.isprintable() and " " not in url else ""
    if not found or "\\" in url:
        raise BadRequest("fhirServer must be an absolute http or https address")
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UnsafeAddress("fhirServer must be a plain base address, without credentials, query and fragment")
    return found


def _origins(urls: list[str]) -> frozenset[str]:
    return frozenset(found for url in urls if (found := origin(url)))
