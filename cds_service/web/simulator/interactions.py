"""The FHIR REST interactions (R4 http.html): read, vread, search, create, update, delete, capabilities."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from urllib.parse import parse_qsl

from cds_service.web.simulator import bundles, capabilities, smart, transactions
from cds_service.web.simulator.bundles import Pages
from cds_service.web.simulator.compartment import Row
from cds_service.web.simulator.exchange import Query, Reply, Request
from cds_service.web.simulator.outcome import FhirError, outcome
from cds_service.web.simulator.search import search
from cds_service.web.simulator.search_parameters import parameters
from cds_service.web.simulator.store import Store

_IF_MATCH = re.compile(r'(?:W/)?"([^"]*)"\Z')


class FhirServer:
    """Answers FHIR requests from a store. ``base`` is the server's address as this client knows it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.pages = Pages()

    def respond(self, request: Request, base: str) -> Reply:
        """One request, one reply; every failure is an OperationOutcome."""
        try:
            return self.interact(request, base)
        except FhirError as failure:
            return Reply(status=failure.status, body=failure.body)

    def interact(self, request: Request, base: str) -> Reply:
        """As ``respond``, but a failure is raised: a transaction must see it."""
        segments = [part for part in request.path.split("/") if part]
        match (_method(request), *segments):
            case ("POST",):
                return transactions.process(self, request, base)
            case ("GET", "metadata"):
                return Reply(status=200, body=capabilities.statement(base, self.store.clock()))
            case ("GET", ".well-known", "smart-configuration"):
                return smart.configuration(base)
            case ("POST", "_services", "smart", name):
                return smart.service(self.store, name, request.body)
            case (_, resource_type, *rest) if resource_type in parameters():
                return self._of_type(resource_type, rest, request, base)
            case (_, resource_type, *_):
                raise FhirError(404, "not-supported", f"this server has no {resource_type!r}")
        raise _no_interaction(request)

    def _of_type(self, resource_type: str, rest: Sequence[str], request: Request, base: str) -> Reply:
        match (_method(request), *rest):
            case ("GET",):
                return self._search(resource_type, request.query, request, base)
            case ("POST", "_search"):
                form = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
                return self._search(resource_type, [*request.query, *form], request, base)
            case ("GET", resource_id):
                return self._read(self.store.get(resource_type, resource_id), request)
            case ("GET", resource_id, "_history", version):
                return self._read(self.store.version(resource_type, resource_id, version), request)
            case ("POST",):
                return self.create(resource_type, request, base)
            case ("PUT", resource_id):
                return self._update(resource_type, resource_id, request, base)
            case ("PUT",):
                resource_id = self._only_match(resource_type, request.query)
                return self._update(resource_type, resource_id, request, base, conditional=True)
            case ("DELETE", resource_id):
                row = self.store.delete(resource_type, resource_id)
                return Reply(status=204, headers={"ETag": row.etag} if row else {}, row=row)
        raise _no_interaction(request)

    def matches(self, resource_type: str, query: Query) -> Sequence[Row]:
        """The rows a conditional interaction is about. A condition without a usable parameter is refused."""
        if resource_type not in parameters():
            raise FhirError(404, "not-supported", f"this server has no {resource_type!r}")
        if not query:
            raise FhirError(412, "required", "a conditional interaction needs at least one search parameter")
        return search(self.store, resource_type, query, strict=True).rows

    def create(self, resource_type: str, request: Request, base: str, new_id: str = "") -> Reply:
        """create, conditional when If-None-Exist is there: one match answers 200 with what exists, more 412."""
        self._check(resource_type, request)
        condition = request.headers.get("if-none-exist", "")
        if condition:
            found = self.matches(resource_type, parse_qsl(condition.partition("?")[2] or condition))
            if len(found) > 1:
                raise FhirError(412, "multiple-matches", f"If-None-Exist matches {len(found)} resources")
            if found:
                return _written(200, found[0], request, base)
        row = self.store.put(resource_type, new_id or str(uuid.uuid4()), request.body)
        return _written(201, row, request, base)

    def _update(
        self, resource_type: str, resource_id: str, request: Request, base: str, *, conditional: bool = False
    ) -> Reply:
        own_id = self._check(resource_type, request)
        if resource_id and own_id != resource_id and not (conditional and not own_id):
            raise FhirError(400, "invalid", f"the body's id {own_id!r} is not the id of the address")
        resource_id = resource_id or own_id or str(uuid.uuid4())
        earlier = self.store.get(resource_type, resource_id)
        if wanted := request.headers.get("if-match"):
            found = _IF_MATCH.match(wanted.strip())
            if earlier is None or found is None or found[1] != str(earlier.version):
                raise FhirError(412, "conflict", f"If-Match {wanted} is not the current version")
        row = self.store.put(resource_type, resource_id, request.body)
        return _written(200 if earlier and not earlier.deleted else 201, row, request, base)

    def _only_match(self, resource_type: str, query: Query) -> str:
        """The id a conditional update is about, '' when nothing matches."""
        found = self.matches(resource_type, query)
        if len(found) > 1:
            raise FhirError(412, "multiple-matches", f"the condition matches {len(found)} resources")
        return found[0].id if found else ""

    def _check(self, resource_type: str, request: Request) -> str:
        """Refuse a body that is not the resource the URL names; returns the body's id."""
        content_type = request.headers.get("content-type", "json")
        if "json" not in content_type:
            raise FhirError(415, "not-supported", "send application/fhir+json")
        own_type, own_id = self.store.identify(request.body)
        if own_type != resource_type:
            raise FhirError(400, "invalid", f"a {own_type} was sent to {resource_type}")
        return own_id

    def _search(self, resource_type: str, query: Query, request: Request, base: str) -> Reply:
        token = dict(query).get(bundles.PAGE)
        if token:
            return Reply(status=200, body=bundles.next_page(self.store, self.pages, base, resource_type, token))
        strict = "handling=strict" in request.headers.get("prefer", "")
        found = search(self.store, resource_type, query, strict=strict)
        return Reply(status=200, body=bundles.first_page(self.store, self.pages, base, resource_type, found))

    def _read(self, row: Row | None, request: Request) -> Reply:
        if row is None:
            raise FhirError(404, "not-found", f"{request.path.strip('/')} is not known")
        if row.deleted:
            raise FhirError(410, "deleted", f"{row.type}/{row.id} was deleted")
        headers = {"ETag": row.etag, "Last-Modified": row.last_modified}
        if request.headers.get("if-none-match", "").strip() == row.etag:
            return Reply(status=304, headers=headers)
        return Reply(status=200, body=row.body, headers=headers, row=row)


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _no_interaction(request: Request) -> FhirError:
    return FhirError(405, "not-supported", f"{request.method} {request.path!r} is no interaction of this server")


def _written(status: int, row: Row, request: Request, base: str) -> Reply:
    """201 or 200 with the headers of R4 §create, and the body the client prefers (Prefer: return=…)."""
    headers = {
        "Location": f"{base}/{row.type}/{row.id}/_history/{row.version}",
        "ETag": row.etag,
        "Last-Modified": row.last_modified,
    }
    prefer = request.headers.get("prefer", "")
    if "return=minimal" in prefer:
        body = b""
    elif "return=OperationOutcome" in prefer:
        body = outcome("information", "informational", f"{row.type}/{row.id} version {row.version}")
    else:
        body = row.body
    return Reply(status=status, body=body, headers=headers, row=row)
