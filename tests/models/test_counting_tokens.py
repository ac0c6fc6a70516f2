"""A prompt is fitted by the count of the engine's own tokenizer, where it has one to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import CountsTokens, Request
from cds_service.models.faults import NotReady, Unsupported
from cds_service.models.in_process.bar import Bar
from cds_service.models.in_process.engine import InProcess
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from tests.models import llama_server
from tests.models.answering_engine import Server, obedient, serving
from tests.models.in_process.conftest import text_engine

__all__ = ["text_engine"]

TEXT = "Potassium 6.1 mmol/L (3.5–5.1) on 2026-11-20, high.\nFemale, 72 years. <start_of_turn> is text here.\n" * 20
LONG = Request(prompt="Go on.", max_tokens=6000)
SESSION = pytest.mark.asyncio(loop_scope="session")


@SESSION
async def test_the_count_in_process_is_what_the_model_reads(text_engine: InProcess) -> None:
    standing = Standing(text_engine, "text", Metrics())
    assert await standing.look() == "ready", standing.why
    assert isinstance(standing.engine, CountsTokens)
    scored = await text_engine.score_labels(Request(prompt=TEXT), ("A",))
    assert await standing.engine.count_tokens(TEXT) == scored.usage.prompt_tokens


@SESSION
async def test_tokens_are_counted_while_the_model_is_at_work(text_engine: InProcess) -> None:
    going = asyncio.create_task(text_engine.generate(LONG))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(1):
        counts = await asyncio.gather(*(text_engine.count_tokens(TEXT) for _ in range(20)))
    assert len(set(counts)) == 1
    assert not going.done()
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)


async def test_an_engine_that_is_not_ready_counts_nothing(text_checkpoint: Path) -> None:
    settings = Settings(text_engine="in-process", text_model=str(text_checkpoint))
    async with engines.door(settings) as door:
        standing = engines.build(settings, door, Metrics()).text
        assert standing is not None
        assert isinstance(standing.engine, CountsTokens)
        with pytest.raises(NotReady):
            await standing.engine.count_tokens(TEXT)


async def test_a_server_without_the_route_is_used_with_an_estimate() -> None:
    with serving(Server(obedient)) as server:
        settings = Settings(text_engine="openai", text_base_url=server.url, text_model="tiny", text_profile="openai")
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "ready", standing.why
            assert isinstance(standing.engine, CountsTokens)
            with pytest.raises(Unsupported):
                await standing.engine.count_tokens(TEXT)


@pytest.fixture(scope="module")
def url(text_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = llama_server.converted(text_checkpoint, tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    with llama_server.running(model) as base:
        yield base


@pytest.mark.integration
async def test_llama_server_counts_what_it_reads(url: str) -> None:
    settings = Settings(text_engine="openai", text_base_url=url, text_model="tiny", text_profile="llama-server")
    async with engines.door(settings) as door:
        standing = engines.build(settings, door, Metrics()).text
        assert standing is not None
        assert await standing.look() == "ready", standing.why
        assert isinstance(standing.engine, CountsTokens)
        counted = await standing.engine.count_tokens("Potassium 6.1 mmol/L on 2026-11-20.")
        scored = await standing.engine.score_labels(Request(prompt="Potassium 6.1 mmol/L on 2026-11-20."), ("A", "B"))
        assert 0 < counted <= scored.usage.prompt_tokens <= counted + 24  # the frame of the turn


def test_the_engine_in_process_is_built_with_revision_quantization_token_and_a_bar() -> None:
    settings = Settings(
        text_engine="in-process",
        text_model="google/medgemma-27b-text-it",
        text_revision="0123abc",
        text_quantization="4bit",
        hub_token=SecretStr("hub-token"),
    )
    made = engines._in_process(settings, "text", settings.text_model)
    load = made._load
    assert (load.model, load.revision, load.quantization) == ("google/medgemma-27b-text-it", "0123abc", "4bit")
    assert (load.token, load.download) == ("hub-token", True)
    assert isinstance(made._progress, Bar)
