"""Token ids (``jti``) in the database, so that a token opens the door once (checklist row J7): on whichever replica it
comes where they share one, and after a restart."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from cds_service.db.gateway import Gateway
from cds_service.db.models import token_id as token_ids
from cds_service.db.spool import Row
from cds_service.db.writer import statements
from cds_service.encryption import Cipher


class SharedTokenIds:
    """Of replicas on one database: asked at each use. Kept as keyed hashes until the token has expired."""

    def __init__(self, gateway: Gateway, cipher: Cipher) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._insert = statements(gateway.engine.dialect.name)["token_id"].returning(token_ids.c.id)

    async def load(self, _deadline: float) -> int:
        """Nothing to take over: the database is asked each time."""
        return 0

    async def first_use(self, issuer: str, token_id: str, expires: float, deadline: float) -> bool:
        """True once per issuer and id until ``expires`` (Unix seconds); ``Unavailable`` when nobody can tell."""
        row = self._row(issuer, token_id, expires)

        def insert(connection: Connection) -> bool:
            return connection.execute(self._insert, row).first() is not None

        return await self._gateway.run(insert, deadline=deadline)

    def tell(self, issuer: str, token_id: str, expires: float) -> None:
        """Have it stored once the database answers."""
        self._gateway.later("token_id", self._row(issuer, token_id, expires))

    def _row(self, issuer: str, token_id: str, expires: float) -> Row:
        return _row(self._cipher, issuer, token_id, expires)


class OwnTokenIds:
    """Of the one process on an embedded database: loaded at start, never asked at a use, told of each off its path."""

    def __init__(self, gateway: Gateway, cipher: Cipher) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._before: frozenset[str] = frozenset()  # used before this start
        self._until = 0  # when the last of them expires, milliseconds since 1970

    async def load(self, deadline: float) -> int:
        """Take over what was used before a restart; how many ids."""
        statement = select(token_ids.c.id, token_ids.c.expires_at).where(token_ids.c.expires_at > _now())
        rows = await self._gateway.run(lambda connection: connection.execute(statement).all(), deadline=deadline)
        self._before = frozenset(row.id for row in rows)
        self._until = max((row.expires_at for row in rows), default=0)
        return len(rows)

    async def first_use(self, issuer: str, token_id: str, expires: float, _deadline: float) -> bool:
        """False for an id used before this start; what this process has seen its caller knows."""
        row = _row(self._cipher, issuer, token_id, expires)
        if self._before:
            if row["id"] in self._before:
                return False
            if _now() > self._until:
                self._before = frozenset()
        self._gateway.later("token_id", row)
        return True

    def tell(self, issuer: str, token_id: str, expires: float) -> None:
        """Have it stored."""
        self._gateway.later("token_id", _row(self._cipher, issuer, token_id, expires))


def _row(cipher: Cipher, issuer: str, token_id: str, expires: float) -> Row:
    return {"id": cipher.pseudonym("jti", issuer, token_id), "expires_at": int(expires * 1000)}


def _now() -> int:
    return int(time.time() * 1000)
