"""Labels scored by a server: by its likeliest next tokens, so that what is likelier than any label is not lost."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cds_service.assessments.tasks.triage import KEYS, LETTERS, LOST, opinion
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Request, Scores
from cds_service.settings import Settings
from tests.models.answering_engine import Send, Server, obedient, reply, serving


class Telling(Server, kw_only=True):
    """Tells the probabilities of ``shares`` as vLLM does: raw ones, unless the answer is constrained, then renormalised."""

    shares: dict[str, float]

    async def _complete(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        if not body.get("logprobs"):
            await super()._complete(body, receive, send)
            return
        self.bodies.append(body)
        shares = dict(self.shares)
        if (only := body.get("structured_outputs", {}).get("choice")) is not None:
            shares = {token: share for token, share in shares.items() if token in only}
            shares = {token: share / sum(shares.values()) for token, share in shares.items()}
        ranked = sorted(shares, key=lambda token: -shares[token])[: body["top_logprobs"]]
        told = [{"token": token, "logprob": math.log(shares[token]), "bytes": None} for token in ranked]
        choice = {
            "message": {"role": "assistant", "content": ranked[0]},
            "finish_reason": "length",
            "logprobs": {"content": [{**told[0], "top_logprobs": told}]},
        }
        await reply(send, 200, {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})


async def scored(profile: str, shares: dict[str, float]) -> tuple[Scores, dict[str, Any]]:
    with serving(Telling(obedient, shares=shares)) as server:
        settings = Settings(text_engine="openai", text_base_url=server.url, text_model="tiny", text_profile=profile)
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "ready", standing.why
            return await standing.engine.score_labels(Request(prompt="How urgent?"), LETTERS), server.bodies[-1]


@pytest.mark.parametrize("profile", ["openai", "vllm", "sglang", "ollama"])
async def test_a_model_that_would_say_something_else_than_a_letter_gives_no_label(profile: str) -> None:
    scores, body = await scored(profile, {"The": 0.9, "A": 0.06, " A": 0.01, "D": 0.03})
    assert body["logprobs"] is True
    assert body["top_logprobs"] == 20
    assert math.exp(scores.logprobs["A"]) == pytest.approx(0.06)
    assert scores.logprobs["B"] == -math.inf
    assert sum(math.exp(value) for value in scores.logprobs.values()) < 0.1
    assert opinion([(key, scores) for key in KEYS]).why == LOST


async def test_a_model_that_answers_with_a_letter_gives_its_category_under_each_key() -> None:
    scores, _ = await scored("vllm", {"D": 0.97, "A": 0.02, "The": 0.01})
    assert opinion([(KEYS[0], scores)]).category == "stat"
