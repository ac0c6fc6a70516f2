"""Holds the access token of one hook call: in memory, for one origin, never in a log, a message or a repr."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NoReturn

from fhir_adapters.errors import TokenExpired

TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")  # what a header line can carry (RFC 9110 §5.5), bounded


class Bearer:
    """An OAuth 2.0 bearer token (RFC 6750). ``expires_in`` in seconds from now; 0 where the client did not say."""

    __slots__ = ("_clock", "_expires_at", "_fault", "_token")

    def __init__(self, token: str, expires_in: float = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        sound = TOKEN.fullmatch(token) is not None
        self._token = token if sound else ""
        self._fault = "" if sound else "malformed token"
        self._clock = clock
        self._expires_at = clock() + expires_in if expires_in > 0 else float("inf")

    def header(self, where: str = "") -> dict[str, str]:
        """The Authorization header; TokenExpired when there is no valid token any more."""
        if self._clock() >= self._expires_at:
            self.spend()
        if self._fault:
            raise TokenExpired(where, detail=self._fault)
        return {"Authorization": f"Bearer {self._token}"}

    def spend(self, fault: str = "no longer valid") -> None:
        """The server said it is no longer valid, or the call is over: forget it; every further use raises."""
        self._token = ""
        self._fault = self._fault or fault

    def __repr__(self) -> str:
        return "Bearer(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a bearer token is not stored")


def rejects_token(challenge: str) -> bool:
    """True when a 401's WWW-Authenticate says that the token itself is no longer good (RFC 6750 §3.1)."""
    return "invalid_token" in challenge.lower()
