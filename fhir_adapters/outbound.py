"""The one door out. Every request to an EHR, an archive or a model server passes it.

It works on httpx2's transport seam, not on its client: so there is no cookie jar shared between patients, no proxy or
credential read from the environment, no redirect followed by itself, and no log line with a URL in it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Self

import httpcore2
import httpx2

from fhir_adapters import errors
from fhir_adapters.addresses import Origin, Policy, Resolver, origin_of, within_origin
from fhir_adapters.pinned import PinnedBackend, SystemResolver
from fhir_adapters.server import Limits, Reply, Server

REDIRECTS = frozenset({301, 302, 303, 307, 308})
READS = frozenset({"GET", "HEAD"})
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})  # one at a time
ORIGINS_KEPT = 256

Added = Callable[[], Mapping[str, str]]


class Outbound:
    """The door. Made inside the event loop that uses it; ``aclose`` at the end."""

    def __init__(
        self,
        policy: Policy,
        *,
        limits: Limits | None = None,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        added: Added | None = None,
    ) -> None:
        self.policy = policy
        self._added = added  # headers of every request beside the caller's: the operator's wish, asked for each time
        self.limits = limits or Limits()
        self._system_resolver = None if resolver else SystemResolver()
        self._backend = PinnedBackend(policy, resolver or self._system_resolver or SystemResolver())
        self._tls = tls
        self._transport: _Transport | None = None
        self._making = asyncio.Lock()
        self._servers: dict[Origin, Server] = {}
        # At DEBUG httpcore2 writes response headers, Location with its query among them.
        logging.getLogger("httpcore2").setLevel(logging.INFO)

    async def request(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        max_bytes: int = 0,
        where: str = "",
        into: bytearray | None = None,
    ) -> Reply:
        """One request, one answer whatever its status, or an error of ``errors`` and no other. Nothing is retried.

        ``deadline`` is a moment of the event loop's clock; ``where`` a path template for messages. Headers with
        credentials are the caller's to give for this URL's origin: redirects never leave it. A body of many megabytes
        is better read ``into`` an array, which grows as it comes, than joined at its end while the event loop waits.
        """
        server, clock = self.server(url, where), asyncio.get_running_loop().time
        sent_at = clock()
        if sent_at >= deadline:
            raise errors.TimedOut(where)
        server.check(where)
        max_bytes = max_bytes or self.limits.max_bytes
        try:
            async with asyncio.timeout_at(deadline), server.slots:
                sent_at = clock()
                reply = await self._follow(method, url, headers or {}, content, max_bytes, where, into)
        except TimeoutError:
            if clock() - sent_at >= self.limits.patience_s:
                server.breaker.failed(sent_at)
            else:
                server.breaker.abandoned()
            raise errors.TimedOut(where) from None
        except errors.Unreachable:
            server.breaker.failed(sent_at)
            raise
        except BaseException:
            server.breaker.abandoned()
            raise
        server.note(reply, sent_at)
        return reply

    def server(self, url: str, where: str = "") -> Server:
        """What is remembered of the origin of ``url``; UnsafeAddress when it may not be called."""
        try:
            origin = self.policy.admit(url)
        except errors.UnsafeAddress as error:
            raise errors.UnsafeAddress(where, detail=error.detail) from None
        server = self._servers.get(origin)
        if server is None:
            if len(self._servers) >= ORIGINS_KEPT:
                self._servers.pop(next(iter(self._servers)))
            server = self._servers[origin] = Server(asyncio.get_running_loop().time, self.limits)
        return server

    async def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        max_bytes: int,
        where: str,
        into: bytearray | None,
    ) -> Reply:
        origin = origin_of(url)
        for _ in range(self.limits.redirects + 1):
            reply = await self._exchange(method, url, headers, content, max_bytes, where, into)
            if reply.status not in REDIRECTS or method not in READS:
                return reply
            url = within_origin(origin, url, reply.headers.get("location", ""))
            if not url:
                raise errors.Redirected(where, reply.status)
        raise errors.Redirected(where, reply.status, detail="too many")

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes,
        max_bytes: int,
        where: str,
        into: bytearray | None,
    ) -> Reply:
        added = self._added() if self._added is not None else {}
        try:
            request = httpx2.Request(
                method,
                url,
                headers={"Accept-Encoding": "gzip", "User-Agent": "medgemma-cds", **added, **headers},
                content=content or None,
                extensions={"timeout": {"connect": self.limits.connect_s}},
            )
            response = await (self._transport or await self._pool()).handle_async_request(request)
        except errors.UnsafeAddress as error:
            raise errors.UnsafeAddress(where, detail=error.detail) from None
        except (httpx2.InvalidURL, UnicodeError):
            raise errors.UnsafeAddress(where, detail="not a plain absolute http or https address") from None
        except FAULTS as error:
            raise errors.Unreachable(where, detail=_cause(error)) from None
        try:
            body = await _read(response, max_bytes, where, into)
        finally:
            await response.aclose()
        return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body, url)

    async def _pool(self) -> _Transport:
        """Made at the first request, its TLS context (some 50 ms of reading certificates) off the event loop."""
        async with self._making:
            if self._transport is None:
                if self._tls is None:
                    self._tls = await asyncio.to_thread(httpx2.create_ssl_context)
                self._transport = _Transport(self._backend, self._tls)
        return self._transport

    async def aclose(self) -> None:
        """Close every pooled connection."""
        if self._transport is not None:
            await self._transport.aclose()
        if self._system_resolver is not None:
            self._system_resolver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


FAULTS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpx2.DecodingError,
    ssl.SSLError,
)

CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "certificate not trusted"),
    (ssl.SSLError, "no TLS"),
    (socket.gaierror, "name not found"),
    (ConnectionRefusedError, "connection refused"),
)


def _cause(error: BaseException) -> str:
    """What an operator can mend, in fixed words; else the kind of the error."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain:
        chain.append(each)
        each = each.__cause__ or each.__context__
    known = (words for kind, words in CAUSES if any(isinstance(link, kind) for link in chain))
    return next(known, type(error).__name__)


class _Transport(httpx2.AsyncBaseTransport):
    """httpx2's transport over a connection pool with our network backend; the stock one has no place for it."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend, tls: ssl.SSLContext) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            network_backend=backend,
            max_connections=None,  # each origin has its own bound (Limits.per_origin): one that hangs starves no other
            max_keepalive_connections=64,
            keepalive_expiry=30.0,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send; the body of the answer is still to be read."""
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close the pool."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    """The bytes of an answer as they come."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


async def _read(response: httpx2.Response, max_bytes: int, where: str, into: bytearray | None) -> bytes:
    """The decompressed body, given up at the first byte over the cap; nothing where it went ``into`` an array."""
    status = response.status_code
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > max_bytes:
        raise errors.TooLarge(where, status)
    if response.headers.get("content-encoding", "").strip().lower() not in ENCODINGS:
        raise errors.WrongContentType(where, status, detail="content encoding")
    parts, size = [], 0
    if into is not None:
        into.clear()
    try:
        async for part in response.aiter_bytes():
            size += len(part)
            if size > max_bytes:
                raise errors.TooLarge(where, status)
            if into is None:
                parts.append(part)
            else:
                into += part
    except FAULTS as error:
        raise errors.Unreachable(where, status, detail=f"answer cut off ({type(error).__name__})") from None
    return b"".join(parts)
