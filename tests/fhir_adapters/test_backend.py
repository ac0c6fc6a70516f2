"""SMART Backend Services against a token server of our own that checks every assertion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_adapters import errors
from fhir_adapters.addresses import Policy
from fhir_adapters.backend import BackendServices
from fhir_adapters.outbound import Outbound


class TokenServer:
    """Answers discovery and token requests over HTTP/1.1; refuses an assertion that is not as the specification asks."""

    def __init__(self) -> None:
        self.key: RSAKey | ECKey = ECKey.generate_key("P-384")
        self.seen: list[str] = []
        self.expires_in: float = 300
        self.body: bytes | None = None
        self.status = 200
        self.delay_s = 0.0
        self.base = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
        )
        body = await reader.readexactly(length)
        await asyncio.sleep(self.delay_s)
        status, answer = self.answer(head.split()[0], head.split()[1], body.decode())
        writer.write(
            f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode()
            + answer
        )
        await writer.drain()
        writer.close()

    def answer(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        if method == "GET":
            assert path == "/fhir/.well-known/smart-configuration"
            return 200, json.dumps({"token_endpoint": f"{self.base}/token"}).encode()
        if self.body is not None:
            return self.status, self.body
        form = {name: values[0] for name, values in parse_qs(body).items()}
        assert form["grant_type"] == "client_credentials"
        token = jwt.decode(form["client_assertion"], self.key, algorithms=["RS384", "ES384"])
        claims: dict[str, Any] = token.claims
        assert claims["iss"] == claims["sub"] == "client"
        assert claims["aud"] == f"{self.base}/token"
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert claims["jti"] not in self.seen
        assert token.header["kid"] == (self.key.kid or self.key.thumbprint())
        self.seen.append(claims["jti"])
        return 200, json.dumps(
            {"access_token": f"t{len(self.seen)}", "token_type": "bearer", "expires_in": self.expires_in}
        ).encode()


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    made = TokenServer()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    listening.close()
    await listening.wait_closed()


@pytest.fixture
async def outbound(server: TokenServer) -> AsyncIterator[Outbound]:
    async with Outbound(Policy(operator=[server.base])) as made:
        yield made


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


@pytest.mark.parametrize("key", [ECKey.generate_key("P-384"), RSAKey.generate_key(2048)], ids=["ES384", "RS384"])
async def test_both_algorithms_open_the_door_by_discovery(server: TokenServer, outbound: Outbound, key: Any) -> None:
    server.key = key
    backend = BackendServices(outbound, f"{server.base}/fhir", client_id="client", key=key)
    assert (await backend.bearer(deadline=soon())).header() == {"Authorization": "Bearer t1"}


async def test_callers_that_come_together_share_one_request(server: TokenServer, outbound: Outbound) -> None:
    backend = BackendServices(outbound, f"{server.base}/fhir", client_id="client", key=server.key)
    bearers = await asyncio.gather(*(backend.bearer(deadline=soon()) for _ in range(20)))
    assert len(server.seen) == 1
    assert len({id(bearer) for bearer in bearers}) == 1


async def test_a_token_is_renewed_before_it_runs_out(server: TokenServer, outbound: Outbound) -> None:
    now = [1_800_000_000.0]
    backend = BackendServices(outbound, f"{server.base}/fhir", client_id="client", key=server.key, clock=lambda: now[0])
    await backend.bearer(deadline=soon())
    now[0] += 269
    await backend.bearer(deadline=soon())
    assert len(server.seen) == 1
    now[0] += 2
    await backend.bearer(deadline=soon())
    assert len(server.seen) == 2


async def test_one_callers_deadline_does_not_end_the_request_of_the_others(
    server: TokenServer, outbound: Outbound
) -> None:
    server.delay_s = 0.2
    backend = BackendServices(outbound, f"{server.base}/fhir", client_id="client", key=server.key)
    hurried = asyncio.create_task(backend.bearer(deadline=asyncio.get_running_loop().time() + 0.1))
    patient = asyncio.create_task(backend.bearer(deadline=soon()))
    with pytest.raises(errors.TimedOut):
        await hurried
    assert (await patient).header() == {"Authorization": "Bearer t1"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":"invalid_client"}', errors.NotPermitted),
        (401, b"", errors.NotPermitted),
        (500, b"", errors.ServerError),
        (200, b"<html>", errors.InvalidJson),
        (200, b'{"access_token":"M\xfc","token_type":"bearer"}', errors.InvalidJson),
        (200, b'{"access_token":"x","token_type":"mac"}', errors.InvalidJson),
    ],
)
async def test_every_refusal_has_its_name_and_the_next_caller_tries_again(
    server: TokenServer, outbound: Outbound, status: int, body: bytes, kind: type[errors.FhirError]
) -> None:
    server.status, server.body = status, body
    backend = BackendServices(outbound, f"{server.base}/fhir", client_id="client", key=server.key)
    with pytest.raises(kind):
        await backend.bearer(deadline=soon())
    server.body = None
    assert await backend.bearer(deadline=soon())


async def test_a_token_endpoint_on_an_origin_nobody_allowed_is_not_called(
    server: TokenServer, outbound: Outbound
) -> None:
    backend = BackendServices(
        outbound,
        f"{server.base}/fhir",
        client_id="client",
        key=server.key,
        token_url="https://elsewhere.example.org/token",
    )
    with pytest.raises(errors.UnsafeAddress):
        await backend.bearer(deadline=soon())


def test_other_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="P-384"):
        BackendServices(None, "https://x", client_id="c", key=ECKey.generate_key("P-256"))  # type: ignore[arg-type]
