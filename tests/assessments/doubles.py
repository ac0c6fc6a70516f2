"""Stands in for MedGemma's weights: an engine that answers from the facts, slowly, not at all, or wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from cds_service.models.engine import Capabilities, Engine, Generation, Identity, Request, Scores
from cds_service.models.extractive import compose
from cds_service.models.faults import EngineFault, Unsupported


class Double:
    """Statements over the facts of the prompt, after ``delay`` seconds; ``faults`` are raised first, one a call."""

    capabilities = Capabilities(schema=True)

    def __init__(
        self, delay: float = 0.0, faults: Sequence[EngineFault] = (), text: str = "", revision: str = "1"
    ) -> None:
        self.identity = Identity("openai", "double", revision)
        self.delay, self.text = delay, text
        self.faults = list(faults)
        self.asked: list[Request] = []
        self.cancelled = 0

    async def generate(self, request: Request) -> Generation:
        """The answer, or the next fault."""
        self.asked.append(request)
        if self.faults:
            raise self.faults.pop(0)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        assert request.material is not None
        wire = [{"text": s.text, "fact_ids": s.fact_ids, "kind": s.kind} for s in compose(request.material)]
        text = self.text or msgspec.json.encode({"statements": wire}).decode()
        return Generation(text=text, finish_reason="stop", identity=self.identity)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """It has no probabilities."""
        raise Unsupported("the double has no probabilities")


class Stand:
    """How the double stands; ``fast`` says whether an answer fits a call's budget."""

    def __init__(self, engine: Engine, *, fast: bool = False) -> None:
        self.engine, self.fast = engine, fast
        self.state, self.why = "ready", ""

    def fits(self, budget_s: float) -> bool:
        """As the test says, while there is a budget."""
        return self.fast and budget_s > 0
