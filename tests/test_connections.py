"""What a stranger's connection may cost: a longest head, a longest wait for it, and nothing for anybody else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_service import connections
from cds_service.serve import server

HEAD = b"POST /read HTTP/1.1\r\nHost: x\r\n"
FINE = b"HTTP/1.1 200 OK"
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def refuse(_request: Request) -> Response:
    return Response(status_code=401)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, set[Any]]]:
    """The service's own server on a free port, in this event loop; the connections it holds."""
    app = FastAPI(routes=[Route("/read", read, methods=["GET", "POST"]), Route("/refuse", refuse, methods=["POST"])])
    running = server(app, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(running._serve([listener]))
        try:
            yield listener.getsockname()[1], running.server_state.connections
        finally:
            running.should_exit = True
            await task


async def wire(port: int, *parts: bytes) -> Wire:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    return reader, writer


async def answered(port: int, *parts: bytes) -> bytes:
    """The first line of the answer; b'' where the connection was closed before it could be read."""
    async with asyncio.timeout(60):
        try:
            reader, writer = await wire(port, *parts)
            line = await reader.readline()
        except ConnectionError:
            return b""
    writer.close()
    return line.strip()


@pytest.mark.parametrize(
    "head",
    [
        [HEAD, b"X-Long: ", *[b"a" * 16_384] * 8],
        [HEAD, *[b"".join(b"X-%d: many\r\n" % n for n in range(1000))] * 8],
        [b"GET /read?", *[b"a" * 16_384] * 8],
    ],
    ids=["one header", "many headers", "address"],
)
async def test_a_head_that_does_not_end_is_refused_while_others_are_answered(head: list[bytes]) -> None:
    async with serving() as (port, _):
        assert await answered(port, *head) in (b"HTTP/1.1 431 Request Header Fields Too Large", b"")
        assert await answered(port, HEAD, b"Content-Length: 0\r\n\r\n") == FINE


async def test_a_long_body_after_a_head_of_ordinary_length_is_read() -> None:
    size = 4 * connections.HEAD_BYTES
    async with serving() as (port, _):
        reader, writer = await wire(port, HEAD, b"Content-Length: %d\r\n\r\n" % size, b"a" * size)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(FINE)
        assert await reader.readexactly(len(str(size))) == str(size).encode()
        writer.write(HEAD + b"Content-Length: 3\r\n\r\nabc")  # the connection goes on as before
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(FINE)
        writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 0\r\n\r\n" + HEAD,
        HEAD.replace(b"read", b"refuse") + b"Content-Length: 9\r\n\r\nabc",
    ],
    ids=["nothing", "half a head", "half a second head", "a body nobody reads"],
)
async def test_what_a_client_owes_is_not_waited_for_without_end(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.01)
    async with serving() as (port, _):
        reader, writer = await wire(port, begun)
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                await reader.read()  # to the end: the server closes
        writer.close()


async def test_a_request_on_its_way_when_the_service_stops_is_answered_and_is_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 60)
    async with serving() as (port, alive):
        reader, writer = await wire(port, HEAD, b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        for connection in list(alive):
            connection.shutdown()  # as the server does when it is told to stop
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        async with asyncio.timeout(30):
            said = await reader.read()  # to the end: the server closes
        assert said.startswith(FINE)
        assert b"connection: close" in said
        writer.close()


async def test_an_idle_connection_does_not_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.01)
    async with serving() as (port, _):
        reader, writer = await wire(port, HEAD, b"Content-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
    assert await reader.read() == b""
    writer.close()


async def test_a_call_that_takes_long_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.01)
    async with serving() as (port, _):
        reader, writer = await wire(port, HEAD, b"Content-Length: 3\r\n\r\nab")  # its body has a bound of its own
        await asyncio.sleep(0.1)
        writer.write(b"c")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(FINE)
        writer.close()
