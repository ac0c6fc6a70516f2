"""Fault rows 18–21: tokens that must not open the door."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from conformance import bodies, tokens
from conformance.minimal import Echo, Minimal
from conformance.tokens import EC, RSA, STRANGER, Clock, KeyServer, bearer, production, token
from pydantic import SecretStr
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.errors import Unavailable
from cds_service.hooks.clients.auth import ClientAuth, Trusted
from cds_service.hooks.clients.keys import FAILURE_PAUSE_S, FRESH_S, MAX_STALE_S, UNKNOWN_KID_PAUSE_S

SUMMARY = "/cds-services/patient-summary"
NOW = time.time()


class House(Minimal):
    """A production house whose clocks stand still and whose client's keys are fetched."""

    def __init__(self, **client: Any) -> None:
        settings = production(client=client)
        self.server, self.wall, self.steady = KeyServer(), Clock(NOW), Clock(1000.0)
        super().__init__(settings, clients=ClientAuth(settings, self.server, clock=self.wall, steady=self.steady))

    def call(self, text: str) -> httpx2.Response:
        with TestClient(self.app) as client:
            return client.post(SUMMARY, json=bodies.request(), headers=bearer(text))

    def pass_time(self, seconds: float) -> str:
        """Let time pass; a token that is good then."""
        self.wall.now += seconds
        self.steady.now += seconds
        return token(now=self.wall.now)


@pytest.fixture
def house() -> House:
    return House()


def unsigned(alg: str, **claims: Any) -> str:
    """The signing input of a token with any algorithm in its header."""
    head = {"alg": alg, "kid": "rsa+/=1", "typ": "JWT"}
    made = {"iss": tokens.ISSUER, "aud": tokens.SUMMARY, "iat": NOW, "exp": NOW + 300, "jti": "x", **claims}
    return ".".join(base64.urlsafe_b64encode(msgspec.json.encode(p)).rstrip(b"=").decode() for p in (head, made))


