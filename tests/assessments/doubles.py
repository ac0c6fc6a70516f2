"""Stands in for MedGemma's weights: an engine that answers from the facts, slowly, not at all, or wrongly."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cds_service.models.engine import Capabilities, Engine, Generation, Identity, Request, Scores
from cds_service.models.extractive import compose
from cds_service.models.faults import EngineFault, Unsupported

Answers = Callable[[str, Request], Mapping[str, Any] | str]  # task and request → what is said
Shares = Callable[[Request], Mapping[str, float]]
NOTHING = {"statements": []}


class Double:
    """Statements over the facts of the prompt, after ``delay`` seconds; ``faults`` are raised first, one a call of ``failing``.

    Every task but the summary is answered by ``answers``; without it with nothing. ``scores``: it can score labels.
    """

    def __init__(
        self,
        delay: float = 0.0,
        faults: Sequence[EngineFault] = (),
        text: str = "",
        revision: str = "1",
        answers: Answers = lambda task, _request: NOTHING if task != "triage" else {**NOTHING, "code": "A"},
        scores: Shares | None = None,
        failing: str = "record-summary",
    ) -> None:
        self.capabilities = Capabilities(schema=True, logprobs=scores is not None)
        self._answers, self._scores, self._failing = answers, scores, failing
        self.identity = Identity("openai", "double", revision)
        self.delay, self.text = delay, text
        self.faults = list(faults)
        self.asked: list[Request] = []
        self.cancelled = 0

    async def generate(self, request: Request) -> Generation:
        """The answer, or the next fault."""
        self.asked.append(request)
        if self.faults and (request.schema or {})["title"] == self._failing:
            raise self.faults.pop(0)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if request.material is None:
            schema = request.schema or {}
            said = self._answers(schema["title"], request)
            asked = said if isinstance(said, str) else {n: v for n, v in said.items() if n in schema["properties"]}
            return self._said(asked)
        wire = [{"text": s.text, "fact_ids": s.fact_ids, "kind": s.kind} for s in compose(request.material)]
        return self._said(self.text or {"statements": wire})

    def _said(self, said: Mapping[str, Any] | str) -> Generation:
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        return Generation(text=text, finish_reason="stop", identity=self.identity)

    def of(self, task: str) -> list[Request]:
        """The requests of one task."""
        return [request for request in self.asked if (request.schema or {}).get("title", "triage-label") == task]

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """The shares it was given."""
        if self._scores is None:
            raise Unsupported("the double has no probabilities")
        self.asked.append(request)
        await asyncio.sleep(self.delay)
        shares = self._scores(request)
        logprobs = {label: math.log(shares[label]) if shares.get(label) else -math.inf for label in labels}
        return Scores(logprobs=logprobs, identity=self.identity)


class Stand:
    """How the double stands; ``fast`` says whether an answer fits a call's budget."""

    def __init__(self, engine: Engine, *, fast: bool = False) -> None:
        self.engine, self.fast = engine, fast
        self.state, self.unready = "ready", ""

    def fits(self, budget_s: float, *, labels: bool = False) -> bool:
        """As the test says, while there is a budget."""
        return self.fast and budget_s > 0
