"""Whether the ``fhirServer`` of a request may be asked for data. Decides; connects to nothing.

============================== ======================= =====================================
fhirServer                     demo, sandbox           production
============================== ======================= =====================================
listed for this client         called                  called
not a plain address            400                     400
http, not listed               not called, noted       400
https, not listed, no token    not called, noted       not called, noted
https, not listed, with token  not called, noted       400: a token from a stranger's server
============================== ======================= =====================================

"Listed" is the client's own ``fhir_origins``; a client without any, and an anonymous one, gets ``CDS_FHIR_ALLOW`` and,
outside production, this server's own address (the simulator). An http address is listed only in ``CDS_FHIR_ALLOW``.
Not called means: answered from prefetch, the gaps are shown as not seen. The door out checks every address again.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service import errors
from cds_service.settings import Client, Settings
from fhir_adapters.addresses import Origin, Policy, origin_of
from fhir_adapters.errors import UnsafeAddress


class FhirServers:
    """The addresses each client may name, prepared once from the settings."""

    def __init__(self, settings: Settings) -> None:
        self._strict = settings.mode == "production"
        self._listed = settings.fhir_allow + ([] if self._strict else [settings.public_url])
        strangers = [url for client in settings.clients.values() if not client.issuer for url in client.fhir_origins]
        self._anonymous = Policy(operator=self._listed, request=strangers)
        self._known = {
            client.issuer: Policy(operator=self._listed, request=client.fhir_origins)
            for client in settings.clients.values()
        }

    def base(self, url: str, client: Client | None, *, with_token: bool) -> tuple[str, str]:
        """The base URL to call ('' for: call nothing) and a note for the audit log ('' when all is well)."""
        asked = plain(url)
        policy: Policy = self._anonymous
        bound: Sequence[str] = ()
        if client is not None:
            policy, bound = self._known[client.issuer], client.fhir_origins
        try:
            policy.admit(url, bound)
        except UnsafeAddress as refusal:
            return self._not_called(asked, refusal, with_token)
        return url.rstrip("/"), ""

    def _not_called(self, asked: Origin, refusal: UnsafeAddress, with_token: bool) -> tuple[str, str]:
        if self._strict and asked.scheme == "http":
            raise errors.UnsafeAddress("fhirServer must be https") from refusal
        if self._strict and with_token:
            raise errors.UnsafeAddress("fhirServer is not one this client may name") from refusal
        return "", "fhirServer not allowed so not called"


def plain(url: str) -> Origin:
    """The origin of an absolute http(s) address without credentials, query and fragment; 400 for anything else."""
    try:
        if "?" in url or "#" in url:
            raise UnsafeAddress
        return origin_of(url)
    except UnsafeAddress:
        raise errors.UnsafeAddress("fhirServer must be a plain absolute http or https address") from None
