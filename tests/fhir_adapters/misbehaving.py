"""A FHIR server that misbehaves on purpose, over real HTTP on loopback. A test says what each resource type answers."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from msgspec import Struct, field

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Seen(Struct):
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    client: tuple[str, int]  # of the connection it came by
    body: bytes = b""
    sent: int = 0  # bytes of the answer's body
    gone: threading.Event = field(default_factory=threading.Event)  # the client hung up

    @property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.query)


class Exchange(Struct):
    """What a behaviour works with."""

    seen: Seen
    base: str
    receive: Receive
    send: Send

    async def start(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        pairs = {"content-type": "application/fhir+json", **(headers or {})}
        raw = [(k.encode(), v.encode()) for k, v in pairs.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def body(self, part: bytes, *, more: bool = False) -> None:
        self.seen.sent += len(part)
        await self.send({"type": "http.response.body", "body": part, "more_body": more})


Behaviour = Callable[[Exchange], Awaitable[None]]


def answer(body: Any = None, status: int = 200, **headers: str) -> Behaviour:
    """A whole answer; header names with underscores."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    names = {name.replace("_", "-"): value for name, value in headers.items()}

    async def behave(exchange: Exchange) -> None:
        await exchange.start(status, names)
        await exchange.body(payload)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first, and so on; the last one stays."""
    left = list(behaviours)

    async def behave(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


async def hang(exchange: Exchange) -> None:
    """No byte ever comes."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
    exchange.seen.gone.set()


async def drip(exchange: Exchange) -> None:
    """A byte every twenty milliseconds, for ever: each single read succeeds."""
    await exchange.start()
    while not exchange.seen.gone.is_set():
        await exchange.body(b" ", more=True)
        await asyncio.sleep(0.02)
        if exchange.seen.sent > 500:
            return


def late(seconds: float, then: Behaviour) -> Behaviour:
    """Answer after a while."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await then(exchange)

    return behave


async def reset(exchange: Exchange) -> None:
    """The connection breaks in mid-body."""
    await exchange.start(200, {"content-length": "1000"})
    await exchange.body(b'{"resourceType":', more=True)


def bomb(megabytes: int) -> Behaviour:
    """gzip of so many megabytes of blanks, about a thousandth of that on the wire, sent piece by piece."""

    async def behave(exchange: Exchange) -> None:
        squeeze = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        await exchange.start(200, {"content-encoding": "gzip"})
        for _ in range(megabytes):
            await exchange.body(squeeze.compress(b" " * (1 << 20)), more=True)
        await exchange.body(squeeze.flush())

    return behave


def flood(megabytes: int) -> Behaviour:
    """So many megabytes without saying how many."""

    async def behave(exchange: Exchange) -> None:
        await exchange.start()
        for _ in range(megabytes * 16):
            await exchange.body(b" " * (1 << 16), more=True)
        await exchange.body(b"{}")

    return behave


def zipped(body: Any) -> Behaviour:
    """An honest compressed answer."""
    return answer(gzip.compress(json.dumps(body).encode()), content_encoding="gzip")


def pages(*bundles: list[dict[str, Any]], link: str = "{base}/{type}?page={page}") -> Behaviour:
    """A search in pages. ``link`` makes the next link; the last page has none."""

    async def behave(exchange: Exchange) -> None:
        number = int(exchange.seen.parameters.get("page", ["1"])[0])
        kind = exchange.seen.path.rsplit("/", 1)[-1]
        following = link.format(base=exchange.base, type=kind, page=number + 1) if number < len(bundles) else ""
        await answer(bundle(*bundles[number - 1], next=following))(exchange)

    return behave


def bundle(*resources: dict[str, Any], next: str = "", total: int | None = None) -> dict[str, Any]:  # noqa: A002
    """A searchset."""
    made: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        made["total"] = total
    if next:
        made["link"] = [{"relation": "self", "url": "http://example.org/self"}, {"relation": "next", "url": next}]
    if resources:
        made["entry"] = [{"resource": r} for r in resources]
    return made


def observation(number: int, **members: Any) -> dict[str, Any]:
    """A potassium result of the patient p1."""
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-20T08:10:00Z",
        "valueQuantity": {"value": 4.1, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        **members,
    }


def outcome(code: str, severity: str = "error", text: str = "") -> dict[str, Any]:
    """An OperationOutcome."""
    issue = {"severity": severity, "code": code, **({"diagnostics": text} if text else {})}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Misbehaving:
    """The server. ``on`` says what a resource type answers; ``seen`` lists the requests; unknown types get a 404."""

    def __init__(self) -> None:
        self.origin = ""
        self.seen: list[Seen] = []
        self._behaviours: dict[str, Behaviour] = {}

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    def on(self, resource_type: str, behaviour: Behaviour) -> None:
        self._behaviours[resource_type] = behaviour

    def reset(self) -> None:
        self.seen = []
        self._behaviours = {}

    def asked(self, resource_type: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.startswith(f"/fhir/{resource_type}")]

    async def arrived(self, requests: int) -> None:
        """Wait until so many requests have come."""

        def poll() -> None:
            until = time.monotonic() + 60
            while len(self.seen) < requests and time.monotonic() < until:
                time.sleep(0.005)

        await asyncio.to_thread(poll)
        assert len(self.seen) >= requests

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        seen = Seen(scope["method"], scope["path"], scope["query_string"].decode(), headers, tuple(scope["client"]))
        self.seen.append(seen)
        more = int(headers.get("content-length", "0")) > 0
        while more:
            message = await receive()
            seen.body += message.get("body", b"")
            more = message.get("more_body", False)
        kind = scope["path"].removeprefix("/fhir").strip("/").split("/")[0]
        behave = self._behaviours.get(kind) or answer(outcome("not-found"), 404)
        await behave(Exchange(seen, self.base, receive, send))


@contextmanager
def serving(app: Any, certificate: tuple[str, str] | None = None) -> Iterator[int]:
    """Run an ASGI app in a thread, over TLS with ``certificate`` (chain and key file); gives its port on 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", 0))
    files = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if certificate else {}
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, ws="none", **files)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)
        listener.close()
