"""Fault rows 25 to 28, 32, 36, 37 and 39 on the level of engines: whatever a model server does, a fault by name and a free slot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Request
from cds_service.models.faults import (
    BadAnswer,
    BreakerOpen,
    ConnectionFault,
    Empty,
    EngineFault,
    EngineTimeout,
    Looping,
    NotJson,
    QueueFull,
    Refusing,
    SchemaViolated,
    ServerFault,
    StrayTokens,
    ThinkingUnclosed,
    TooLong,
    Truncated,
    WrongLanguage,
)
from cds_service.models.standing import Bounds, Standing
from cds_service.settings import Settings
from tests.models.answering_engine import Server, obedient, serving

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 400}},
    "required": ["text"],
    "additionalProperties": False,
}
ASKED = Request(prompt="Summarise.", schema=SCHEMA, max_tokens=256)


@asynccontextmanager
async def asking(server: Server, bounds: Bounds | None = None) -> AsyncIterator[Standing]:
    """A ready engine in front of the server."""
    with serving(server):
        settings = Settings(text_engine="openai", text_base_url=server.url, text_model="tiny")
        async with engines.door(settings) as door:
            bare = engines._bare(settings, "text", door)
            assert bare is not None
            standing = Standing(bare, "text", Metrics(), bounds)
            assert await standing.look() == "ready", standing.why
            yield standing


def says(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda _body: text


@pytest.mark.parametrize("status", [500, 502])
async def test_row_25_a_server_that_fails_is_named_and_its_words_are_not_repeated(status: int) -> None:
    async with asking(Server(obedient, status=status)) as standing:
        with pytest.raises(ServerFault) as fault:
            await standing.engine.generate(ASKED)
        assert "secret" not in str(fault.value)


async def test_row_25_a_broken_connection_is_tried_once_more() -> None:
    server = Server(obedient, cuts_left=1)
    async with asking(server) as standing:
        assert (await standing.engine.generate(ASKED)).text == '{"text":"x"}'
        assert len(server.bodies) == 2
        server.cut = True
        with pytest.raises(ConnectionFault):
            await standing.engine.generate(ASKED)
        assert len(server.bodies) == 4


async def test_row_26_a_hanging_server_is_left_at_the_deadline_and_hears_of_it() -> None:
    server = Server(obedient, hang=True)
    async with asking(server) as standing:
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(EngineTimeout):
            await standing.engine.generate(Request(prompt="x", deadline=began + 0.3))
        assert clock() - began < 0.4
        assert standing._limit.busy == 0
        assert await asyncio.to_thread(server.gone.wait, 2.0)
        assert not standing.fits(10.0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Empty),
        ("  \n ", Empty),
        ("\n" * 400, Empty),
        ('{"text":"' + "a" * 50_000 + '"}', TooLong),
        ('{"text":"' + "The patient is stable today. " * 12 + '"}', Looping),
        ('{"text":"x"}' + "\n" * 200, Looping),
    ],
)
async def test_row_27_empty_endless_and_looping_answers_are_refused(text: str, fault: type[BadAnswer]) -> None:
    async with asking(Server(says(text))) as standing:
        with pytest.raises(fault):
            await standing.engine.generate(ASKED)


async def test_row_27_a_cut_answer_is_refused_even_if_it_parses() -> None:
    async with asking(Server(obedient, finish="length")) as standing:
        with pytest.raises(Truncated):
            await standing.engine.generate(ASKED)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", NotJson),
        ('Here it is: {"text":"x"}', NotJson),
        ('{"text":"x"} I hope this helps.', NotJson),
        ('{"text":1}', SchemaViolated),
        ('{"text":"x","more":1}', SchemaViolated),
        ("[]", SchemaViolated),
        ("I'm sorry, I cannot help with that.", Refusing),
        ('{"text":"I am unable to answer."}', Refusing),
        ("<unused94>thought\nlet me think", ThinkingUnclosed),
        ('{"text":"x <unused32><unused32>"}', StrayTokens),
        ('{"text":"a<pad><pad>"}', StrayTokens),
    ],
)
async def test_row_28_other_than_the_schema_is_a_fault(text: str, fault: type[BadAnswer]) -> None:
    async with asking(Server(says(text))) as standing:
        with pytest.raises(fault):
            await standing.engine.generate(ASKED)


@pytest.mark.parametrize("text", ['```json\n{"text":"x"}\n```', '<unused94>thought\nhm<unused95>{"text":"x"}'])
async def test_row_28_a_fence_or_closed_thinking_around_the_answer_is_taken_off(text: str) -> None:
    async with asking(Server(says(text))) as standing:
        assert (await standing.engine.generate(ASKED)).text == '{"text":"x"}'


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("Der Patient ist stabil und wurde mit einem Antibiotikum behandelt.", WrongLanguage),
        ("患者の状態は安定しています", WrongLanguage),
        ("Potassium \u202e1.6 mmol/L", StrayTokens),
    ],
)
async def test_row_32_other_languages_and_direction_marks_are_refused(words: str, fault: type[EngineFault]) -> None:
    async with asking(Server(says(json.dumps({"text": words})))) as standing:
        with pytest.raises(fault):
            await standing.engine.generate(ASKED)


async def test_row_36_a_server_that_keeps_failing_is_left_alone_and_its_queue_drains() -> None:
    server = Server(obedient, status=500)
    async with asking(server, Bounds(slots=1)) as standing:
        asked = [standing.engine.generate(ASKED) for _ in range(12)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        kinds = [type(result) for result in results]
        assert kinds.count(ServerFault) == 3
        assert kinds.count(BreakerOpen) == 9
        assert standing._limit.depth == standing._limit.busy == 0
        server.status = 200
        assert await standing.look() == "ready"
        assert (await standing.engine.generate(ASKED)).text == '{"text":"x"}'


async def test_row_37_beyond_the_queue_requests_are_shed_and_clinicians_go_before_warm_up() -> None:
    server = Server(obedient, hang=True)
    async with asking(server, Bounds(slots=1, queue=2, patience_s=1.0)) as standing:
        ask = standing.engine.generate
        warming = [asyncio.create_task(ask(ASKED)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFull):
            await ask(ASKED)
        waiting = asyncio.create_task(ask(Request(prompt="now", waiting=True)))
        results = await asyncio.gather(*warming, waiting, return_exceptions=True)
        assert sum(isinstance(result, QueueFull) for result in results[:3]) == 1
        assert isinstance(results[3], EngineTimeout)
        assert standing._limit.depth == standing._limit.busy == 0


async def test_row_39_a_caller_that_goes_away_frees_its_slot_within_100_ms() -> None:
    server = Server(obedient, hang=True)
    async with asking(server, Bounds(slots=1)) as standing:
        asked = asyncio.create_task(standing.engine.generate(ASKED))
        await asyncio.sleep(0.1)
        assert standing._limit.busy == 1
        clock = asyncio.get_running_loop().time
        began = clock()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert clock() - began < 0.1
        assert standing._limit.busy == 0
        assert await asyncio.to_thread(server.gone.wait, 2.0)


async def test_row_25_a_server_that_ignores_the_schema_is_refused_with_what_to_do() -> None:
    server = Server(obedient)
    with serving(server):
        settings = Settings(
            text_engine="openai", text_base_url=server.url, text_model="tiny", text_profile="llama-cpp-python"
        )
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "refused"
            assert "schema" in standing.why
            assert not standing.fits(100)
