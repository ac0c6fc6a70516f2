"""How much a server can hold is asked of it, and a prompt is cut to that; a server that does not say is taken at our budget."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.assessments.tasks import load_tasks
from cds_service.assessments.tasks.asking import asked
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.faults import Unsupported
from cds_service.models.prompting import templates
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from tests.assessments.test_keys_and_snapshots import subject
from tests.models import llama_server
from tests.models.answering_engine import Server, obedient, serving

PROMPT = templates.load()["record-summary"]
TASK = load_tasks(templates.load())["record-summary"]


@asynccontextmanager
async def ready(url: str, profile: str = "openai") -> AsyncIterator[Standing]:
    settings = Settings(text_engine="openai", text_base_url=url, text_model="tiny", text_profile=profile)
    async with engines.door(settings) as door:
        standing = engines.build(settings, door, Metrics()).text
        assert standing is not None
        assert await standing.look() == "ready", standing.why
        yield standing


async def facts_in_prompt(standing: Standing) -> int:
    """Of fifty facts offered."""
    one = subject()
    (fact,) = one.selection.facts[:1]
    many: list[Any] = [replace(fact, number=n) for n in range(1, 51)]
    return len((await asked(PROMPT, standing.engine, one, facts=many)).prompt.facts)


@pytest.mark.parametrize("profile", ["openai", "sglang", "ollama"])
async def test_what_the_list_of_models_says_of_this_model_is_its_context(profile: str) -> None:
    with serving(Server(obedient, context=12_288)) as server:
        async with ready(server.url, profile) as standing:
            assert standing.engine.capabilities.context_tokens == 12_288


async def test_a_server_that_does_not_say_is_asked_with_the_whole_budget_and_a_small_one_with_what_fits() -> None:
    with serving(Server(obedient)) as server:
        async with ready(server.url) as standing:
            assert standing.engine.capabilities.context_tokens == 0
            whole = await facts_in_prompt(standing)
    small = PROMPT.output_tokens + 1_500
    with serving(Server(obedient, context=small)) as server:
        async with ready(server.url) as standing:
            assert 0 < await facts_in_prompt(standing) < whole
    with serving(Server(obedient, context=PROMPT.output_tokens)) as server:
        async with ready(server.url) as standing:
            with pytest.raises(Unsupported, match="longer context"):
                await facts_in_prompt(standing)


def slots_of(url: str) -> list[int]:
    """The context of each slot, by another page of the server."""
    with urllib.request.urlopen(f"{url}/slots", timeout=5) as answer:
        return [slot["n_ctx"] for slot in json.load(answer)]


@pytest.mark.integration
async def test_llama_server_is_asked_for_the_context_of_one_of_its_slots(text_checkpoint: Path, tmp_path: Path) -> None:
    model = llama_server.converted(text_checkpoint, tmp_path / "tiny.gguf")
    with llama_server.running(model, "--ctx-size", "16384") as url:
        slots = await asyncio.to_thread(slots_of, url)
        async with ready(url, "llama-server") as standing:
            assert standing.engine.capabilities.context_tokens == slots[0]
            assert len(slots) * slots[0] >= 16384
