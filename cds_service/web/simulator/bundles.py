"""Searchset Bundles as bytes, joined from the stored JSON, and their pages behind opaque links."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from cds_service.web.simulator.compartment import Row
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.search import Found, included
from cds_service.web.simulator.store import Store

PAGE = "_page"
_members = msgspec.json.Decoder(dict[str, Raw])
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


class _Place(Struct, frozen=True):
    """Where a page starts in an answer that was already found."""

    resource_type: str
    found: Found
    start: int


class Pages:
    """The pages a client may still ask for, newest kept: at most ``limit`` links are remembered."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def link(self, place: _Place) -> str:
        """An opaque token for the place."""
        token = secrets.token_urlsafe(16)
        self._places[token] = place
        while len(self._places) > self._limit:
            self._places.popitem(last=False)
        return token

    def place(self, token: str, resource_type: str) -> _Place:
        """The place behind a token; 410 when it is not (or no longer) known."""
        place = self._places.get(token)
        if place is None or place.resource_type != resource_type:
            raise FhirError(410, "not-found", "this page link is no longer valid: search again")
        return place


def first_page(store: Store, pages: Pages, base: str, resource_type: str, found: Found) -> bytes:
    """The searchset Bundle with the first page of an answer."""
    return _page(store, pages, base, _Place(resource_type, found, 0))


def next_page(store: Store, pages: Pages, base: str, resource_type: str, token: str) -> bytes:
    """The searchset Bundle behind a ``next`` link."""
    return _page(store, pages, base, pages.place(token, resource_type))


def _page(store: Store, pages: Pages, base: str, place: _Place) -> bytes:
    found = place.found
    end = place.start + found.count
    rows = [] if found.counted_only else found.rows[place.start : end]
    links = [("self", f"{base}/{place.resource_type}?{urlencode(found.honoured)}".rstrip("?"))]
    if rows and end < len(found.rows):
        token = pages.link(_Place(place.resource_type, found, end))
        links.append(("next", f"{base}/{place.resource_type}?{PAGE}={token}"))
    entries = [entry(base, row, "match", found.elements) for row in rows]
    entries += [entry(base, row, "include") for row in included(store, rows, found.includes)]
    return searchset(entries, links, len(found.rows) if found.with_total else None)


def entry(base: str, row: Row, mode: str, elements: frozenset[str] = frozenset()) -> bytes:
    """One Bundle entry with the row's JSON as stored, or only the asked ``elements`` of it."""
    body = _subset(row.body, elements) if elements else row.body
    return b'{"fullUrl":"%s/%s/%s","resource":%s,"search":{"mode":"%s"}}' % (
        base.encode(), row.type.encode(), row.id.encode(), body, mode.encode(),
    )  # fmt: skip


def searchset(entries: Sequence[bytes], links: Iterable[tuple[str, str]], total: int | None) -> bytes:
    """A Bundle of type searchset; without entries the member is left out (FHIR JSON has no empty arrays)."""
    head = {
        "resourceType": "Bundle",
        "type": "searchset",
        **({} if total is None else {"total": total}),
        "link": [{"relation": relation, "url": url} for relation, url in links],
    }
    text = msgspec.json.encode(head)
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def _subset(body: bytes, elements: frozenset[str]) -> bytes:
    members = _members.decode(body)
    meta = msgspec.json.decode(members["meta"])
    meta["tag"] = [*meta.get("tag", []), _SUBSETTED]
    kept = {name: value for name, value in members.items() if name in elements}
    head = {"resourceType": members["resourceType"], "id": members["id"], "meta": meta}
    return msgspec.json.encode({**kept, **head})
