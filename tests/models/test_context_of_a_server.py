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
from tests.models.answering_engine import Receive, Send, Server, obedient, reply, serving

PROMPT = templates.load()["record-summary"]
TASK = load_tasks(templates.load())["record-summary"]


@asynccontextmanager
async def ready(url: str, profile: str = "openai", text_revision: str = "") -> AsyncIterator[Standing]:
    settings = Settings(
        text_engine="openai",
        text_base_url=url,
        text_model="tiny",
        text_profile=profile,
        text_revision=text_revision,
    )
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


class Ollama(Server, kw_only=True):
    """Lists what it has loaded, with the context it cuts longer prompts to in silence; nothing before it was asked."""

    loaded: int
    digest: str = "a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"] != "/api/ps":
            await super().__call__(scope, receive, send)
            return
        model = {"name": "tiny:latest", "model": "tiny:latest", "context_length": self.loaded, "digest": self.digest}
        other = {"name": "tiny:27b", "model": "tiny:27b", "context_length": 7, "digest": "0" * 64}
        await reply(send, 200, {"models": [other, model] if self.loaded else []})


async def test_ollama_is_asked_for_the_context_it_loaded_the_model_with_and_for_its_weights() -> None:
    with serving(Ollama(obedient, loaded=3_072, listed="tiny:latest")) as server:
        async with ready(server.url, "ollama") as standing:
            assert standing.engine.capabilities.context_tokens == 3_072
            assert standing.engine.identity.label == "openai tiny@a2af6cc3eb7f"
            assert 0 < await facts_in_prompt(standing) < 50
        async with ready(server.url, "ollama", text_revision="of the site") as standing:
            assert standing.engine.identity.revision == "of the site"
    with serving(Ollama(obedient, loaded=0)) as server:
        async with ready(server.url, "ollama") as standing:
            assert standing.engine.capabilities.context_tokens == 0
            assert standing.engine.identity.revision == ""


@pytest.mark.integration
async def test_llama_server_is_asked_for_the_context_of_one_of_its_slots(text_checkpoint: Path, tmp_path: Path) -> None:
    model = llama_server.converted(text_checkpoint, tmp_path / "tiny.gguf")
    with llama_server.running(model, "--ctx-size", "16384") as url:
        slots = await asyncio.to_thread(slots_of, url)
        async with ready(url, "llama-server") as standing:
            assert standing.engine.capabilities.context_tokens == slots[0]
            assert len(slots) * slots[0] >= 16384
