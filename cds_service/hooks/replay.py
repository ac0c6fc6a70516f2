"""First answers of hook instances, kept for a retry window: the same call asked again gets the same cards, same uuids.

An answer belongs to a client (with its tenant), a service, a ``hookInstance`` and the body that was sent. The same
``hookInstance`` with *another* body is not a retry but a new question, for clients reuse the id when the clinician goes
on with the same orders: giving it the old cards would show advice on a record that has moved on. It is answered
freshly, and that answer takes the old one's place.

Answers are sealed in memory and in the database alike. Memory is asked first; the database only where other processes
write to it (PostgreSQL), so that the embedded one costs a hook call no query: what it holds from before a restart is
loaded once at the start. Calls that ask the same thing at the same time are joined before they come here (``flights``).
"""

from __future__ import annotations

import time
from asyncio import get_running_loop
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, select

from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import answer
from cds_service.encryption import Cipher, Unsealable

MOST_ANSWERS = 20_000  # in memory
MOST_BYTES = 64 * 1024 * 1024  # in memory
LARGEST = 256 * 1024  # bytes of one body worth keeping


class _Kept(NamedTuple):
    request: str
    sealed: bytes
    expires_at: int


class ReplayStore:
    """Bounded by number, by bytes and by age. A store that fails means: answered freshly."""

    def __init__(
        self,
        gateway: Gateway,
        cipher: Cipher,
        *,
        window_s: float,
        count: Callable[[str, int], None] = lambda _name, _n: None,
        clock: Callable[[], float] = time.time,
        most_answers: int = MOST_ANSWERS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._window_ms = int(window_s * 1000)
        self._count = count
        self._clock = clock
        self._most_answers = most_answers
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # oldest first: all live equally long
        self._bytes = 0

    async def load(self, deadline: float) -> int:
        """Take over what the embedded database holds from before a restart; how many answers."""
        if self._gateway.shared:
            return 0
        columns = (answer.c.key, answer.c.request, answer.c.sealed, answer.c.expires_at)
        statement = select(*columns).where(answer.c.expires_at > self._now())
        newest = statement.order_by(answer.c.expires_at.desc()).limit(self._most_answers)
        rows = await self._gateway.run(lambda connection: connection.execute(newest).all(), deadline=deadline)
        for key, request, sealed, expires_at in reversed(rows):
            self._put(key, _Kept(request, sealed, expires_at))
        return len(rows)

    def fingerprint(self, body: bytes) -> bytes:
        """What tells one body from another, for ``find`` and ``keep``."""
        return self._cipher.fingerprint(body)

    async def find(
        self, client: str, service: str, hook_instance: str, body_hash: bytes, deadline: float
    ) -> bytes | None:
        """The body first answered to the same question, or None. Never raises for a store that is down."""
        if self._window_ms <= 0:
            return None
        key = self._key(client, service, hook_instance)
        kept, found = self._kept.get(key), "memory"
        if kept is None and self._gateway.shared:
            kept, found = await self._look_up(key, deadline), "database"
        if kept is None or kept.expires_at <= self._now() or kept.request != self._request(key, body_hash):
            return None
        try:
            body = self._cipher.unseal(kept.sealed, _place(key, kept.request))
        except Unsealable:  # sealed under a key that is gone, or tampered with: no answer of ours
            self._count("replays:unsealable", 1)
            return None
        self._count(f"replays:{found}", 1)
        return body

    def keep(self, client: str, service: str, hook_instance: str, body_hash: bytes, body: bytes) -> None:
        """Remember the answer, off the request path. A newer one for the same ``hookInstance`` takes its place."""
        if self._window_ms <= 0 or len(body) > LARGEST:
            return
        key = self._key(client, service, hook_instance)
        request = self._request(key, body_hash)
        kept = _Kept(request, self._cipher.seal(body, _place(key, request)), self._now() + self._window_ms)
        self._put(key, kept)
        row = {"key": key, "request": request, "sealed": kept.sealed, "expires_at": kept.expires_at}
        self._gateway.later("answer", row, durable=False)

    def _put(self, key: str, kept: _Kept) -> None:
        old = self._kept.pop(key, None)
        self._bytes += len(kept.sealed) - (len(old.sealed) if old else 0)
        self._kept[key] = kept
        now = self._now()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            full = len(self._kept) > self._most_answers or self._bytes > self._most_bytes
            if not full and oldest.expires_at > now:
                return
            self._kept.popitem(last=False)
            self._bytes -= len(oldest.sealed)

    async def _look_up(self, key: str, deadline: float) -> _Kept | None:
        def row(connection: Connection) -> _Kept | None:
            statement = select(answer.c.request, answer.c.sealed, answer.c.expires_at).where(answer.c.key == key)
            found = connection.execute(statement).one_or_none()
            return _Kept(*found) if found else None

        if deadline <= get_running_loop().time():
            return None
        try:
            return await self._gateway.run(row, deadline=deadline, single=True)
        except DatabaseUnavailable:
            self._count("replays:database failed", 1)
            return None

    def _key(self, client: str, service: str, hook_instance: str) -> str:
        return self._cipher.pseudonym("answer", client, service, hook_instance)

    def _request(self, key: str, body_hash: bytes) -> str:
        return self._cipher.pseudonym("request", key, body_hash.hex())

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _place(key: str, request: str) -> bytes:
    """What a sealed answer belongs to: copied to another row it does not open."""
    return f"answer {key} {request}".encode()
