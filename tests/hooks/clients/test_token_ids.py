from __future__ import annotations

import asyncio

import pytest
from conformance.tokens import Clock

from cds_service.errors import Unavailable
from cds_service.hooks.clients.token_ids import FEWEST, SHARED_S, TokenIds, Use


class Shared:
    """A store of two replicas."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        known = (issuer, token_id) in self.seen
        self.seen.add((issuer, token_id))
        return not known

    def tell(self, issuer: str, token_id: str, expires: float) -> None:
        self.seen.add((issuer, token_id))


class Silent(Shared):
    """Hangs until the deadline, as a frozen database does."""

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        await asyncio.sleep(max(0.0, deadline - asyncio.get_running_loop().time()))
        raise Unavailable("the database did not answer in time", retry_after=5)


async def test_an_id_is_new_once_until_it_expires() -> None:
    clock = Clock(0)
    ids = TokenIds(clock)
    assert await ids.use("a", "1", 10, 0) is Use.FIRST
    assert await ids.use("a", "1", 10, 0) is Use.AGAIN
    clock.now = 11
    assert await ids.use("a", "1", 20, 0) is Use.FIRST


async def test_the_same_id_of_another_issuer_is_another_id() -> None:
    ids = TokenIds(Clock(0))
    assert await ids.use("a", "1", 10, 0) is Use.FIRST
    assert await ids.use("b", "1", 10, 0) is Use.FIRST


async def test_full_of_unexpired_ids_it_refuses_rather_than_forgets() -> None:
    clock = Clock(0)
    ids = TokenIds(clock, most=2)
    assert await ids.use("a", "1", 10, 0) is Use.FIRST
    assert await ids.use("a", "2", 20, 0) is Use.FIRST
    with pytest.raises(Unavailable):
        await ids.use("a", "3", 30, 0)
    assert await ids.use("a", "1", 10, 0) is Use.AGAIN
    clock.now = 11
    assert await ids.use("a", "3", 30, 0) is Use.FIRST
    assert await ids.use("a", "2", 20, 0) is Use.AGAIN


async def test_expired_ids_are_forgotten_long_before_memory_is_full() -> None:
    clock = Clock(0)
    ids = TokenIds(clock)
    for number in range(20 * FEWEST):
        clock.now = number
        assert await ids.use("a", str(number), number + 100, 0) is Use.FIRST
    assert len(ids._expiry) <= 2 * FEWEST


async def test_replicas_share_what_they_have_seen() -> None:
    shared = Shared()
    one, other = TokenIds(Clock(0), shared), TokenIds(Clock(0), shared)
    assert await one.use("a", "1", 10, 0) is Use.FIRST
    assert await other.use("a", "1", 10, 0) is Use.AGAIN


async def test_a_shared_store_that_hangs_costs_a_moment_and_shuts_out_nobody() -> None:
    shared, loop = Silent(), asyncio.get_running_loop()
    ids = TokenIds(Clock(0), shared)
    started = loop.time()
    assert await ids.use("a", "1", 10, started + 2) is Use.FIRST_HERE
    assert loop.time() - started < SHARED_S + 0.2
    assert await ids.use("a", "1", 10, loop.time() + 2) is Use.AGAIN
    assert ("a", "1") in shared.seen  # told, so that other replicas learn of it


async def test_an_id_whose_call_was_given_up_may_come_again() -> None:
    class Slow(Shared):
        async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
            await asyncio.sleep(0.02)
            return await super().first_use(issuer, token_id, expires, deadline)

    ids = TokenIds(Clock(0), Slow())
    given_up = asyncio.create_task(ids.use("a", "1", 10, asyncio.get_running_loop().time() + 2))
    await asyncio.sleep(0)
    assert await ids.use("a", "1", 10, 0) is Use.AGAIN  # while it is looked up
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await ids.use("a", "1", 10, asyncio.get_running_loop().time() + 2) is Use.FIRST
