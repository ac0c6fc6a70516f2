"""An engine with its wrappers and what is known of it: whether it may be used now, why not, and whether it is fast enough.

Probing runs beside the service and repeats: an engine that is refused, absent or still loading never stops anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from cds_service import telemetry
from cds_service.metrics import Metrics
from cds_service.models.engine import Engine, Request
from cds_service.models.faults import (
    BreakerOpen,
    EngineFault,
    EngineRefused,
    EngineTimeout,
    IgnoresSchema,
    NotAuthorized,
    NotReady,
    ServerFault,
    UnknownModel,
    Unsupported,
)
from cds_service.models.wrappers.breaker import Breaker
from cds_service.models.wrappers.deadline import Deadline
from cds_service.models.wrappers.limit import Limit
from cds_service.models.wrappers.observed import Counted, Observed
from cds_service.models.wrappers.retry import Retry
from cds_service.models.wrappers.traced import Traced
from cds_service.models.wrappers.trusted import Trusted
from cds_service.models.wrappers.wrapper import A, Ask, Checking, Wrapper
from cds_service.tracing import OFF, Tracing

State = Literal["off", "loading", "ready", "refused", "absent"]
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
REFUSED_PAUSE_S = 60.0  # what was refused needs a person; look once a minute whether one came
LOOK_S = 15.0  # how often a ready engine's breaker is looked at
LEFT_ALONE = "the model failed too often lately and is left alone for a while"
UNREADY: Mapping[State, str] = {
    "off": "the model is switched off",
    "loading": "the model is still loading",
    "refused": "the server of the model was turned away",
    "absent": "the model cannot be reached",
}
BECAUSE: Mapping[str, str] = {  # by the reason of the fault; the rest is for doctor
    IgnoresSchema.reason: "it ignores the schema of an answer",
    NotAuthorized.reason: "it refuses our key",
    UnknownModel.reason: "it does not serve this model",
    Unsupported.reason: "it lacks what is needed",
    ServerFault.reason: "its server failed",
    EngineTimeout.reason: "it does not answer in time",
}
log = telemetry.log(__name__)


class Bounds(Struct, frozen=True, kw_only=True):
    """Concurrency and patience of one engine."""

    slots: int = 8  # requests under way at once: the jobs of a process and some to spare
    queue: int = 64  # requests waiting for a slot
    oldest_s: float = 60.0  # a request that waited longer is shed
    patience_s: float = 120.0  # of a request that names no deadline
    probe_s: float = 60.0


class Probed(Engine, Protocol):
    """A bare engine that can be looked at and let go of."""

    async def probe(self) -> None:
        """Return once it can be used; else NotReady while it loads, EngineRefused for good, another EngineFault."""
        ...

    async def aclose(self) -> None:
        """Let go of what it holds."""
        ...


class Standing:
    """``engine`` is what callers ask; ``state`` and ``why`` are for cards, readiness and doctor."""

    def __init__(
        self, bare: Probed, name: str, metrics: Metrics, bounds: Bounds | None = None, tracing: Tracing = OFF
    ) -> None:
        bounds = bounds or Bounds()
        self.name = name
        self.state: State = "loading"
        self.why = "not looked at yet"
        self._because = ""  # the same for a card: a phrase of ours, '' where the state says enough
        self.patience_s = bounds.patience_s
        self._bare = bare
        self._probe_s = bounds.probe_s
        self._observed = Observed(Trusted(bare), name, metrics)
        self.breaker = Breaker(Retry(self._observed))
        self._limit = Limit(self.breaker, slots=bounds.slots, queue=bounds.queue, oldest_s=bounds.oldest_s)
        self.engine: Engine = Counted(_Gate(Checking(Deadline(self._limit, bounds.patience_s)), self), name, metrics)
        if tracing.on:
            self.engine = Traced(self.engine, tracing)
        self._probing: asyncio.Task[None] | None = None
        metrics.watch_engine(name, lambda: self._limit.depth)
        metrics.watch_breaker(f"engine {name}", self.breaker)

    @property
    def ready(self) -> bool:
        """True when it may be asked now."""
        return self.state == "ready" and self.breaker.state == "closed"

    @property
    def unready(self) -> str:
        """Why it cannot be asked now, in a short phrase that may stand on a card; '' when it can."""
        if self.state == "ready":
            return "" if self.breaker.state == "closed" else LEFT_ALONE
        return f"{UNREADY[self.state]}: {self._because}" if self._because else UNREADY[self.state]

    def fits(self, budget_s: float, *, labels: bool = False) -> bool:
        """True when an answer is to be expected within so many seconds, by the recent 90th percentile and the queue.

        An engine that has not answered yet fits nothing: a clinician's call is not its first trial.
        """
        if not self.ready:
            return False
        pace = self._observed.labels if labels else self._observed.text
        return pace.p90 * (1 + self._limit.ahead()) <= budget_s

    async def start(self) -> None:
        """Begin to probe; returns at once and never raises for what the engine does."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._keep_probing(), name=f"probe of engine {self.name}")

    async def aclose(self) -> None:
        """Stop probing and let go of the engine."""
        if self._probing is not None:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing
            self._probing = None
        self.state, self.why, self._because = "off", "closed", ""
        await self._bare.aclose()

    async def look(self) -> State:
        """Probe once and take note."""
        before = self.state
        try:
            async with asyncio.timeout(self._probe_s):
                await self._bare.probe()
        except TimeoutError:
            self._note("absent", EngineTimeout(f"no answer to a small question within {self._probe_s:g} s"))
        except NotReady as fault:
            self._note("loading", fault)
        except EngineRefused as fault:
            self._note("refused", fault)
        except EngineFault as fault:
            self._note("absent", fault)
        except Exception as fault:
            log.error("the look at an engine broke", engine=self.name, exc_info=fault)
            kind = type(fault).__name__
            self._note("absent", EngineFault(f"the look at it broke ({kind}), a fault of this service: see the log"))
        else:
            self._note("ready")
            self.breaker.reset()
        if self.state != before:
            log.info("engine changed", engine=self.name, state=self.state)
        return self.state

    def _note(self, state: State, fault: EngineFault | None = None) -> None:
        self.state, self.why = state, fault.message if fault else ""
        self._because = BECAUSE.get(fault.reason, "") if fault else ""

    async def _keep_probing(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            state = await self.look()
            while state == "ready" and self.breaker.state == "closed":
                pause = FIRST_PAUSE_S
                await asyncio.sleep(LOOK_S)
            if state == "ready":
                continue
            await asyncio.sleep(REFUSED_PAUSE_S if state == "refused" else pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


class _Gate(Wrapper):
    """NotReady at once while the probe has not passed; no count of tokens is asked of an engine that is left alone."""

    def __init__(self, inner: Engine, standing: Standing) -> None:
        super().__init__(inner)
        self._standing = standing

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """Ask, once it is known to answer."""
        self._require()
        return await ask(request)

    async def count_tokens(self, text: str) -> int:
        """See ``CountsTokens``."""
        self._require()
        if self._standing.breaker.state == "open":
            raise BreakerOpen
        return await super().count_tokens(text)

    def _require(self) -> None:
        if self._standing.state != "ready":
            raise NotReady(f"engine {self._standing.name} is {self._standing.state}: {self._standing.why}")
