"""Who gets in now: a limit on calls at work, a share per client. Rules are never shed, whole calls are (503, 429)."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from types import TracebackType

from cds_service.errors import TooManyRequests, Unavailable

CALLS_PER_S = 200.0  # a large hospital's sustained rate of one client is a tenth of this
BURST = 400.0  # calls
MOST_CLIENTS = 10_000


class Gate:
    """At most ``limit`` calls at work; the next one is told to come back. ``with gate:`` holds a place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.inside = 0

    def __enter__(self) -> None:
        if self.inside >= self._limit:
            raise Unavailable("too many calls at once", retry_after=1)
        self.inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inside -= 1


class Shares:
    """A token bucket per client: ``rate`` calls a second, ``burst`` at once. One client's flood is its own 429."""

    def __init__(self, clock: Callable[[], float], rate: float = CALLS_PER_S, burst: float = BURST) -> None:
        self._clock = clock  # monotonic seconds
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}  # client → (calls left, moment)

    def take(self, client: str) -> None:
        """Count one call of ``client``; raises TooManyRequests with the seconds until the next one passes."""
        now = self._clock()
        left, then = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        if len(self._buckets) >= MOST_CLIENTS:
            self._buckets.pop(next(iter(self._buckets)))  # the one longest silent
        if left < 1:
            self._buckets[client] = (left, now)
            raise TooManyRequests("over this client's share", retry_after=ceil((1 - left) / self._rate))
        self._buckets[client] = (left - 1, now)
