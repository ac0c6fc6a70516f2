"""Results by key: sealed in memory and in the database alike, bounded by number, bytes and age.

Memory is asked first and answers without I/O. A result opens only under its own key: copied to another row it is
unreadable. What cannot be opened counts as not there.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from cds_service.encryption import Cipher, Unsealable

MOST = 2_000  # results in memory
MOST_BYTES = 32 * 1024 * 1024
RESULT = b"assessment "
SNAPSHOT = b"snapshot "


class _Held(NamedTuple):
    sealed: bytes
    expires_at: int  # milliseconds since 1970


class Store:
    """The front in memory, and the sealing of both. ``jobs.Rows`` holds the rows behind it."""

    def __init__(
        self,
        cipher: Cipher,
        *,
        ttl_s: float,
        count: Callable[[str, int], None] = lambda _name, _n: None,
        clock: Callable[[], float] = time.time,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._cipher = cipher
        self._ttl_ms = int(ttl_s * 1000)
        self._count = count
        self._clock = clock
        self._most, self._most_bytes = most, most_bytes
        self._held: OrderedDict[str, _Held] = OrderedDict()  # least recently used first
        self._bytes = 0

    def holds(self, key: str) -> bytes | None:
        """The sealed result of a key, if memory holds it and it has not expired: the same object while it is the same result."""
        kept = self._held.get(key)
        if kept is None:
            return None
        if kept.expires_at <= self.now():
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return kept.sealed

    def held(self, key: str) -> bytes | None:
        """The result of a key, if memory holds it and it has not expired."""
        sealed = self.holds(key)
        return None if sealed is None else self._open(sealed, RESULT, key)

    def take(self, key: str, sealed: bytes, expires_at: int) -> bytes | None:
        """Keep in memory what a row held, and open it. None when it has expired or does not open."""
        if expires_at <= self.now():
            return None
        plain = self._open(sealed, RESULT, key)
        if plain is not None:
            self._put(key, _Held(sealed, expires_at))
        return plain

    def seal(self, key: str, result: bytes) -> tuple[bytes, int]:
        """A result for its row: the sealed bytes and when it expires (milliseconds since 1970); memory keeps it too."""
        kept = _Held(self._cipher.seal(result, RESULT + key.encode()), self.now() + self._ttl_ms)
        self._put(key, kept)
        return kept

    def seal_snapshot(self, key: str, plain: bytes) -> bytes:
        """A snapshot for its row."""
        return self._cipher.seal(plain, SNAPSHOT + key.encode())

    def open_snapshot(self, key: str, sealed: bytes) -> bytes | None:
        """The snapshot again, None when it does not open."""
        return self._open(sealed, SNAPSHOT, key)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock() * 1000)

    def _open(self, sealed: bytes, kind: bytes, key: str) -> bytes | None:
        try:
            return self._cipher.unseal(sealed, kind + key.encode())
        except Unsealable:  # sealed under a key that is gone, or moved from another row
            self._count("assessments:unsealable", 1)
            return None

    def _put(self, key: str, kept: _Held) -> None:
        self._drop(key)
        self._held[key] = kept
        self._bytes += len(kept.sealed)
        while len(self._held) > self._most or self._bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: str) -> None:
        if (old := self._held.pop(key, None)) is not None:
            self._bytes -= len(old.sealed)
