from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from conformance.minimal import Echo, card

from cds_service.errors import MissingData
from cds_service.hooks.clients import profiles
from cds_service.hooks.guard import Guard
from cds_service.hooks.protocol import Context, HookRequest
from cds_service.services.service import Answer, Call

PROFILE = profiles.read()["spec"]


def call(seconds: float) -> Call:
    request = HookRequest(hook="patient-view", hookInstance="i", context=Context(patientId="p"))
    deadline = asyncio.get_running_loop().time() + seconds
    return Call(request=request, profile=PROFILE, client="anonymous", now=datetime.now(UTC), deadline=deadline)


def service(answering: object) -> Echo:
    return Echo("patient-summary", "patient-view", answering)  # type: ignore[arg-type]


async def test_an_answer_in_time_passes_through() -> None:
    made = Answer(cards=[card("in time")])

    async def answer(_call: Call) -> Answer:
        return made

    assert await Guard().run(service(answer), call(1)) is made


async def test_a_service_that_holds_on_to_its_cancellation_is_left_behind() -> None:
    release, ended = asyncio.Event(), asyncio.Event()

    async def stubborn(_call: Call) -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()
            ended.set()
        raise AssertionError

    guard = Guard()
    answer = await guard.run(service(stubborn), call(0))
    assert "in time" in answer.cards[0].summary
    assert answer.outcome == "failed"
    assert len(guard.late) == 1
    release.set()
    await ended.wait()
    await asyncio.sleep(0)
    assert not guard.late


async def test_a_call_that_is_broken_off_stops_its_service() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def hang(_call: Call) -> Answer:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    running = asyncio.create_task(Guard().run(service(hang), call(60)))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await stopped.wait()


async def test_an_error_with_a_status_of_its_own_passes_through() -> None:
    async def refuse(_call: Call) -> Answer:
        raise MissingData("required prefetch key 'patient'")

    with pytest.raises(MissingData):
        await Guard().run(service(refuse), call(1))


@pytest.mark.parametrize("error", [ValueError("secret"), RecursionError(), asyncio.CancelledError(), TimeoutError()])
async def test_any_other_error_becomes_a_card(error: BaseException) -> None:
    async def break_(_call: Call) -> Answer:
        raise error

    answer = await Guard().run(service(break_), call(1))
    assert "because of a fault" in answer.cards[0].summary
    assert "secret" not in repr(answer)


@pytest.mark.parametrize("outcome", ["partial", "failed"])
async def test_silence_is_kept_only_where_all_was_looked_at(outcome: str) -> None:
    async def say_nothing(_call: Call) -> Answer:
        return Answer(cards=[], outcome=outcome)

    async def all_seen(_call: Call) -> Answer:
        return Answer(cards=[])

    assert len((await Guard().run(service(say_nothing), call(1))).cards) == 1
    assert (await Guard().run(service(all_seen), call(1))).cards == []
