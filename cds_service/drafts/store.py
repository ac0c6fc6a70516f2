"""Drafts in the database: sealed, each change from exactly the version that was looked at."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.db.gateway import Gateway
from cds_service.db.models import draft as table
from cds_service.drafts.draft import Draft
from cds_service.encryption import Cipher, Unsealable
from cds_service.errors import CdsError

T = TypeVar("T")
PATIENCE_S = 5.0
LISTED = 100
_encode = msgspec.json.Encoder().encode


def _counter(_kind: type, value: Any) -> Any:
    """msgspec knows no Counter."""
    return Counter(value)


_decode = msgspec.json.Decoder(Draft, dec_hook=_counter).decode


class DraftSealed(CdsError):
    """The draft is there and does not open: put the key it was sealed under back into CDS_ENCRYPTION_KEY."""

    status = 409
    code = "conflict"


class Listed(Struct, frozen=True, kw_only=True):
    """Drafts of a query, and how many more it found that no configured key opens."""

    drafts: list[Draft]
    unopened: int


class DraftStore:
    """Keeps drafts. Every method raises ``DatabaseUnavailable`` when the database does not answer."""

    def __init__(self, gateway: Gateway, cipher: Cipher, *, clock: Callable[[], float] = time.time) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._clock = clock

    async def add(self, draft: Draft) -> None:
        """Store a new draft; one that is there already stays as it is."""
        dialect = postgresql if self._gateway.shared else sqlite
        row = {
            "id": draft.id,
            "study": self._cipher.pseudonym("study", draft.tenant, draft.study_uid),
            "state": draft.state,
            "version": draft.version,
            "busy_until": 0,
            "created_at": self._now(),
            "sealed": self._seal(draft),
        }
        insert = dialect.insert(table).values(row).on_conflict_do_nothing()
        await self._run(lambda connection: connection.execute(insert) and None)

    async def get(self, draft_id: str) -> Draft | None:
        """One draft. ``DraftSealed`` when it is there and does not open."""
        return await self.first_of([draft_id])

    async def first_of(self, ids: Sequence[str]) -> Draft | None:
        """The oldest draft of these ids, the names that one draft has under several keys. ``DraftSealed`` as ``get``."""
        found = await self._select(table.c.id.in_(ids), len(ids))
        if found.unopened:
            raise DraftSealed("the draft was sealed under a key that is not configured; put it into CDS_ENCRYPTION_KEY")
        return found.drafts[-1] if found.drafts else None

    async def of_study(self, tenant: str, study_uid: str) -> Draft | None:
        """The newest draft of a study."""
        return next(iter(await self.all_of_study(tenant, study_uid)), None)

    async def all_of_study(self, tenant: str, study_uid: str) -> Sequence[Draft]:
        """The newest drafts of a study, newest first."""
        studies = self._cipher.pseudonyms("study", tenant, study_uid)
        return (await self._select(table.c.study.in_(studies), LISTED)).drafts

    async def newest(self) -> Listed:
        """The newest drafts, newest first."""
        return await self._select(table.c.id != "", LISTED)

    async def unfinished(self) -> Listed:
        """Drafts whose claim ran out before its holder ended it, as when a process died while it wrote; or whose ``again_s`` did."""
        return await self._select((table.c.busy_until > 0) & (table.c.busy_until <= self._now()), LISTED)

    async def by_state(self) -> dict[str, int]:
        """How many drafts there are in each state."""
        query = select(table.c.state, func.count()).group_by(table.c.state)
        return await self._run(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    async def replace(self, draft: Draft, *, before: int, busy_s: float = 0.0, again_s: float = 0.0) -> bool:
        """Store a change of version ``before``. False when it moved on, or is being written by somebody else.

        ``busy_s`` claims the draft for so long; the holder of the claim ends it with its next change. After ``again_s`` it is
        ``unfinished``: to be taken up once more.
        """
        now, holds = self._now(), not busy_s
        change = update(table).where(table.c.id == draft.id, table.c.version == before)
        if not holds:
            change = change.where(table.c.busy_until <= now)
        values = {
            "state": draft.state,
            "version": draft.version,
            "busy_until": now + int((busy_s or again_s) * 1000) if busy_s or again_s else 0,
            "sealed": self._seal(draft),
        }
        return await self._run(lambda connection: connection.execute(change.values(values)).rowcount == 1)

    async def _select(self, condition: object, limit: int) -> Listed:
        query = select(table.c.id, table.c.sealed).where(condition).order_by(table.c.created_at.desc()).limit(limit)  # type: ignore[arg-type]
        rows = await self._run(lambda connection: [(row.id, row.sealed) for row in connection.execute(query)])
        opened = [self._open(own_id, sealed) for own_id, sealed in rows]
        drafts = [draft for draft in opened if draft is not None]
        return Listed(drafts=drafts, unopened=len(rows) - len(drafts))

    def _open(self, own_id: str, sealed: bytes) -> Draft | None:
        """None when no configured key opens it: counted where it is asked for."""
        try:
            return _decode(self._cipher.unseal(sealed, _place(own_id)))
        except Unsealable:
            return None

    async def _run(self, call: Callable[[Connection], T]) -> T:
        return await self._gateway.run(call, deadline=asyncio.get_running_loop().time() + PATIENCE_S)

    def _seal(self, draft: Draft) -> bytes:
        return self._cipher.seal(_encode(draft), _place(draft.id))

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _place(draft_id: str) -> bytes:
    return f"draft {draft_id}".encode()
