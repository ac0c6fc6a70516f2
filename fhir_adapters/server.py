"""What is remembered of one server between requests: whether it answers, and whether it asked to be left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from time import time

from msgspec import Struct

from fhir_adapters import errors
from fhir_adapters.breaker import Breaker

DEFAULT_BACK_OFF_S = 1.0  # a 429 that does not say how long
LONGEST_BACK_OFF_S = 300.0
RETRIES_AT_START = 3.0
MOST_RETRIES = 10.0


class Limits(Struct, frozen=True, kw_only=True):
    """Caps of every request. Bytes are counted after decompression, seconds by the event loop's clock."""

    max_bytes: int = 16 * 1024 * 1024
    connect_s: float = 3.0
    redirects: int = 3
    per_origin: int = 32  # requests under way to one origin; the others wait inside their deadline
    patience_s: float = 0.1  # a shorter wait that ran out says nothing of the server
    failures_to_open: int = 5  # in a row, then the server is left alone
    rest_s: float = 5.0  # for so long, twice as long after each failed probe
    retry_share: float = 0.1  # of an origin's requests that may be second tries


class Reply(Struct, frozen=True):
    """An answer read to its end. ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str  # after redirects


class Server:
    """What is remembered of one origin: its breaker, its free slots, until when it wants to be left alone."""

    def __init__(self, clock: Callable[[], float], limits: Limits) -> None:
        self._clock = clock
        self._share = limits.retry_share
        self._credit = RETRIES_AT_START
        self.breaker = Breaker(clock, threshold=limits.failures_to_open, rest_s=limits.rest_s)
        self.slots = asyncio.Semaphore(limits.per_origin)
        self.quiet_until = 0.0

    def check(self, where: str) -> None:
        """Throttled or BreakerOpen when nothing may be sent now."""
        if (left := self.quiet_until - self._clock()) > 0:
            raise errors.Throttled(where, 429, detail="asked to wait", retry_after=left)
        if (wait := self.breaker.wait()) > 0:
            raise errors.BreakerOpen(where, retry_after=wait)
        self._credit = min(self._credit + self._share, MOST_RETRIES)

    def may_retry(self) -> bool:
        """Take one second try from the budget, if there is one."""
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def note(self, reply: Reply, sent_at: float) -> None:
        """Learn from an answer: 5xx counts against it, a wait it asks for is kept."""
        if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
            wait = retry_after(reply.headers)
            self.quiet_until = self._clock() + (DEFAULT_BACK_OFF_S if wait is None else wait)
        if reply.status >= 500:
            self.breaker.failed(sent_at)
        else:
            self.breaker.succeeded()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header in either form (RFC 9110 §10.2.3), at most 300; None without one."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        seconds = float(text[:9])
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_BACK_OFF_S)
