"""SMART Backend Services (SMART App Launch 2.2.0 §backend-services): our own credentials for work outside a hook.

``client_credentials`` with a signed assertion (RS384 or ES384). The token endpoint is discovered from the FHIR base's
``.well-known/smart-configuration`` unless the operator wrote it down. One request at a time, before the token runs out.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from msgspec import Struct

from fhir_adapters import errors, json_guard
from fhir_adapters.auth import Bearer
from fhir_adapters.outbound import Outbound

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_S = 240  # the specification allows 300; the rest is for clocks that disagree
EARLY_S = 30.0  # a token is renewed so long before it runs out
REQUEST_S = 10.0
MAX_BYTES = 256 * 1024
ACCEPT = {"Accept": "application/json"}


class _Configuration(Struct):
    token_endpoint: str


class _Token(Struct):
    access_token: str
    token_type: str  # required by RFC 6749 §5.1
    expires_in: float = 300.0


def algorithm(key: RSAKey | ECKey) -> str:
    """RS384 for RSA, ES384 for P-384: the two the specification names. ``ValueError`` for any other key."""
    if isinstance(key, RSAKey):
        return "RS384"
    if key.curve_name != "P-384":
        raise ValueError("a signing key is RSA, or elliptic on P-384")
    return "ES384"


class BackendServices:
    """Tokens for one FHIR base. ``base`` and ``token_url`` are origins the operator allowed."""

    def __init__(
        self,
        outbound: Outbound,
        base: str,
        *,
        client_id: str,
        key: RSAKey | ECKey,
        token_url: str = "",
        scope: str = "system/*.rs",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbound = outbound
        self._base = base.rstrip("/")
        self._client_id = client_id
        self._key = key
        self._algorithm = algorithm(key)
        self._token_url = token_url
        self._scope = scope
        self._clock = clock
        self._bearer: Bearer | None = None
        self._until = 0.0
        self._asking: asyncio.Task[Bearer] | None = None

    async def bearer(self, *, deadline: float) -> Bearer:
        """A token with time left. Callers that come together share one request; errors are those of ``errors``."""
        if self._bearer is not None and self._clock() < self._until:
            return self._bearer
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            raise errors.TimedOut("POST token") from None

    def spend(self) -> None:
        """The server no longer takes the token: the next caller gets a new one."""
        self._bearer = None

    async def _ask(self) -> Bearer:
        deadline = asyncio.get_running_loop().time() + REQUEST_S
        self._token_url = self._token_url or await self._discover(deadline)
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION,
            "client_assertion": self._assertion(),
        }
        headers = {**ACCEPT, "Content-Type": "application/x-www-form-urlencoded"}
        where = "POST token"
        reply = await self._outbound.request(
            "POST",
            self._token_url,
            deadline=deadline,
            headers=headers,
            content=urlencode(form).encode(),
            max_bytes=MAX_BYTES,
            where=where,
        )
        if reply.status in (400, 401):  # RFC 6749 §5.2: invalid_client, invalid_scope …
            raise errors.NotPermitted(where, reply.status, detail="the client or its key is not known there")
        if reply.status != 200:
            raise errors.for_status(max(reply.status, 300), where)
        try:
            token = json_guard.decode(reply.body, _Token)
        except json_guard.JsonRefused:
            raise errors.InvalidJson(where, reply.status, detail="not a token response") from None
        if token.token_type.lower() != "bearer" or not token.access_token:
            raise errors.InvalidJson(where, reply.status, detail="not a bearer token")
        self._until = self._clock() + max(token.expires_in - EARLY_S, token.expires_in / 2)
        self._bearer = Bearer(token.access_token, token.expires_in)
        return self._bearer

    async def _discover(self, deadline: float) -> str:
        where = "GET smart-configuration"
        url = f"{self._base}/.well-known/smart-configuration"
        reply = await self._outbound.request(
            "GET", url, deadline=deadline, headers=ACCEPT, max_bytes=MAX_BYTES, where=where
        )
        if reply.status != 200:
            raise errors.for_status(max(reply.status, 300), where)
        try:
            return json_guard.decode(reply.body, _Configuration).token_endpoint
        except json_guard.JsonRefused:
            raise errors.InvalidJson(where, reply.status, detail="no token endpoint") from None

    def _assertion(self) -> str:
        now = int(self._clock())
        header = {"alg": self._algorithm, "kid": self._key.kid or self._key.thumbprint(), "typ": "JWT"}
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._token_url,
            "iat": now,
            "exp": now + ASSERTION_LIFE_S,
            "jti": secrets.token_urlsafe(24),
        }
        return jwt.encode(header, claims, self._key, algorithms=[self._algorithm])
