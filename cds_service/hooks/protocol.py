"""Wire types of CDS Hooks 2.0.1 (https://cds-hooks.hl7.org/2.0/). Parsed leniently, written strictly.

Members follow the specification's names. ``omit_defaults`` keeps nulls and empty values off the wire (rows T2, T3).
Embedded FHIR stays as the bytes it was (``msgspec.Raw``): numbers keep their digits, nothing is parsed twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct, field

Indicator = Literal["info", "warning", "critical"]


class Coding(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Coding."""

    code: str
    system: str
    display: str | None = None


class Source(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Source. ``topic`` is static per rule so that a client remembers an override."""

    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None


class Action(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Action: create and update carry a whole resource, delete a relative reference."""

    type: Literal["create", "update", "delete"]
    description: str
    resource: Raw | None = None
    resourceId: str | None = None  # noqa: N815 - the specification's name


class Suggestion(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Suggestion."""

    label: str
    uuid: str | None = None
    isRecommended: bool | None = None  # noqa: N815
    actions: list[Action] = field(default_factory=list)


class Link(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Link."""

    label: str
    url: str
    type: Literal["absolute", "smart"]
    appContext: str | None = None  # noqa: N815
    autolaunchable: bool | None = None


class Card(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Card attributes. ``summary`` at most 139 characters."""

    summary: str
    indicator: Indicator
    source: Source
    uuid: str | None = None
    detail: str | None = None
    suggestions: list[Suggestion] = field(default_factory=list)
    selectionBehavior: Literal["at-most-one", "any"] | None = None  # noqa: N815
    overrideReasons: list[Coding] = field(default_factory=list)  # noqa: N815
    links: list[Link] = field(default_factory=list)


class Response(Struct):
    """CDS Hooks 2.0.1 §CDS Service Response. ``cards: []``: looked, nothing to say. No systemActions are sent."""

    cards: list[Card]


class FHIRAuthorization(Struct, kw_only=True):
    """CDS Hooks 2.0.1 §Passing the access token. Lives in memory for one call; its repr shows nothing."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = 0
    scope: str = ""
    subject: str = ""
    patient: str | None = None

    def __repr__(self) -> str:
        return "FHIRAuthorization(…)"


class Context(Struct, kw_only=True):
    """The context members our hooks use; unknown ones are ignored (library: minor versions may add some)."""

    patientId: str = ""  # noqa: N815
    userId: str = ""  # noqa: N815
    encounterId: str | None = None  # noqa: N815
    selections: list[str] = field(default_factory=list)
    draftOrders: Raw | None = None  # noqa: N815


class HookRequest(Struct, kw_only=True):
    """CDS Hooks 2.0.1 §HTTP Request. ``prefetch`` values stay raw: null, {}, a resource, a Bundle all differ.

    Built by ``hooks/request.py``, which reads what real clients send; never decoded straight from the wire.
    """

    hook: str
    hookInstance: str  # noqa: N815
    context: Context
    fhirServer: str | None = None  # noqa: N815
    fhirAuthorization: FHIRAuthorization | None = None  # noqa: N815
    prefetch: dict[str, Raw] = field(default_factory=dict)
    extension: Any = None


class FeedbackEntry(Struct, frozen=True, kw_only=True):
    """One entry of CDS Hooks 2.0.1 §Feedback after its lenient reading. ``comment`` is bounded and HTML-escaped."""

    card: str
    outcome: Literal["accepted", "overridden"]
    timestamp: datetime | None = None  # aware; None when the client gave none that can be read
    suggestions: tuple[str, ...] = ()  # uuids of accepted suggestions
    reasons: tuple[Coding, ...] = ()
    comment: str = ""


class ServiceEntry(Struct, omit_defaults=True, frozen=True):
    """CDS Hooks 2.0.1 §Discovery response, one service."""

    hook: str
    id: str
    description: str
    title: str | None = None
    prefetch: dict[str, str] = field(default_factory=dict)
    usageRequirements: str | None = None  # noqa: N815


class Services(Struct, frozen=True):
    """CDS Hooks 2.0.1 §Discovery response."""

    services: list[ServiceEntry]


encode = msgspec.json.Encoder().encode
# FHIR JSON whose numbers must leave as they came (1.10 stays 1.10): fractions stay raw, integers are exact anyway.
decode_as_written = msgspec.json.Decoder(float_hook=lambda number: Raw(number.encode())).decode
