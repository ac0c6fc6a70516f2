from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from conformance import bodies, tokens
from conformance.minimal import Minimal, services
from conformance.tokens import Clock

from cds_service.errors import TooManyRequests, Unavailable
from cds_service.hooks import admission
from cds_service.hooks.admission import Gate, Shares
from cds_service.services.service import Answer, Call
from cds_service.settings import Settings

SUMMARY = "/cds-services/patient-summary"


async def test_calls_over_the_limit_are_told_to_come_back_and_others_are_not_disturbed() -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    working: list[Call] = []

    async def wait(call: Call) -> Answer:
        working.append(call)
        if len(working) == 2:
            begun.set()
        await release.wait()
        return Answer(cards=[])

    house = Minimal(Settings(max_concurrent_calls=2, deadline_ms=60_000), services(wait))
    transport = httpx2.ASGITransport(app=house.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        calls = [asyncio.create_task(client.post(SUMMARY, json=bodies.request())) for _ in range(2)]
        await begun.wait()
        shed = await client.post(SUMMARY, json=bodies.request())
        discovery = await client.get("/cds-services")
        release.set()
        answers = await asyncio.gather(*calls)
        after = await client.post(SUMMARY, json=bodies.request())
    assert shed.status_code == 503
    assert shed.headers["Retry-After"] == "1"
    assert shed.json()["issue"][0]["code"] == "transient"
    assert discovery.status_code == 200
    assert [answer.status_code for answer in [*answers, after]] == [200, 200, 200]


def test_a_place_is_given_back_whatever_happens_inside() -> None:
    gate = Gate(1)
    with pytest.raises(ZeroDivisionError), gate:
        _ = 1 / 0
    with gate, pytest.raises(Unavailable), gate:
        pass
    assert gate.inside == 0


def test_a_client_over_its_share_waits_while_others_do_not() -> None:
    clock = Clock(0.0)
    shares = Shares(clock, rate=2, burst=3)
    for _ in range(3):
        shares.take("flooding")
    with pytest.raises(TooManyRequests) as refused:
        shares.take("flooding")
    assert refused.value.retry_after == 1
    shares.take("other")
    clock.now += 0.5
    shares.take("flooding")
    with pytest.raises(TooManyRequests):
        shares.take("flooding")


def test_clients_that_fell_silent_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_CLIENTS", 3)
    shares = Shares(Clock(0.0), rate=1, burst=1)
    for name in ("a", "b", "c", "d"):
        shares.take(name)
    shares.take("a")  # forgotten, so full again
    with pytest.raises(TooManyRequests):
        shares.take("d")


async def test_a_client_over_its_share_gets_a_429(tmp_path: Path) -> None:
    house = Minimal(tokens.production(tmp_path), shares=Shares(Clock(0.0), rate=1, burst=1))
    transport = httpx2.ASGITransport(app=house.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        first, second = [
            await client.post(SUMMARY, json=bodies.request(), headers=tokens.bearer(tokens.token())) for _ in range(2)
        ]
    assert first.status_code == 200
    assert second.status_code == 429
    assert second.headers["Retry-After"] == "1"
