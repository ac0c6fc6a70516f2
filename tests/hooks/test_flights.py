from __future__ import annotations

import asyncio

import pytest

from cds_service.errors import MissingData, Unavailable
from cds_service.hooks.flights import Flights


class Work:
    """An answer that is made when the test says so, and counted."""

    def __init__(self, outcome: bytes | Exception = b"made") -> None:
        self.begun, self.release, self.outcome, self.times = asyncio.Event(), asyncio.Event(), outcome, 0

    async def __call__(self) -> bytes:
        self.times += 1
        self.begun.set()
        await self.release.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def test_callers_that_ask_the_same_meanwhile_share_one_answer() -> None:
    flights, work = Flights(), Work()
    callers = [asyncio.create_task(flights.share("q", work)) for _ in range(3)]
    await work.begun.wait()
    work.release.set()
    assert await asyncio.gather(*callers) == [b"made"] * 3
    assert work.times == 1
    assert await flights.share("q", work) == b"made"
    assert work.times == 2


async def test_other_questions_do_not_wait() -> None:
    flights, slow, quick = Flights(), Work(), Work(b"quick")
    waiting = asyncio.create_task(flights.share("slow", slow))
    await slow.begun.wait()
    quick.release.set()
    assert await flights.share("quick", quick) == b"quick"
    slow.release.set()
    await waiting


async def test_an_error_is_shared_and_the_next_caller_tries_anew() -> None:
    flights, work = Flights(), Work(MissingData("patient"))
    callers = [asyncio.create_task(flights.share("q", work)) for _ in range(2)]
    await work.begun.wait()
    work.release.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(error) for error in found] == [MissingData, MissingData]
    work.outcome = b"now"
    assert await flights.share("q", work) == b"now"


async def test_followers_of_a_call_that_is_broken_off_are_told_to_come_back() -> None:
    flights, work = Flights(), Work()
    first = asyncio.create_task(flights.share("q", work))
    await work.begun.wait()
    follower = asyncio.create_task(flights.share("q", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(Unavailable):
        await follower
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_follower_that_leaves_does_not_disturb_the_first() -> None:
    flights, work = Flights(), Work()
    first = asyncio.create_task(flights.share("q", work))
    await work.begun.wait()
    follower = asyncio.create_task(flights.share("q", work))
    await asyncio.sleep(0)
    follower.cancel()
    work.release.set()
    assert await first == b"made"
