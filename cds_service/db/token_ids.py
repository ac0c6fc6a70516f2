"""Token ids (``jti``) that replicas on one database share, so that a token opens the door once (checklist row J7)."""

from __future__ import annotations

from sqlalchemy import Connection

from cds_service.db.gateway import Gateway
from cds_service.db.models import token_id as token_ids
from cds_service.db.spool import Row
from cds_service.db.writer import statements
from cds_service.encryption import Cipher


class SharedTokenIds:
    """Kept as keyed hashes until the token has expired; only worth asking where the database is shared."""

    def __init__(self, gateway: Gateway, cipher: Cipher) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._insert = statements(gateway.engine.dialect.name)["token_id"].returning(token_ids.c.id)

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
        return {"id": self._cipher.pseudonym("jti", issuer, token_id), "expires_at": int(expires * 1000)}
