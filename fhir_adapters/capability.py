"""The few things of a CapabilityStatement that somebody asks for (https://hl7.org/fhir/R4/capabilitystatement.html)."""

from __future__ import annotations

import msgspec
from msgspec import Struct, field


class Interaction(Struct):
    """CapabilityStatement.rest.resource.interaction."""

    code: str = ""


class RestResource(Struct):
    """CapabilityStatement.rest.resource."""

    type: str = ""
    interaction: list[Interaction] = field(default_factory=list)
    conditionalCreate: bool = False  # noqa: N815 - the specification's name


class Rest(Struct):
    """CapabilityStatement.rest."""

    resource: list[RestResource] = field(default_factory=list)


class Software(Struct):
    """CapabilityStatement.software."""

    name: str = ""
    version: str = ""


class Statement(Struct, tag_field="resourceType", tag="CapabilityStatement"):
    """A CapabilityStatement, tolerant: every member may be missing."""

    fhirVersion: str = ""  # noqa: N815
    software: Software = field(default_factory=Software)
    rest: list[Rest] = field(default_factory=list)


class Capability(Struct, frozen=True):
    """What a server says of itself. ``types``: resource type → its interaction codes."""

    fhir_version: str
    software: str
    types: dict[str, frozenset[str]]
    conditional_create: frozenset[str]


DECODER = msgspec.json.Decoder(Statement)


def capability(body: bytes) -> Capability | None:
    """The statement read from ``/metadata``; None for anything that is not one (some servers send an empty Bundle)."""
    try:
        found = DECODER.decode(body)
    except (ValueError, RecursionError):
        return None
    resources = [resource for rest in found.rest for resource in rest.resource if resource.type]
    return Capability(
        fhir_version=found.fhirVersion,
        software=f"{found.software.name} {found.software.version}".strip(),
        types={r.type: frozenset(i.code for i in r.interaction) for r in resources},
        conditional_create=frozenset(r.type for r in resources if r.conditionalCreate),
    )
