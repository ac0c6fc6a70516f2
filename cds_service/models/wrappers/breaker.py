"""Leaves a failing engine alone: after so many failures in a row, or too many of the last ones, until a probe passes."""

from __future__ import annotations

import asyncio
from collections import deque

from cds_service.models.engine import Engine, Request
from cds_service.models.faults import BreakerOpen, ConnectionFault, EngineTimeout, NotReady, ServerFault
from cds_service.models.wrappers.wrapper import A, Ask, Wrapper

FAILURES = (ConnectionFault, ServerFault, NotReady, EngineTimeout)
FAIR_S = 2.0  # a request that was granted less time than this and ran out of it says nothing of the engine
LONGEST_REST_S = 120.0


class Breaker(Wrapper):
    """Opens after ``in_a_row`` failures, or when ``ratio`` of the last ``window`` failed; half-open admits one."""

    def __init__(
        self, inner: Engine, *, in_a_row: int = 3, window: int = 20, ratio: float = 0.5, rest_s: float = 5.0
    ) -> None:
        super().__init__(inner)
        self._in_a_row = in_a_row
        self._ratio = ratio
        self._shortest_rest = self._rest = rest_s
        self._recent: deque[bool] = deque(maxlen=window)
        self._row = 0
        self._open_until = 0.0
        self._open = self._probing = False

    @property
    def state(self) -> str:
        """closed, half-open or open: what the next caller would meet."""
        if not self._open:
            return "closed"
        now = asyncio.get_running_loop().time()
        return "open" if self._probing or now < self._open_until else "half-open"

    def reset(self) -> None:
        """A probe from outside has shown that the engine answers."""
        self._open = self._probing = False
        self._row, self._rest = 0, self._shortest_rest
        self._recent.clear()

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """Ask, or BreakerOpen at once."""
        clock = asyncio.get_running_loop().time
        probe = self._admit(clock())
        asked_at = clock()
        try:
            answer = await ask(request)
        except FAILURES:
            self._failed(clock())
            raise
        except asyncio.CancelledError:
            out_of_time = request.deadline is not None and clock() >= request.deadline
            if out_of_time and clock() - asked_at >= FAIR_S:
                self._failed(clock())
            raise
        except Exception:
            self._succeeded()  # it answered; that the answer cannot be used is not for the breaker
            raise
        finally:
            if probe:
                self._probing = False
        self._succeeded()
        return answer

    def _admit(self, now: float) -> bool:
        """True when this request is the probe."""
        if not self._open:
            return False
        if self._probing or now < self._open_until:
            raise BreakerOpen(retry_after=max(self._open_until - now, 1.0))
        self._probing = True
        return True

    def _succeeded(self) -> None:
        if self._open:
            self.reset()
        self._row = 0
        self._recent.append(True)

    def _failed(self, now: float) -> None:
        self._row += 1
        self._recent.append(False)
        full = len(self._recent) == self._recent.maxlen
        if self._open:
            self._rest = min(self._rest * 2, LONGEST_REST_S)
        elif not (
            self._row >= self._in_a_row or (full and self._recent.count(False) / len(self._recent) > self._ratio)
        ):
            return
        self._open = True
        self._open_until = now + self._rest