def signed_with_the_public_key() -> str:
    """The old trick: HMAC with the public key's own text."""
    text = unsigned("HS256")
    mac = hmac.new(RSA.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_row_18_a_jti_seen_before_is_refused_until_its_token_has_expired(house: House) -> None:
    text = token(now=NOW)
    assert house.call(text).status_code == 200
    assert house.call(text).status_code == 401
    house.pass_time(359)  # 300 s of life, 60 s of leeway
    assert house.call(text).status_code == 401
    assert house.audit.reasons() == ["jti seen before", "jti seen before"]


def test_row_18_the_same_jti_of_a_new_token_is_refused_too(house: House) -> None:
    assert house.call(token(now=NOW, jti="once")).status_code == 200
    assert house.call(token(now=NOW, jti="once", exp=int(NOW) + 200)).status_code == 401


def test_row_18_a_token_used_before_a_restart_opens_no_door_after_it(tmp_path: Path) -> None:
    key = SecretStr(base64.b64encode(b"k" * 32).decode())
    settings, once = production(tmp_path, state_dir=tmp_path, encryption_key=key), token()
    for status in (200, 401):
        with TestClient(create_app(settings)) as client:
            assert client.post(SUMMARY, json=bodies.request(), headers=bearer(once)).status_code == status


REFUSED = {
    "no algorithm": lambda: unsigned("none") + ".",
    "no algorithm in capitals": lambda: unsigned("NONE") + ".",
    "HMAC with the public key": signed_with_the_public_key,
    "unknown kid": lambda: token(now=NOW, header={"kid": "nobody"}),
    "another's key under a known kid": lambda: token(STRANGER, now=NOW),
    "signature of another token": lambda: token(now=NOW).rpartition(".")[0] + "." + token(now=NOW).rpartition(".")[2],
    "algorithm of another key type": lambda: token(RSA, now=NOW, header={"kid": EC.kid}),
    "expired": lambda: token(now=NOW - 400),
    "expires when nobody knows": lambda: token(now=NOW, exp="soon"),
    "lives for years": lambda: token(now=NOW, exp=NOW + 10 * 365 * 86400),
    "issued in the future": lambda: token(now=NOW, iat=NOW + 120),
    "not valid yet": lambda: token(now=NOW, nbf=NOW + 120),
    "wrong audience": lambda: token(now=NOW, aud=f"{tokens.PUBLIC_URL}/cds-services/order-triage"),
    "audience of the feedback route": lambda: token(now=NOW, aud=tokens.FEEDBACK),
    "empty audience list": lambda: token(now=NOW, aud=[]),
    "jti is a number": lambda: token(now=NOW, jti=7),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_row_19_every_bad_token_gets_the_same_bare_401(house: House, fault: str) -> None:
    plain = house.call("")
    answer = house.call(REFUSED[fault]())
    assert answer.status_code == 401
    assert answer.content == plain.content
    assert dict(answer.headers) == dict(plain.headers)
    service = house.services["patient-summary"]
    assert isinstance(service, Echo)
    assert service.calls == []


def test_row_19_a_clock_a_minute_off_is_forgiven(house: House) -> None:
    assert house.call(token(now=NOW + 55)).status_code == 200
    assert house.call(token(now=NOW - 355)).status_code == 200


def test_row_20_a_jku_nobody_listed_is_refused_and_never_asked(house: House) -> None:
    for jku in ("https://evil.example/jwks.json", tokens.JWKS_URL + "?x", "http://169.254.169.254/"):
        assert house.call(token(now=NOW, header={"jku": jku})).status_code == 401
    assert house.server.asked == []
    assert set(house.audit.reasons()) == {"jku not allowed"}


def test_row_20_an_unknown_issuer_makes_nobody_ask_anybody(house: House) -> None:
    assert house.call(token(now=NOW, iss="https://evil.example")).status_code == 401
    assert house.server.asked == []


def test_row_20_the_listed_jku_is_asked_once_and_no_other(house: House) -> None:
    for _ in range(3):
        assert house.call(token(now=NOW, header={"jku": tokens.JWKS_URL})).status_code == 200
    assert house.server.asked == [tokens.JWKS_URL]


def test_row_20_a_key_server_that_answers_with_something_else_gives_no_keys(house: House) -> None:
    for document in (None, [], {"keys": "x"}, {"keys": [{"kty": "oct", "k": "AAAA", "kid": "ec-1"}]}, {"keys": [None]}):
        house.server.document = document
        assert house.call(house.pass_time(FAILURE_PAUSE_S)).status_code == 503


def test_row_21_keys_at_hand_serve_while_the_key_server_is_down_and_then_nothing_does(house: House) -> None:
    assert house.call(token(now=NOW)).status_code == 200
    house.server.document = None
    assert house.call(house.pass_time(FRESH_S + 1)).status_code == 200
    assert house.call(house.pass_time(MAX_STALE_S - FRESH_S - 10)).status_code == 200
    answer = house.call(house.pass_time(20))
    assert answer.status_code == 503
    assert house.audit.lines[-1][1]["notes"] == [f"claimed:{tokens.ISSUER}"]
    assert int(answer.headers["Retry-After"]) >= 1


def test_row_21_without_keys_from_the_start_the_answer_is_503_and_the_server_is_not_hammered(house: House) -> None:
    house.server.document = None
    for _ in range(5):
        assert house.call(token(now=NOW)).status_code == 503
    assert len(house.server.asked) == 1
    house.server.document = tokens.key_set()
    assert house.call(house.pass_time(FAILURE_PAUSE_S)).status_code == 200


def test_row_21_a_flood_of_unknown_kids_asks_for_keys_once_in_a_while(house: House) -> None:
    assert house.call(token(now=NOW)).status_code == 200
    house.pass_time(UNKNOWN_KID_PAUSE_S)
    for n in range(20):
        assert house.call(token(now=house.wall.now, header={"kid": f"made-up-{n}"})).status_code == 401
    assert len(house.server.asked) == 2


def test_row_21_a_new_key_of_the_client_is_found_by_one_look(house: House) -> None:
    keys = tokens.key_set()["keys"]
    house.server.document = {"keys": keys[1:]}
    assert house.call(token(RSA, now=NOW)).status_code == 200
    house.server.document = {"keys": keys}
    assert house.call(house.pass_time(UNKNOWN_KID_PAUSE_S)).status_code == 200


async def test_row_21_callers_that_wait_for_keys_share_one_fetch() -> None:
    release = asyncio.Event()
    asked: list[str] = []

    async def slow(url: str, deadline: float) -> object:
        asked.append(url)
        await release.wait()
        return tokens.key_set()

    clients = ClientAuth(production(), slow)
    later = asyncio.get_running_loop().time() + 60
    waiting = [asyncio.create_task(clients.verify(f"Bearer {token()}", SUMMARY, later)) for _ in range(5)]
    await asyncio.sleep(0)
    release.set()
    assert {who.issuer for who in await asyncio.gather(*waiting)} == {tokens.ISSUER}
    assert len(asked) == 1


class HangingKeyServer(KeyServer):
    """Takes the question and never answers."""

    async def __call__(self, url: str, deadline: float) -> object | None:
        await super().__call__(url, deadline)
        await asyncio.Event().wait()
        raise AssertionError("nobody gets here")


@pytest.mark.parametrize(
    ("hook", "deadline_ms", "most"), [("order-sign", 0, 0.5), ("patient-view", 0, 1.5), ("patient-view", 200, 0.2)]
)
def test_row_21_a_call_waits_for_keys_no_longer_than_its_own_deadline(hook: str, deadline_ms: int, most: float) -> None:
    """The clock is read off what is asked of the keys, not off the wall: a busy machine changes nothing."""
    waits: list[float] = []

    class Watched(ClientAuth):
        async def verify(self, authorization: str, path: str, deadline: float) -> Trusted:
            waits.append(deadline - asyncio.get_running_loop().time())
            raise Unavailable("the client's keys cannot be had")

    settings = production(deadline_ms=deadline_ms)
    house = Minimal(settings, clients=Watched(settings, KeyServer()))
    service = next(each for each in house.services.values() if each.hook == hook)
    client = TestClient(house.app)
    assert client.post(f"/cds-services/{service.id}", json=bodies.request(), headers=bearer(token())).status_code == 503
    assert waits[0] < most


async def test_row_21_a_key_server_that_hangs_gives_503_when_the_wait_is_over() -> None:
    clients = ClientAuth(production(), HangingKeyServer())
    soon = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(Unavailable):
        await asyncio.wait_for(clients.verify(f"Bearer {token()}", SUMMARY, soon), timeout=60)


async def test_row_21_keys_are_fetched_at_start_before_any_call_needs_them() -> None:
    server = KeyServer()
    clients = ClientAuth(production(), server)
    clients.warm()
    await asyncio.sleep(0)
    assert server.asked == [tokens.JWKS_URL]
    past = asyncio.get_running_loop().time() - 1  # nothing could be waited for
    assert (await clients.verify(f"Bearer {token()}", SUMMARY, past)).issuer == tokens.ISSUER
    assert len(server.asked) == 1


def test_a_client_with_keys_in_a_file_needs_no_key_server(tmp_path: Path) -> None:
    house = Minimal(production(tmp_path))
    answer = TestClient(house.app).post(SUMMARY, json=bodies.request(), headers=bearer(token()))
    assert answer.status_code == 200
