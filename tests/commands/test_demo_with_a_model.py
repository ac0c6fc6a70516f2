"""``demo --model`` on a local OpenAI-style server: the draft appears on the card, or its absence is said; servers are found."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from cds_service.commands import demo, demo_model
from cds_service.errors import ConfigurationError
from tests.models.answering_engine import Server, least, obedient, serving

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite
FACT = re.compile(r"^(F\d+) · [^·\n]+ · ([^·\n]+?)(?: ·|$)", re.MULTILINE)


def quotes_a_fact(body: dict[str, Any]) -> str:
    """A model that repeats the first fact line of the prompt as its one statement."""
    schema = body["response_format"]["json_schema"]["schema"]
    if schema.get("title") != "record-summary":
        return json.dumps(least(schema))
    facts = FACT.findall(str(body["messages"][0]["content"]))
    statements = [{"text": f"{text}.", "fact_ids": [name], "kind": "record"} for name, text in facts[:1]]
    return json.dumps({"statements": statements})


async def test_the_demo_shows_the_draft_of_a_local_server(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Server(quotes_a_fact)) as server:
        code = await demo.run(once=True, port=0, model=f"{server.url}#tiny")
    said = capsys.readouterr().out
    assert code == 0
    assert server.bodies
    assert "AI-drafted, verify · openai tiny" in said.split(" with tiny")[1]


async def test_a_server_that_ignores_schemas_is_not_used_and_the_demo_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.models.answering_engine.obedient", lambda _body: "Certainly!")
    with serving(Server(obedient)) as server:
        code = await demo.run(once=True, port=0, model=f"{server.url}#tiny")
    said = capsys.readouterr().out
    assert code == 0, "the cards of the rules are there all the same"
    assert "The model is not used: the server answers without regard to the schema" in said
    assert "AI-drafted, verify" not in said
    assert not server.bodies


async def test_a_running_server_is_found_and_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "LOOK_S", 1.0)  # for a machine that is busy with other tests

    async def never(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(3)

    hanging_app = type("Hanging", (), {"url": "", "__call__": staticmethod(never)})()
    with serving(Server(obedient, listed="medgemma-tiny")) as server, serving(hanging_app):
        kinds = (
            demo_model.Kind("ollama", "Ollama", port(server.url), "ollama"),
            demo_model.Kind("lmstudio", "LM Studio", port(hanging_app.url), "openai"),
            demo_model.Kind("llama-server", "llama-server", 9, "llama-server"),
        )
        clock = asyncio.get_running_loop().time
        began = clock()
        found = await demo_model.running(kinds)
        assert clock() - began < 2.0
    assert [each.words for each in found] == [
        "Ollama runs here with medgemma-tiny: medgemma-cds demo --model ollama/medgemma-tiny"
    ]


def port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_only_this_machine_is_looked_at() -> None:
    assert all(kind.url.startswith("http://127.0.0.1:") for kind in demo_model.KINDS)


def test_a_model_is_named_by_kind_or_by_address() -> None:
    assert demo_model.chosen("ollama/medgemma") == demo_model.Chosen("http://127.0.0.1:11434", "medgemma", "ollama")
    assert demo_model.chosen("http://127.0.0.1:8080#m").profile == "llama-server"
    assert demo_model.chosen("https://models.example.org/v1#a/b") == demo_model.Chosen(
        "https://models.example.org/v1", "a/b", "openai"
    )
    assert demo_model.chosen("ollama/medgemma").settings()["image_model"] == "medgemma", "a variant that takes images"
    assert "image_model" not in demo_model.chosen("ollama/medgemma-27b-text-it").settings()


@pytest.mark.parametrize("text", ["medgemma", "ollama/", "ftp://a#m", "#m", "http://a b#m"])
def test_anything_else_names_the_forms(text: str) -> None:
    with pytest.raises(ConfigurationError):
        demo_model.chosen(text)
