"""Where the images of a study are, and its UID. A record's Endpoint is used only where its address is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from fhir_adapters.addresses import Policy
from fhir_adapters.dicom.errors import NoEndpoint, NotConfigured
from fhir_adapters.errors import UnsafeAddress

UID = re.compile(r"(?=.{1,64}\Z)(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
DICOM_WADO_RS = "dicom-wado-rs"  # http://terminology.hl7.org/CodeSystem/endpoint-connection-type


class Endpoint(Struct, frozen=True, kw_only=True):
    """FHIR R4 Endpoint, as far as it matters; None in place of one that could not be resolved."""

    address: str = ""
    status: str = "active"
    connection_type: str = DICOM_WADO_RS


def study_uid(value: str) -> str:
    """``urn:oid:1.2…`` (R4), ``urn:dicom:uid:1.2…`` or the bare UID; '' for anything else (PS3.5 §9.1)."""
    bare = value.strip().removeprefix("urn:oid:").removeprefix("urn:dicom:uid:")
    return bare if UID.fullmatch(bare) else ""


def base_url(endpoints: Sequence[Endpoint | None], configured: str, policy: Policy) -> str:
    """The first active, allowed WADO-RS endpoint of the record, else the configured server.

    NoEndpoint where the record names some, none can be used and nothing is configured; NotConfigured where there is neither.
    """
    for endpoint in endpoints:
        if endpoint is None or endpoint.status != "active" or endpoint.connection_type != DICOM_WADO_RS:
            continue
        try:
            policy.admit(endpoint.address)
        except UnsafeAddress:
            continue
        return endpoint.address.rstrip("/").removesuffix("/studies")
    if configured:
        return configured.rstrip("/")
    if endpoints:
        raise NoEndpoint("unresolvable, inactive, of another kind or not allowed")
    raise NotConfigured
