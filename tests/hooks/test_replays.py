from __future__ import annotations

import pytest
from conformance.tokens import Clock

from cds_service.errors import Unavailable
from cds_service.hooks.replays import TokenIds


class Shared:
    """A store of two replicas."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        known = (issuer, token_id) in self.seen
        self.seen.add((issuer, token_id))
        return not known


async def test_an_id_is_new_once_until_it_expires() -> None:
    clock = Clock(0)
    ids = TokenIds(clock)
    assert await ids.first_use("a", "1", 10, 0)
    assert not await ids.first_use("a", "1", 10, 0)
    clock.now = 11
    assert await ids.first_use("a", "1", 20, 0)


async def test_the_same_id_of_another_issuer_is_another_id() -> None:
    ids = TokenIds(Clock(0))
    assert await ids.first_use("a", "1", 10, 0)
    assert await ids.first_use("b", "1", 10, 0)


async def test_full_of_unexpired_ids_it_refuses_rather_than_forgets() -> None:
    clock = Clock(0)
    ids = TokenIds(clock, most=2)
    assert await ids.first_use("a", "1", 10, 0)
    assert await ids.first_use("a", "2", 20, 0)
    with pytest.raises(Unavailable):
        await ids.first_use("a", "3", 30, 0)
    assert not await ids.first_use("a", "1", 10, 0)
    clock.now = 11
    assert await ids.first_use("a", "3", 30, 0)
    assert not await ids.first_use("a", "2", 20, 0)


async def test_replicas_share_what_they_have_seen() -> None:
    shared = Shared()
    one, other = TokenIds(Clock(0), shared), TokenIds(Clock(0), shared)
    assert await one.first_use("a", "1", 10, 0)
    assert not await other.first_use("a", "1", 10, 0)
