"""What became of every request, how long it took, how many tokens; and the pace by which a caller decides to wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Protocol

from cds_service.models.engine import Engine, Generation, Request, Scores
from cds_service.models.faults import EngineFault
from cds_service.models.wrappers.wrapper import A, Ask, Wrapper

RECENT = 50  # answers the pace is taken from


class Tells(Protocol):
    """What takes the figures (``Metrics``)."""

    def engine(self, engine: str, asked: str, outcome: str, seconds: float, tokens: tuple[int, int] = (0, 0)) -> None:
        """One request."""
        ...


class Pace:
    """The recent 90th percentile of seconds an answer took; infinite until one came."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.p90 = inf

    def add(self, seconds: float) -> None:
        """One answer. Infinite for one that did not come in time."""
        self._recent.append(seconds)
        ordered = sorted(self._recent)
        self.p90 = ordered[min(int(len(ordered) * 0.9), len(ordered) - 1)]


class Observed(Wrapper):
    """Measures the engine itself. ``name`` is 'text' or 'image'; no label holds anything of a request."""

    def __init__(self, inner: Engine, name: str, tells: Tells) -> None:
        super().__init__(inner)
        self._name = name
        self._tells = tells
        self.text, self.labels = Pace(), Pace()

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``."""
        return await self._measured(request, self.inner.generate, "text", self.text)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """See ``Engine``."""
        return await self._measured(
            request, lambda asked: self.inner.score_labels(asked, labels), "labels", self.labels
        )

    async def _measured(self, request: Request, ask: Ask[A], asked: str, pace: Pace) -> A:
        clock = asyncio.get_running_loop().time
        began, outcome, tokens = clock(), "failed", (0, 0)
        try:
            answer = await ask(request)
            outcome, tokens = "ok", (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            pace.add(clock() - began)
            return answer
        except EngineFault as fault:
            outcome = fault.reason
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            if request.deadline is not None and clock() >= request.deadline:
                outcome = "timeout"
                pace.add(inf)
            raise
        finally:
            self._tells.engine(self._name, asked, outcome, clock() - began, tokens)


class Counted(Wrapper):
    """Outermost: counts what never reached the engine (queue full, breaker open, no time), which Observed cannot see."""

    def __init__(self, inner: Engine, name: str, tells: Tells) -> None:
        super().__init__(inner)
        self._name = name
        self._tells = tells

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """Ask; the faults of our own wrappers are counted here, the others below."""
        try:
            return await ask(request)
        except EngineFault as fault:
            if fault.reason in ("queue_full", "breaker_open", "unsupported", "not_ready"):
                self._tells.engine(self._name, "nothing", fault.reason, 0.0)
            raise
