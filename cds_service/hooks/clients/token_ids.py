"""Remembers each ``jti`` until its token has expired, so that a token opens the door once (row J7).

Replicas ask a store they share; the one process of an embedded database has a store that outlives it. While a shared one
does not answer, this process's own memory decides: a token might then open one door on each replica until the store is
told, which is less harm than no card for anybody (DESIGN §5.1, fault row 42).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from cds_service.errors import Unavailable

MOST = 200_000  # ids in memory
FEWEST = 1_000  # below this nobody looks for expired ones
SHARED_S = 0.05  # most the look into the shared store may take


class Use(Enum):
    """What is known of a token id."""

    FIRST = auto()
    FIRST_HERE = auto()  # by this process alone: the shared store did not answer
    AGAIN = auto()


class StoredTokenIds(Protocol):
    """A store that all replicas share, or that outlives a restart."""

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        """True once per (issuer, token id) until ``expires`` (Unix seconds); raises Unavailable when it cannot tell."""
        ...

    def tell(self, issuer: str, token_id: str, expires: float) -> None:
        """Have it known there once the store answers again."""
        ...


class TokenIds:
    """Ids seen by this process; full of unexpired ones it refuses (503) rather than forgets."""

    def __init__(self, clock: Callable[[], float], shared: StoredTokenIds | None = None, most: int = MOST) -> None:
        self._clock = clock  # Unix seconds
        self._shared = shared
        self._most = most
        self._tidy_at = min(FEWEST, most)  # as many ids as are looked through for expired ones
        self._expiry: dict[tuple[str, str], float] = {}
        self._full_until = 0.0

    async def use(self, issuer: str, token_id: str, expires: float, deadline: float) -> Use:
        """Whether this id of this issuer is seen for the first time before ``expires`` (Unix seconds, leeway included).

        An id whose use could not be settled (the caller went away) is not kept: its token may come again.
        """
        key = (issuer, token_id)
        now = self._clock()
        if self._expiry.get(key, 0.0) > now:
            return Use.AGAIN
        self._make_room(now)
        self._expiry[key] = expires  # before the shared store is asked: of two that come together one is the first
        try:
            return await self._settled(issuer, token_id, expires, deadline)
        except BaseException:
            self._expiry.pop(key, None)
            raise

    async def _settled(self, issuer: str, token_id: str, expires: float, deadline: float) -> Use:
        if self._shared is None:
            return Use.FIRST
        soon = min(deadline, asyncio.get_running_loop().time() + SHARED_S)
        try:
            first = await self._shared.first_use(issuer, token_id, expires, soon)
        except Unavailable:
            self._shared.tell(issuer, token_id, expires)
            return Use.FIRST_HERE
        return Use.FIRST if first else Use.AGAIN

    def _make_room(self, now: float) -> None:
        if len(self._expiry) < self._tidy_at:
            return
        if now < self._full_until:
            raise Unavailable("too many tokens are remembered", retry_after=60)
        self._expiry = {key: expires for key, expires in self._expiry.items() if expires > now}
        self._tidy_at = min(max(FEWEST, 2 * len(self._expiry)), self._most)  # a use costs no more for it, on the whole
        if len(self._expiry) >= self._most:
            self._full_until = min(self._expiry.values())
            raise Unavailable("too many tokens are remembered", retry_after=60)
