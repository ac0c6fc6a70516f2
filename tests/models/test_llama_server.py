"""The ``openai`` engine against llama-server, a server nobody here wrote, with a random-weight model."""

from __future__ import annotations

import asyncio
import json
import math
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest

from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Request
from cds_service.models.faults import BadAnswer
from cds_service.models.remote.openai import OpenAIStyle
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from fhir_adapters.outbound import Outbound
from tests.models import llama_server

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {
        "level": {"type": "string", "enum": ["A", "B", "C"]},
        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
        "facts": {"type": "array", "maxItems": 3, "items": {"type": "string", "enum": ["F1", "F2"]}},
    },
    "required": ["level", "percent", "facts"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def url(text_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = llama_server.converted(text_checkpoint, tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    with llama_server.running(model, "--slots", "--ctx-size", "40960") as base:
        yield base


async def standing(url: str, profile: str = "llama-server") -> tuple[Standing, Outbound]:
    settings = Settings(text_engine="openai", text_base_url=url, text_model="tiny", text_profile=profile)
    door = engines.door(settings)
    made = engines.build(settings, door, Metrics()).text
    assert made is not None
    return made, door


async def test_the_probe_passes_and_answers_are_valid_under_the_schema(url: str) -> None:
    text, door = await standing(url)
    async with door:
        for _ in range(10):  # the next request never meets the connection a stream has ended
            assert await text.look() == "ready", text.why
        for n in range(5):
            answer = await text.engine.generate(Request(prompt=f"Question {n}.", schema=SCHEMA, max_tokens=200))
            jsonschema.validate(msgspec.json.decode(answer.text), SCHEMA)
            assert answer.usage.completion_tokens > 0
        assert text.fits(60.0)
        assert not text.fits(0.0)


async def test_labels_are_scored_by_their_log_probabilities(url: str) -> None:
    text, door = await standing(url)
    async with door:
        assert await text.look() == "ready", text.why
        assert text.engine.capabilities.logprobs
        scores = await text.engine.score_labels(Request(prompt="A or B?"), ("A", "B"))
        assert all(value <= 0 for value in scores.logprobs.values())
        assert set(scores.logprobs) == {"A", "B"}
        assert all(not math.isnan(value) for value in scores.logprobs.values())


async def test_an_answer_cut_at_the_token_limit_is_never_used(url: str) -> None:
    text, door = await standing(url)
    async with door:
        assert await text.look() == "ready", text.why
        with pytest.raises(BadAnswer):
            await text.engine.generate(Request(prompt="Hello.", schema=SCHEMA, max_tokens=3))


async def test_a_cancelled_caller_leaves_at_once_and_the_server_stops_working_for_it(url: str) -> None:
    text, door = await standing(url)
    async with door:
        assert await text.look() == "ready", text.why
        bare = text._bare
        assert isinstance(bare, OpenAIStyle)
        bare.profile = msgspec.structs.replace(bare.profile, extra={"ignore_eos": True})
        asked = asyncio.create_task(text.engine.generate(Request(prompt="Hello.", max_tokens=18_000)))
        await until(lambda: busy(url), 10)
        clock = asyncio.get_running_loop().time
        began = clock()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert clock() - began < 0.1
        await until(lambda: not busy(url), 3)  # the answer alone would take some twenty seconds


def busy(url: str) -> bool:
    """Whether a slot of the server is at work."""
    with urllib.request.urlopen(f"{url}/slots", timeout=5) as answer:
        return any(slot["is_processing"] for slot in json.load(answer))


async def until(found: Callable[[], bool], seconds: float) -> None:
    limit = asyncio.get_running_loop().time() + seconds
    while not await asyncio.to_thread(found):
        assert asyncio.get_running_loop().time() < limit
        await asyncio.sleep(0.05)
