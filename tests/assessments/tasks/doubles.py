"""Doubles of a model's answers, and the subject the tests ask about."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cds_service.assessments.task import Subject, Task
from cds_service.assessments.tasks import load_tasks
from cds_service.models.engine import Capabilities, FinishReason, Generation, Identity, Request, Scores
from cds_service.models.prompting import templates
from cds_service.record.facts import Order
from cds_service.record.salience import rank
from tests.grounding.charts import ACUTE, ZONE, Chart, record

TASKS: Mapping[str, Task] = load_tasks(templates.load())
ORDER = next(fact for fact in ACUTE.facts if isinstance(fact, Order))


def subject(chart: Chart = ACUTE, *, budget: int = 60, **more: Any) -> Subject:
    """A chart as the tasks are given it, with its draft order."""
    built = record(chart)
    given: dict[str, Any] = {
        "selection": rank(built, budget),
        "findings": (),
        "order": next(iter(built.orders), None),
        "question": "Is the potassium high?",
    }
    return Subject(record=built, zone=ZONE, **(given | more))


class Says:
    """An engine that answers what it was told to, and remembers what it was asked."""

    identity = Identity("double", model="says", revision="1")

    def __init__(
        self,
        answer: Mapping[str, Any] | str | Callable[[Request], Mapping[str, Any]] = "{}",
        *,
        finish: FinishReason = "stop",
        scores: Callable[[Request], Mapping[str, float]] | None = None,
        context_tokens: int = 0,
    ) -> None:
        self.capabilities = Capabilities(schema=True, logprobs=scores is not None, context_tokens=context_tokens)
        self.asked: list[Request] = []
        self._answer = answer
        self._finish: FinishReason = finish
        self._scores = scores

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        said = self._answer(request) if callable(self._answer) else self._answer
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        return Generation(text=text, finish_reason=self._finish, identity=self.identity)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        assert self._scores is not None
        self.asked.append(request)
        shares = self._scores(request)
        logprobs = {label: math.log(shares[label]) if shares.get(label) else -math.inf for label in labels}
        return Scores(logprobs=logprobs, identity=self.identity)


class Counting(Says):
    """The same, with a tokenizer that counts words."""

    async def count_tokens(self, text: str) -> int:
        return len(text.split())


def says(text: str, *ids: str, kind: str = "record", **more: Any) -> dict[str, Any]:
    """One statement on the wire."""
    return {"text": text, "fact_ids": list(ids), "kind": kind, **more}


def prefers(category: str, share: float = 0.9) -> Callable[[Request], Mapping[str, float]]:
    """Scores of a model that means a category, whatever letter stands for it."""

    def scores(request: Request) -> Mapping[str, float]:
        key = request.prompt.rpartition("; key: ")[2].partition(";")[0]
        letters = {name: letter for letter, name in (pair.split(" = ") for pair in key.split(", "))}
        rest = (1 - share) / 4
        return {letter: share if name == category else rest for name, letter in letters.items()}

    return scores
