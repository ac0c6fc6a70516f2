"""Each wrapper of an engine by itself: retry, breaker, limit, deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from cds_service.models.engine import Capabilities, Generation, Identity, Request, Scores
from cds_service.models.faults import (
    BreakerOpen,
    ConnectionFault,
    EngineFault,
    EngineTimeout,
    Looping,
    NotJson,
    QueueFull,
    SchemaViolated,
    ServerFault,
    StrayTokens,
    Truncated,
    WrongLanguage,
)
from cds_service.models.wrappers import breaker as breaker_module
from cds_service.models.wrappers.breaker import Breaker
from cds_service.models.wrappers.deadline import Deadline
from cds_service.models.wrappers.limit import Limit
from cds_service.models.wrappers.retry import PAUSE_S, Retry
from cds_service.models.wrappers.trusted import Trusted

IDENTITY = Identity("openai", "tiny")
SAID = Generation(text="yes", finish_reason="stop", identity=IDENTITY)
ASKED = Request(prompt="?")
WAITING = Request(prompt="!", waiting=True)


class Scripted:
    """Raises the faults in turn, then answers; ``held`` answers only when it is let go."""

    identity = IDENTITY
    capabilities = Capabilities()

    def __init__(self, faults: Sequence[Exception | None] = (), *, held: bool = False) -> None:
        self.faults = list(faults)
        self.asked: list[Request] = []
        self.at: list[float] = []
        self.said = SAID
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        self.at.append(now())
        await self.go.wait()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        return self.said

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        raise NotImplementedError


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_connection_fault_is_tried_once_more_after_a_short_pause() -> None:
    inner = Scripted([ConnectionFault()])
    assert await Retry(inner).generate(ASKED) is SAID
    assert PAUSE_S[0] <= inner.at[1] - inner.at[0] + 0.001
    inner = Scripted([ConnectionFault(), ConnectionFault()])
    with pytest.raises(ConnectionFault):
        await Retry(inner).generate(ASKED)
    assert len(inner.asked) == 2


@pytest.mark.parametrize("fault", [ServerFault(), NotJson(), EngineTimeout(), QueueFull()])
async def test_no_other_fault_is_tried_again(fault: Exception) -> None:
    inner = Scripted([fault])
    with pytest.raises(type(fault)):
        await Retry(inner).generate(ASKED)
    assert len(inner.asked) == 1


async def test_no_second_try_is_made_without_time_for_it() -> None:
    inner = Scripted([ConnectionFault()])
    with pytest.raises(ConnectionFault):
        await Retry(inner).generate(Request(prompt="?", deadline=now() + PAUSE_S[0] / 2))
    assert len(inner.asked) == 1


async def fail(breaker: Breaker, fault: type[Exception] = ServerFault) -> None:
    with pytest.raises(fault):
        await breaker.generate(ASKED)


async def test_failures_in_a_row_open_the_breaker_and_an_open_one_asks_nobody() -> None:
    inner = Scripted([ServerFault()] * 3)
    breaker = Breaker(inner, in_a_row=3, rest_s=60)
    for _ in range(3):
        assert breaker.state == "closed"
        await fail(breaker)
    assert breaker.state == "open"
    with pytest.raises(BreakerOpen) as open_:
        await breaker.generate(ASKED)
    assert len(inner.asked) == 3
    assert open_.value.retry_after is not None
    assert 0 < open_.value.retry_after <= 60


async def test_too_many_failures_among_the_last_requests_open_it_though_none_follow_each_other_long() -> None:
    faults = [ServerFault(), ServerFault(), None] * 4
    breaker = Breaker(Scripted(faults), in_a_row=3, window=10, ratio=0.5)
    for fault in faults[:9]:
        if fault is None:
            await breaker.generate(ASKED)
        else:
            await fail(breaker)
    assert breaker.state == "closed", "the window is not full yet"
    await fail(breaker)
    assert breaker.state == "open"


async def test_half_failures_alone_do_not_open_it() -> None:
    faults = [ServerFault(), None] * 20
    breaker = Breaker(Scripted(faults), in_a_row=3, window=10, ratio=0.5)
    for fault in faults:
        if fault is None:
            await breaker.generate(ASKED)
        else:
            await fail(breaker)
    assert breaker.state == "closed"


async def test_an_answer_that_cannot_be_used_is_no_failure_of_the_engine() -> None:
    breaker = Breaker(Scripted([NotJson()] * 9), in_a_row=3)
    for _ in range(9):
        await fail(breaker, NotJson)
    assert breaker.state == "closed"


async def test_half_open_admits_one_request_whose_success_closes_it() -> None:
    inner = Scripted([ServerFault()])
    breaker = Breaker(inner, in_a_row=1, rest_s=0.02)
    await fail(breaker)
    await asyncio.sleep(0.03)
    assert breaker.state == "half-open"
    inner.go.clear()
    probe = asyncio.create_task(breaker.generate(ASKED))
    await settle()
    with pytest.raises(BreakerOpen):
        await breaker.generate(ASKED)
    inner.go.set()
    assert await probe is SAID
    assert breaker.state == "closed"


async def test_a_failed_probe_doubles_the_rest_and_a_cancelled_one_lets_the_next_try() -> None:
    inner = Scripted([ServerFault(), ServerFault()])
    breaker = Breaker(inner, in_a_row=1, rest_s=0.2)
    await fail(breaker)
    await asyncio.sleep(0.21)
    await fail(breaker)
    await asyncio.sleep(0.21)
    assert breaker.state == "open", "it rests twice as long now"
    await asyncio.sleep(0.21)
    inner.go.clear()
    probe = asyncio.create_task(breaker.generate(ASKED))
    await settle()
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    inner.go.set()
    assert await breaker.generate(ASKED) is SAID


async def test_a_request_that_had_hardly_any_time_says_nothing_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_out(breaker: Breaker) -> None:
        with pytest.raises(EngineTimeout):
            await Deadline(breaker, 10).generate(Request(prompt="?", deadline=now() + 0.03))

    breaker = Breaker(Scripted(held=True), in_a_row=1)
    await run_out(breaker)
    assert breaker.state == "closed"
    monkeypatch.setattr(breaker_module, "FAIR_S", 0.01)
    await run_out(breaker)
    assert breaker.state == "open"


async def test_a_waiting_clinician_goes_before_warm_up_and_each_rank_is_served_in_order() -> None:
    inner = Scripted(held=True)
    limit = Limit(inner, slots=1, queue=8, oldest_s=60)
    order = [ASKED, Request(prompt="w1"), Request(prompt="w2"), WAITING, Request(prompt="!2", waiting=True)]
    tasks = []
    for request in order:
        tasks.append(asyncio.create_task(limit.generate(request)))
        await settle()
    assert (limit.busy, limit.depth) == (1, 4)
    inner.go.set()
    await asyncio.gather(*tasks)
    assert [request.prompt for request in inner.asked] == ["?", "!", "!2", "w1", "w2"]
    assert (limit.busy, limit.depth) == (0, 0)


async def test_at_the_bound_warm_up_is_refused_and_a_clinician_takes_the_newest_ones_place() -> None:
    inner = Scripted(held=True)
    limit = Limit(inner, slots=1, queue=2, oldest_s=60)
    first, old, new = [asyncio.create_task(limit.generate(Request(prompt=p))) for p in ("1", "old", "new")]
    await settle()
    with pytest.raises(QueueFull):
        await limit.generate(ASKED)
    urgent = asyncio.create_task(limit.generate(WAITING))
    await settle()
    with pytest.raises(QueueFull):
        await new
    inner.go.set()
    await asyncio.gather(first, old, urgent)
    assert [request.prompt for request in inner.asked] == ["1", "!", "old"]


async def test_who_waited_too_long_is_shed_and_who_went_away_frees_the_place() -> None:
    inner = Scripted(held=True)
    limit = Limit(inner, slots=1, queue=8, oldest_s=0.3)
    first = asyncio.create_task(limit.generate(ASKED))
    await settle()
    gone = asyncio.create_task(limit.generate(ASKED))
    await settle()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert limit.depth == 0
    with pytest.raises(QueueFull):
        await limit.generate(ASKED)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (limit.busy, limit.depth) == (0, 0)


@pytest.mark.parametrize("step", range(6))
async def test_a_slot_is_never_lost_whenever_its_next_owner_goes_away(step: int) -> None:
    inner = Scripted(held=True)
    limit = Limit(inner, slots=1, queue=8, oldest_s=60)
    first, second = [asyncio.create_task(limit.generate(ASKED)) for _ in range(2)]
    await settle()
    inner.go.set()
    for _ in range(step):
        await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert (limit.busy, limit.depth) == (0, 0)
    assert await limit.generate(ASKED) is SAID


async def test_the_deadline_cancels_what_is_under_way_and_one_in_the_past_asks_nobody() -> None:
    inner = Scripted(held=True)
    with pytest.raises(EngineTimeout):
        await Deadline(inner, 0.02).generate(ASKED)
    assert inner.asked[0].deadline is not None
    with pytest.raises(EngineTimeout):
        await Deadline(inner, 10).generate(Request(prompt="?", deadline=now() - 1))
    assert len(inner.asked) == 1


LOOP = "Potassium 6.1 mmol/L, high. " * 8
SENTENCE = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 240}},
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("generation", "fault"),
    [
        (replace(SAID, text=f'{{"text":"{LOOP.strip()}"}}'), Looping),
        (replace(SAID, text='{"text":"<unused94>thought"}'), EngineFault),
        (replace(SAID, text='{"text":"high <unused32>"}'), StrayTokens),
        (replace(SAID, text='{"text":"Der Patient ist nicht stabil und wurde mit Kalium behandelt."}'), WrongLanguage),
        (replace(SAID, text='{"text":1}'), SchemaViolated),
        (replace(SAID, text='{"text":"x"}', finish_reason="length"), Truncated),
    ],
)
async def test_whatever_engine_answered_nothing_is_handed_out_that_does_not_stand_up(
    generation: Generation, fault: type[EngineFault]
) -> None:
    inner = Scripted()
    inner.said = generation
    with pytest.raises(fault):
        await Trusted(inner).generate(Request(prompt="?", schema=SENTENCE))
    inner.said = replace(SAID, text='{"text":"Potassium 6.1 mmol/L, high."}')
    assert await Trusted(inner).generate(Request(prompt="?", schema=SENTENCE)) == inner.said
