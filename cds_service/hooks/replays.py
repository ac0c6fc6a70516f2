"""Remembers each ``jti`` until its token has expired, so that a token opens the door once (row J7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cds_service.errors import Unavailable

MOST = 200_000  # ids in memory


class SharedTokenIds(Protocol):
    """A store that all replicas share."""

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        """True once per (issuer, token id) until ``expires`` (Unix seconds); raises Unavailable when it cannot tell."""
        ...


class TokenIds:
    """Ids seen by this process; full of unexpired ones it refuses (503) rather than forgets."""

    def __init__(self, clock: Callable[[], float], shared: SharedTokenIds | None = None, most: int = MOST) -> None:
        self._clock = clock  # Unix seconds
        self._shared = shared
        self._most = most
        self._expiry: dict[tuple[str, str], float] = {}

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        """True the first time this id of this issuer is seen before ``expires`` (Unix seconds, leeway included)."""
        key = (issuer, token_id)
        now = self._clock()
        if self._expiry.get(key, 0.0) > now:
            return False
        self._make_room(now)
        self._expiry.pop(key, None)
        self._expiry[key] = expires
        return self._shared is None or await self._shared.first_use(issuer, token_id, expires, deadline)

    def _make_room(self, now: float) -> None:
        if len(self._expiry) < self._most:
            return
        self._expiry = {key: expires for key, expires in self._expiry.items() if expires > now}
        if len(self._expiry) >= self._most:
            raise Unavailable("too many tokens are remembered", retry_after=60)
