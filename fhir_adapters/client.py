"""An async FHIR R4 client (https://hl7.org/fhir/R4/http.html). Every fault is one of ``errors``.

Reads are tried twice at most, inside the deadline; writes once. Pages are followed by the server's own ``next`` link,
opaque, and only within its origin. Deadlines are moments of the event loop's clock.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from random import uniform
from urllib.parse import quote
from weakref import WeakKeyDictionary

from msgspec import Struct

from fhir_adapters import errors
from fhir_adapters.addresses import origin_of, within_origin
from fhir_adapters.answers import FHIR_JSON, Written, check, location, unpack
from fhir_adapters.auth import Bearer, rejects_token
from fhir_adapters.capability import Capability, capability
from fhir_adapters.outbound import Outbound
from fhir_adapters.read.resources import Resources
from fhir_adapters.server import Reply
from fhir_adapters.templates import is_id

RETRIED = (errors.ServerError, errors.Unreachable, errors.Throttled)
LONGEST_JITTER_S = 0.25
SHORTEST_PAUSE_S = 0.005
BASES_KEPT = 256
METADATA_KEPT_S = 3600.0
QUERY_SAFE = "/?&=:|,;$@!*'()+~%-._"  # kept as written; everything else is percent-encoded
BARE_PATIENT = re.compile(r"([?&](?:patient|subject)=)(?=[A-Za-z0-9\-.]{1,64}(?:&|$))")
RESOURCE_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,2048}")


class Paging(Struct, frozen=True, kw_only=True):
    """Caps of one search, beside the cap of each page (server.Limits.max_bytes). Bytes after decompression."""

    pages: int = 20
    entries: int = 20_000
    bytes: int = 32 * 1024 * 1024


class Learned(Struct):
    """What earlier calls found out about a FHIR base. Nothing of any patient."""

    typed_references: bool = False  # it understands patient=Patient/ID only
    bare_references: bool = False  # it has found something by patient=ID
    capability: Capability | None = None
    capability_until: float = 0.0


LEARNED: WeakKeyDictionary[Outbound, dict[str, Learned]] = WeakKeyDictionary()


class FhirClient:
    """One FHIR base for one call. ``bearer`` goes to the base's own origin and nowhere else.

    ``counts`` is for metrics: requests, retried, pages, bytes.
    """

    def __init__(
        self, outbound: Outbound, base: str, bearer: Bearer | str | None = None, *, paging: Paging | None = None
    ) -> None:
        self._outbound = outbound
        self._base = base.rstrip("/")
        self._bearer = Bearer(bearer) if isinstance(bearer, str) else bearer
        self._paging = paging or Paging()
        self.learned = _learned(outbound, self._base)
        self.counts: Counter[str] = Counter()

    async def read(self, resource_type: str, id: str, *, deadline: float) -> Resources:  # noqa: A002 - FHIR's own word
        """One resource by id (R4 http.html#read). NotFound and Gone are raised."""
        _check_target(resource_type, id)
        where = f"GET {resource_type}/{{id}}"
        reply = await self._get(f"{self._base}/{resource_type}/{id}", where, deadline)
        return await unpack(reply, where)

    async def search(self, query: str, *, deadline: float) -> AsyncIterator[Resources]:
        """Pages of ``Type?parameters`` (or the one resource of ``Type/id``), as they come.

        PagingStopped after the last page that was read means there was more.
        """
        where = path_template(query)
        typed, begun = self._spell(query), False
        first = typed if self.learned.typed_references else query
        try:
            async for page in self._pages(self._url(first), where, deadline):
                begun = True
                yield page
        except errors.BadQuery as refusal:
            if begun or refusal.status != 400 or typed == first:
                raise
            async for page in self._pages(self._url(typed), where, deadline):
                self.learned.typed_references = True
                yield page

    async def document(self, query: str, *, deadline: float) -> bytes:
        """One answer to a query as the server wrote it, checked: for a resource that is to be sent back changed."""
        where = path_template(query)
        reply = await self._get(self._url(query), where, deadline)
        await unpack(reply, where)
        return reply.body

    async def search_typed(self, query: str, *, deadline: float) -> AsyncIterator[Resources]:
        """``search`` with ``patient=Patient/ID``, for servers that answer the bare id with an empty Bundle."""
        async for page in self._pages(self._url(self._spell(query)), path_template(query), deadline):
            yield page

    async def follow(self, next_link: str, query: str, *, deadline: float) -> AsyncIterator[Resources]:
        """The pages behind a ``next`` link that came with a first page from elsewhere (prefetch)."""
        where = path_template(query)
        url = self._next(next_link, f"{self._base}/", where)
        async for page in self._pages(url, where, deadline):
            yield page

    async def create(self, resource_type: str, body: bytes, *, deadline: float, if_none_exist: str = "") -> Written:
        """POST one resource (R4 http.html#ccreate). ``if_none_exist`` is a search like ``identifier=system|value``.

        Not repeated: when no answer came, search by the identifier before trying again.
        """
        _check_target(resource_type)
        headers = {"Prefer": "return=minimal"}
        if if_none_exist:
            headers["If-None-Exist"] = _header_value(if_none_exist)
        where = f"POST {resource_type}"
        reply = await self._send("POST", f"{self._base}/{resource_type}", where, deadline, body, headers)
        return Written(reply.status, location(reply), reply.headers.get("etag", ""), reply.body)

    async def update(self, resource_type: str, id: str, body: bytes, *, deadline: float, if_match: str) -> Written:  # noqa: A002
        """PUT one resource over the version ``if_match`` (R4 http.html#concurrency); Conflict when it moved on."""
        _check_target(resource_type, id)
        tag = if_match if if_match.startswith(("W/", '"')) else f'W/"{if_match}"'
        headers = {"If-Match": _header_value(tag), "Prefer": "return=minimal"}
        where = f"PUT {resource_type}/{{id}}"
        reply = await self._send("PUT", f"{self._base}/{resource_type}/{id}", where, deadline, body, headers)
        return Written(reply.status, location(reply), reply.headers.get("etag", ""), reply.body)

    async def transaction(self, bundle: bytes, *, deadline: float) -> bytes:
        """POST a transaction or batch Bundle to the base; the response Bundle as bytes (R4 http.html#transaction)."""
        reply = await self._send("POST", self._base, "POST transaction", deadline, bundle, {})
        if reply.body:
            await unpack(reply, "POST transaction")
        return reply.body

    async def metadata(self, *, deadline: float) -> Capability | None:
        """What the server says it can do; None where it does not say. Kept for an hour, never an error."""
        now = asyncio.get_running_loop().time()
        if now < self.learned.capability_until:
            return self.learned.capability
        try:
            reply = await self._get(f"{self._base}/metadata", "GET metadata", deadline)
            self.learned.capability = capability(reply.body)
        except errors.FhirError:
            return self.learned.capability
        self.learned.capability_until = now + METADATA_KEPT_S
        return self.learned.capability

    async def _pages(self, url: str, where: str, deadline: float) -> AsyncIterator[Resources]:
        seen = {url}
        entries = size = 0
        for number in range(1, self._paging.pages + 1):
            reply = await self._get(url, where, deadline)
            page = await unpack(reply, where)
            size += len(reply.body)
            entries += len(page.views) + page.faults.total() + page.unknown.total()
            self.counts["pages"] += 1
            yield page
            if not page.next:
                return
            url = self._next(page.next, reply.url, where)
            if url in seen:
                raise errors.PagingLoop(where)
            seen.add(url)
            if entries >= self._paging.entries or size >= self._paging.bytes:
                raise errors.PagingCap(where, detail=f"{entries} entries in {number} pages")
        raise errors.PagingCap(where, detail=f"{self._paging.pages} pages")

    def _next(self, link: str, current: str, where: str) -> str:
        url = within_origin(origin_of(self._base), current, link)
        if not url:
            raise errors.ForeignNext(where)
        return url

    async def _get(self, url: str, where: str, deadline: float) -> Reply:
        """A read, tried once more where that can help: after a jittered pause, or the one the server asks for."""
        try:
            return await self._send("GET", url, where, deadline)
        except RETRIED as fault:
            left = deadline - asyncio.get_running_loop().time()
            asked = fault.retry_after or 0.0
            pause = asked + uniform(SHORTEST_PAUSE_S, min(LONGEST_JITTER_S, max(left - asked, 0) / 4))
            if pause >= left or not self._outbound.server(url, where).may_retry():
                raise
        self.counts["retried"] += 1
        await asyncio.sleep(pause)
        return await self._send("GET", url, where, deadline)

    async def _send(
        self,
        method: str,
        url: str,
        where: str,
        deadline: float,
        content: bytes = b"",
        extra: dict[str, str] | None = None,
    ) -> Reply:
        headers = {"Accept": FHIR_JSON, **(extra or {})}
        if content:
            headers["Content-Type"] = FHIR_JSON
        if self._bearer is not None:
            headers |= self._bearer.header(where)
        self.counts["requests"] += 1
        reply = await self._outbound.request(
            method, url, deadline=deadline, headers=headers, content=content, where=where
        )
        self.counts["bytes"] += len(reply.body)
        challenge = reply.headers.get("www-authenticate", "") if reply.status == 401 else ""
        if self._bearer is not None and rejects_token(challenge):
            self._bearer.spend()
        check(reply, where)
        return reply

    def _url(self, query: str) -> str:
        if not RESOURCE_TYPE.match(query):
            raise errors.BadQuery(path_template(query), detail="not a FHIR query")
        return f"{self._base}/{quote(query, safe=QUERY_SAFE)}"

    def _spell(self, query: str) -> str:
        return BARE_PATIENT.sub(r"\1Patient/", query)


def _learned(outbound: Outbound, base: str) -> Learned:
    bases = LEARNED.setdefault(outbound, {})
    if base not in bases and len(bases) >= BASES_KEPT:
        bases.clear()
    return bases.setdefault(base, Learned())


def path_template(query: str) -> str:
    """``Observation?patient=1`` → ``GET Observation``, ``Patient/1`` → ``GET Patient/{id}``: nothing of the patient."""
    match = RESOURCE_TYPE.match(query)
    if match is None:
        return "GET ?"
    return f"GET {match.group()}" + ("/{id}" if query[match.end() :].startswith("/") else "")


def _check_target(resource_type: str, id: str | None = None) -> None:  # noqa: A002
    if not RESOURCE_TYPE.fullmatch(resource_type) or not (id is None or is_id(id)):
        raise ValueError("not a FHIR resource type and id")


def _header_value(value: str) -> str:
    if not HEADER_VALUE.fullmatch(value):
        raise ValueError("not a header value")
    return value
