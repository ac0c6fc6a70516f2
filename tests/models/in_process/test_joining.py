"""Requests that join a batch under way: between two steps, each under its own grammar, none held up by a longer one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jsonschema
import pytest

from cds_service.models.engine import Request
from cds_service.models.in_process import batching
from cds_service.models.in_process.batching import Waiting
from cds_service.models.in_process.engine import InProcess
from cds_service.models.in_process.wire import Ask
from tests.models.in_process.schemas import summary
from tests.models.in_process.test_answers import FIXED, asked
from tests.models.in_process.test_images import picture

SESSION = pytest.mark.asyncio(loop_scope="session")
LONG = Request(prompt="Go on.", max_tokens=6000)  # a minute of decoding, unless it is stopped


@asynccontextmanager
async def busy(engine: InProcess) -> AsyncIterator[None]:
    """While a long answer is being made; it is still under way at the end."""
    going = asyncio.create_task(engine.generate(LONG))
    await asyncio.sleep(0.2)
    try:
        yield
        assert not going.done(), "nobody waited for the long one"
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


@SESSION
async def test_answers_and_labels_do_not_wait_for_a_longer_answer_and_are_the_same_beside_it(
    text_engine: InProcess,
) -> None:
    requests = [asked(n, schema=summary(n + 3), fixed=len(FIXED) * (n % 2)) for n in range(8)]
    labels = [asked(n, prompt=FIXED + "A or B?", fixed=len(FIXED) * (n % 2)) for n in range(2)]
    alone = [(await text_engine.generate(r)).text for r in requests]
    scored = [(await text_engine.score_labels(r, ("A", "B"))).logprobs for r in labels]

    async def later(n: int) -> str:
        await asyncio.sleep(0.03 * n)
        return (await text_engine.generate(requests[n])).text

    async with busy(text_engine):
        beside = [await text_engine.score_labels(r, ("A", "B")) for r in labels]
        together = await asyncio.gather(*(later(n) for n in range(8)))
    assert together == alone
    for text, request in zip(together, requests, strict=True):
        jsonschema.validate(json.loads(text), request.schema)
    for one, other in zip(scored, beside, strict=True):
        assert dict(other.logprobs) == pytest.approx(dict(one), abs=1e-4)


@SESSION
async def test_rows_with_images_join_rows_without(image_engine: InProcess) -> None:
    seen = Request(prompt="What is seen?", schema=summary(), max_tokens=400, images=(picture(40), picture(200)))
    alone = (await image_engine.generate(seen)).text
    async with busy(image_engine):
        first, second = await asyncio.gather(image_engine.generate(seen), image_engine.generate(seen))
    assert (first.text, second.text) == (alone, alone)


@SESSION
@pytest.mark.long
async def test_rows_that_come_and_go_for_long_lose_neither_grammar_nor_place(text_engine: InProcess) -> None:
    requests = [asked(n, schema=summary(n % 9 + 3, statements=n % 3 + 1)) for n in range(60)]
    alone = [(await text_engine.generate(r)).text for r in requests]

    async def later(n: int) -> str:
        await asyncio.sleep(0.02 * (n * 7 % 60))
        return (await text_engine.generate(requests[n])).text

    assert await asyncio.gather(*(later(n) for n in range(60))) == alone


def ask(key: int, *, waiting: bool = False, tokens: int = 100) -> Ask:
    return Ask(id=key, prompt="x", max_tokens=tokens, waiting=waiting)


def keys(asks: list[Ask]) -> list[int]:
    return [each.id for each in asks]


def test_what_joins_is_what_fits_and_warm_up_waits_while_a_clinicians_answer_is_made() -> None:
    held = Waiting(max_batch=4, window_ms=0)
    assert held.joining([]) == []
    for each in (ask(1), ask(2), ask(3, waiting=True), ask(4)):
        held.put(each)
    assert keys(held.joining([ask(9, waiting=True)])) == [3], "the clinician's, past those that came before"
    held.cancel(2)
    assert keys(held.joining([ask(9), ask(8), ask(7)])) == [1], "four at most, and in their order"
    assert keys(held.batch()) == [4]
    held.forget([4])
    assert not held.cancelled(2)


def test_what_would_fill_the_memory_does_not_join_and_nothing_overtakes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "TOKENS", 1000)
    held = Waiting(max_batch=16, window_ms=0)
    held.put(ask(1, tokens=600))
    held.put(ask(2, tokens=10))
    assert held.joining([ask(9, tokens=100)]) == []
    assert keys(held.batch()) == [1], "alone it runs, whatever it needs"
    assert keys(held.joining([])) == [2]


def test_what_did_not_fit_memory_once_is_not_tried_again() -> None:
    held = Waiting(max_batch=16, window_ms=0)
    held.narrow(2)
    held.narrow(5)
    for key in range(4):
        held.put(ask(key))
    assert keys(held.batch()) == [0, 1]
    held.narrow(0)
    assert keys(held.batch()) == [2], "one always may"
