"""batch and transaction Bundles (R4 http.html §transaction): each entry is an ordinary request to the same server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Raw, Struct, field

from cds_service.web.simulator.exchange import Reply, Request
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.store import with_references
from fhir_adapters import json_guard

if TYPE_CHECKING:
    from cds_service.web.simulator.interactions import FhirServer

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}
_CONDITIONAL = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+)\?([^"]+)"')


class _Asked(Struct):
    method: str = ""
    url: str = ""
    ifNoneExist: str = ""  # noqa: N815 - FHIR's name
    ifMatch: str = ""  # noqa: N815 - FHIR's name
    ifNoneMatch: str = ""  # noqa: N815 - FHIR's name


class _Entry(Struct):
    fullUrl: str = ""  # noqa: N815 - FHIR's name
    resource: Raw = Raw(b"")
    request: _Asked = field(default_factory=_Asked)


class _Bundle(Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    type: str = ""
    entry: list[_Entry] = field(default_factory=list)


class _Step(Struct):
    """One entry made ready: the request it stands for, and the id a create will get."""

    request: Request
    new_id: str = ""


def process(server: FhirServer, request: Request, base: str) -> Reply:
    """Answer a batch entry by entry, a transaction as a whole: all of it, or nothing."""
    try:
        bundle = json_guard.decode(request.body, _Bundle)
    except json_guard.JsonRefused as fault:
        raise FhirError(400, "structure", f"not a Bundle: {fault}") from fault
    if bundle.resourceType != "Bundle" or bundle.type not in {"batch", "transaction"}:
        raise FhirError(400, "invalid", "the base takes a Bundle of type batch or transaction")
    if bundle.type == "batch":
        replies = [server.respond(_request(entry), base) for entry in bundle.entry]
    else:
        with server.store.transaction():
            replies = _transaction(server, bundle.entry, base)
    body = msgspec.json.encode({"resourceType": "Bundle", "type": f"{bundle.type}-response"})
    if replies:
        body = body[:-1] + b',"entry":[' + b",".join(_response(reply) for reply in replies) + b"]}"
    return Reply(status=200, body=body)


def _transaction(server: FhirServer, entries: Sequence[_Entry], base: str) -> list[Reply]:
    addresses: dict[str, str] = {}
    steps = [_step(server, entry, addresses) for entry in entries]
    replies: dict[int, Reply] = {}
    for number in sorted(range(len(steps)), key=lambda n: _ORDER.get(steps[n].request.method, 4)):
        step = steps[number]
        step.request = msgspec.structs.replace(step.request, body=_resolved(server, step.request.body, addresses))
        if step.new_id:
            replies[number] = server.create(step.request.path, step.request, base, step.new_id)
        else:
            replies[number] = server.interact(step.request, base)
    return [replies[number] for number in range(len(steps))]


def _step(server: FhirServer, entry: _Entry, addresses: dict[str, str]) -> _Step:
    """Fix the id of everything the transaction writes, so that references within it can be resolved before it is."""
    step = _Step(_request(entry))
    path = step.request.path
    if step.request.method == "POST" and "/" not in path:
        existing = server.matches(path, parse_qsl(entry.request.ifNoneExist)) if entry.request.ifNoneExist else ()
        step.new_id = str(uuid.uuid4())
        addresses[entry.fullUrl] = f"{path}/{existing[0].id if existing else step.new_id}"
    elif step.request.method == "PUT" and step.request.query:
        existing = server.matches(path, step.request.query)
        addresses[entry.fullUrl] = f"{path}/{existing[0].id}" if existing else entry.fullUrl
    elif step.request.method == "PUT" and entry.fullUrl:
        addresses[entry.fullUrl] = path
    return step


def _request(entry: _Entry) -> Request:
    asked = entry.request
    path, _, query = asked.url.partition("?")
    conditions = {"if-none-exist": asked.ifNoneExist, "if-match": asked.ifMatch, "if-none-match": asked.ifNoneMatch}
    return Request(
        method=asked.method,
        path=unquote(path).strip("/"),
        query=parse_qsl(query, keep_blank_values=True),
        headers={name: value for name, value in conditions.items() if value},
        body=bytes(entry.resource),
    )


def _resolved(server: FhirServer, body: bytes, addresses: dict[str, str]) -> bytes:
    """The resource with its ``urn:`` and conditional references made literal."""
    body = with_references(body, addresses)
    for resource_type, condition in _CONDITIONAL.findall(body):
        found = server.matches(resource_type.decode(), parse_qsl(condition.decode()))
        if len(found) != 1:
            raise FhirError(412, "multiple-matches" if found else "not-found", f"a reference matches {len(found)}")
        reference = f"{found[0].type}/{found[0].id}".encode()
        body = body.replace(resource_type + b"?" + condition, reference)
    return body


def _response(reply: Reply) -> bytes:
    response: dict[str, object] = {"status": str(reply.status)}
    for name, member in (("Location", "location"), ("ETag", "etag")):
        if name in reply.headers:
            response[member] = reply.headers[name]
    if reply.row is not None:
        response["lastModified"] = reply.row.updated
    if reply.status >= 400:
        response["outcome"] = Raw(reply.body)
        return msgspec.json.encode({"response": response})
    resource = {"resource": Raw(reply.body)} if reply.body else {}
    return msgspec.json.encode({**resource, "response": response})
