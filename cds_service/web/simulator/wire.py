"""The FHIR server on HTTP: an ASGI application that reads a request, lets faults strike, and writes the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from cds_service.web.simulator.bundles import PAGE
from cds_service.web.simulator.exchange import Reply, Request
from cds_service.web.simulator.interactions import FhirServer
from cds_service.web.simulator.misbehaviour import Fault
from cds_service.web.simulator.outcome import FhirError
from cds_service.web.simulator.store import Store

PATH = "/simulator/fhir"
FHIR_JSON = "application/fhir+json; charset=utf-8"
MAX_BODY = 64 * 1024 * 1024
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Location, ETag, Last-Modified, Location, Retry-After",
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Content-Type, If-Match, If-None-Exist, If-None-Match, Prefer, X-Requested-With"
    ),
    "Access-Control-Max-Age": "600",
}


class FhirEndpoint:
    """Everything under ``/simulator/fhir``. Interactions run one at a time, off the event loop while promised
    resources must be made first."""

    def __init__(self, store: Store, base_url: str | None) -> None:
        self._server = FhirServer(store)
        self._base_url = base_url
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] == "OPTIONS":
            await _start(send, 204, {**_CORS, **_PREFLIGHT})
            await _finish(send, b"")
            return
        path = scope["path_params"]["rest"]
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        next_page = any(name == PAGE for name, _ in query)
        faults = self._server.store.misbehaviour.strike(path, next_page=next_page)
        try:
            body = await _body(receive)
            if await _left_waiting(receive, max((fault.delay_s for fault in faults), default=0.0)):
                return
            _check(path, headers)
            request = _request(scope["method"], path, query, headers, body, faults)
            reply = await self._reply(request, self._base(scope, headers))
        except FhirError as failure:
            reply = Reply(status=failure.status, body=failure.body)
        await self._answer(scope["method"], reply, faults, send)

    def _base(self, scope: Scope, headers: Mapping[str, str]) -> str:
        origin = self._base_url or f"{scope['scheme']}://{headers.get('host', 'localhost')}{scope.get('root_path', '')}"
        return origin.rstrip("/") + PATH

    async def _reply(self, request: Request, base: str) -> Reply:
        async with self._turn:
            if self._server.store.pending:
                return await asyncio.to_thread(self._server.respond, request, base)
            return self._server.respond(request, base)

    async def _answer(self, method: str, reply: Reply, faults: Sequence[Fault], send: Send) -> None:
        status, body = reply.status, reply.body
        headers = dict(reply.headers)
        if body:
            headers.setdefault("Content-Type", FHIR_JSON)
        whole = len(body)
        for fault in faults:
            status, body = self._server.store.misbehaviour.spoil(fault, status, headers, body)
            whole = len(body) if fault.keep == 1.0 or fault.breaks_off else int(len(body) * fault.keep)
            body = body[: int(len(body) * fault.keep)]
        if status not in {204, 304}:
            headers["Content-Length"] = str(whole)
        await _start(send, status, {**_CORS, **headers})
        await _finish(
            send,
            b"" if method == "HEAD" else body,
            drip_s=max((fault.drip_s for fault in faults), default=0.0),
            breaks_off=any(fault.breaks_off for fault in faults),
        )


def _check(path: str, headers: Mapping[str, str]) -> None:
    if path and not path.startswith("/"):
        raise FhirError(404, "not-found", "no such address")
    accept = headers.get("accept", "*/*")
    if "json" not in accept and "*" not in accept:
        raise FhirError(406, "not-supported", "this server speaks application/fhir+json")


def _request(
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    faults: Sequence[Fault],
) -> Request:
    """The request without the parameters that a fault does not honour."""
    dropped = {name for fault in faults for name in fault.without}
    if dropped and "x-www-form-urlencoded" in headers.get("content-type", ""):
        body = b"&".join(part for part in body.split(b"&") if part.partition(b"=")[0].decode("latin-1") not in dropped)
    kept = [(name, value) for name, value in query if name not in dropped]
    return Request(method=method, path=path, query=kept, headers=headers, body=body)


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise FhirError(400, "incomplete", "the client went away")
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise FhirError(413, "too-long", f"at most {MAX_BODY} bytes")
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _left_waiting(receive: Receive, delay_s: float) -> bool:
    """Wait before the first byte; True when the client went away meanwhile."""
    if not delay_s:
        return False
    try:
        async with asyncio.timeout(delay_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _finish(send: Send, body: bytes, *, drip_s: float = 0.0, breaks_off: bool = False) -> None:
    """Send the body; one that breaks off is never finished, and the server then closes the connection."""
    if drip_s:
        for position in range(len(body)):
            await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": True})
            await asyncio.sleep(drip_s)
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": breaks_off})
