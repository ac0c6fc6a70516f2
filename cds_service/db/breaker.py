"""A circuit breaker: after repeated failures calls fail at once, until one probe has shown that calls work again."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from threading import Lock


class State(StrEnum):
    """Closed lets calls through, open refuses them, half-open lets one probe through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after ``failures`` in a row, rests ``rest`` seconds, then admits one probe. Usable from any thread."""

    def __init__(self, failures: int = 3, rest: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._rest = rest
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._open_until = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """What the next caller would meet."""
        if self._failures < self._limit:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    def admits(self) -> bool:
        """True when the caller may try; it then owes one of ``succeeded``, ``failed`` or ``abandoned``."""
        if self._failures < self._limit:
            return True
        with self._lock:
            if self._probing or self._clock() < self._open_until:
                return False
            self._probing = True
            return True

    def succeeded(self) -> None:
        """The other side answered: closed."""
        with self._lock:
            self._failures = 0
            self._probing = False

    def failed(self) -> None:
        """It did not answer, or said that it cannot."""
        with self._lock:
            self._failures += 1
            self._probing = False
            if self._failures >= self._limit:
                self._open_until = self._clock() + self._rest

    def abandoned(self) -> None:
        """The caller went away before anything was learnt."""
        with self._lock:
            self._probing = False
