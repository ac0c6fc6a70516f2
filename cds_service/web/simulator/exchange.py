"""One FHIR request and its reply, apart from HTTP: a Bundle entry is the same thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from cds_service.web.simulator.compartment import Row

Query = Sequence[tuple[str, str]]


class Request(Struct, frozen=True, kw_only=True):
    """One FHIR request. ``path`` is what follows the base; header names are lower case."""

    method: str
    path: str
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Reply(Struct, frozen=True, kw_only=True):
    """What goes back. ``row`` is the version an interaction read or wrote, for transaction responses."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    row: Row | None = None
