"""Leaves a failing server alone: closed → open after ``threshold`` failures in a row → one probe → closed again.

Requests that fail together (sent before the last counted failure was known) are one failure: a call that asks a
server that hangs for twelve resource types counts 1, not 12.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """closed: requests pass. open: none does. half-open: one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """One server's breaker. ``clock`` gives seconds, monotonic. Not shared between event loops."""

    def __init__(
        self, clock: Callable[[], float], *, threshold: int = 5, rest_s: float = 5.0, longest_rest_s: float = 60.0
    ) -> None:
        self._clock = clock
        self._threshold = threshold
        self._shortest_rest = rest_s
        self._longest_rest = longest_rest_s
        self._rest = rest_s
        self._failed_at = float("-inf")
        self._open_until = 0.0
        self.failures = 0
        self.state = BreakerState.CLOSED

    def wait(self) -> float:
        """Seconds until a request may be sent; 0 lets this one through (as the probe, when the rest is over)."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        left = self._open_until - self._clock()
        if self.state is BreakerState.HALF_OPEN:
            return max(left, 1.0)
        if left > 0:
            return left
        self.state = BreakerState.HALF_OPEN
        return 0.0

    def succeeded(self) -> None:
        """The server answered as a server should."""
        self.state = BreakerState.CLOSED
        self.failures = 0
        self._rest = self._shortest_rest

    def failed(self, sent_at: float) -> None:
        """The server did not answer, or with its own fault. ``sent_at``: when it was sent, by the same clock."""
        if self.state is BreakerState.HALF_OPEN:
            self._rest = min(self._rest * 2, self._longest_rest)
            self._open()
        elif self.state is BreakerState.CLOSED and sent_at >= self._failed_at:
            self.failures += 1
            self._failed_at = self._clock()
            if self.failures >= self._threshold:
                self._open()

    def abandoned(self) -> None:
        """The request was given up for reasons of ours: it says nothing of the server; a probe may be sent anew."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN

    def _open(self) -> None:
        self.state = BreakerState.OPEN
        self._failed_at = self._clock()
        self._open_until = self._failed_at + self._rest
