"""Verifies the client's JWT (CDS Hooks 2.0.1 §Trusting CDS Clients; checklist rows J1–J7).

The reason of a refusal is the message of NotAuthenticated: it goes to the audit log, the client gets a bare 401.
Nothing a token says is believed or fetched before its issuer is found in the settings.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from msgspec import Struct

from cds_service.errors import CdsError, ConfigurationError, NotAuthenticated
from cds_service.hooks.clients.keys import FetchedKeys, FetchJson, FileKeys, Keys
from cds_service.hooks.clients.token_ids import StoredTokenIds, TokenIds, Use
from cds_service.settings import Client, Settings

# ES384 and RS384 are the specification's recommendation; the others occur too. Never none, never HMAC.
ALGORITHMS = ["ES384", "RS384", "ES256", "RS256", "PS256", "PS384"]
LEEWAY_S = 60.0
LONGEST_LIFE_S = 3600.0  # bounds how long a jti must be remembered
LONGEST_TOKEN = 16 * 1024  # characters
LONGEST_ID = 256


class Trusted(NamedTuple):
    """Who calls. ``client`` is None for an anonymous caller (demo and sandbox alone)."""

    name: str
    issuer: str = ""
    tenant: str = ""
    client: Client | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Separates what is kept for one client and tenant from every other's."""
        return f"{self.issuer}\n{self.tenant}" if self.issuer else ""


ANONYMOUS = "anonymous"
OWN_MEMORY = "jti compared with this process alone"  # audit note: the shared database did not answer


class _Header(Struct):
    alg: str = ""
    kid: str = ""
    typ: str = ""
    jku: str = ""
    crit: list[str] = []


class _Issuer(Struct):
    iss: str = ""


_header = msgspec.json.Decoder(_Header).decode
_issuer = msgspec.json.Decoder(_Issuer).decode


class ClientAuth:
    """Knows every configured issuer and its keys."""

    def __init__(
        self,
        settings: Settings,
        fetch_json: FetchJson,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        stored: StoredTokenIds | None = None,
    ) -> None:
        self._required = settings.mode == "production"
        self._public_url = settings.public_url.rstrip("/")
        self._clock = clock
        self._seen = TokenIds(clock, stored)
        self._issuers: dict[str, tuple[Client, Keys]] = {}
        for name, client in settings.clients.items():
            if client.issuer:
                keys = _keys(name, client, fetch_json, steady, self._required)
                if keys is not None:
                    self._issuers[client.issuer] = (client, keys)

    def warm(self) -> None:
        """Begin to fetch every client's keys, beside whatever else starts; a call may still have to wait for them."""
        for _, keys in self._issuers.values():
            keys.warm()

    async def verify(self, authorization: str, path: str, deadline: float) -> Trusted:
        """The caller behind an ``Authorization`` header ('' when absent) at the endpoint ``path``.

        Production refuses anonymous callers and unknown issuers; demo and sandbox note them. A token of a configured
        issuer is verified in every mode. ``deadline`` (event loop's clock) bounds a fetch of keys.
        """
        token = authorization[7:].strip() if authorization[:7].lower() == "bearer " else ""
        if not token:
            if self._required:
                raise NotAuthenticated("no bearer token")
            return Trusted(ANONYMOUS)
        try:
            header, issuer = _unverified(token)
            known = self._issuers.get(issuer)
            if known is None:
                raise NotAuthenticated("unknown issuer")
        except NotAuthenticated as refusal:
            if self._required:
                raise
            return Trusted(ANONYMOUS, note=f"token not verifiable: {refusal.message}")
        client, keys = known
        try:
            _check_header(header, client)
            claims = _decode(token, await keys.find(header.kid, deadline))
            expires = self._check_claims(claims, client, self._public_url + path)
            use = await self._seen.use(issuer, claims["jti"], expires + LEEWAY_S, deadline)
            if use is Use.AGAIN:
                raise NotAuthenticated("jti seen before")
        except CdsError as refusal:
            refusal.claimed = issuer
            raise
        tenant = claims.get("tenant")
        note = "" if use is Use.FIRST else OWN_MEMORY
        return Trusted(issuer, issuer, tenant if isinstance(tenant, str) else "", client, note)

    def _check_claims(self, claims: Mapping[str, Any], client: Client, url: str) -> float:
        """Times, audience, id and tenant (rows J4, J7, 45); the moment of expiry in Unix seconds."""
        now = self._clock()
        expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
        if not expires + LEEWAY_S > now:
            raise NotAuthenticated("expired")
        if not issued - LEEWAY_S <= now:
            raise NotAuthenticated("issued in the future")
        if not 0 <= expires - issued <= LONGEST_LIFE_S + LEEWAY_S:
            raise NotAuthenticated("lives too long")
        if "nbf" in claims and not _moment(claims, "nbf") - LEEWAY_S <= now:
            raise NotAuthenticated("not valid yet")
        audience = claims.get("aud")
        if url not in (audience if isinstance(audience, list) else [audience]):
            raise NotAuthenticated("wrong audience")
        token_id = claims.get("jti")
        if not isinstance(token_id, str) or not 0 < len(token_id) <= LONGEST_ID:
            raise NotAuthenticated("no jti")
        if client.tenants and claims.get("tenant") not in client.tenants:
            raise NotAuthenticated("unknown tenant")
        return expires


def _keys(
    name: str, client: Client, fetch_json: FetchJson, steady: Callable[[], float], required: bool
) -> FileKeys | FetchedKeys | None:
    """Keys agreed out of band win over an address; without either the issuer cannot be trusted."""
    if client.jwks_file is not None:
        return FileKeys(client.jwks_file)
    if client.jwks_url:
        return FetchedKeys(client.jwks_url, fetch_json, steady)
    if required:
        raise ConfigurationError(f"[clients.{name}] has an issuer without keys; write jwks_file or jwks_url")
    return None


def _unverified(token: str) -> tuple[_Header, str]:
    """Header and issuer as the token claims them; used only to look up whose key to try."""
    parts = token.split(".")
    if len(token) > LONGEST_TOKEN or len(parts) != 3 or not token.isascii():
        raise NotAuthenticated("not a signed JWT")
    try:
        return _header(_base64(parts[0])), _issuer(_base64(parts[1])).iss
    except (ValueError, binascii.Error, RecursionError):
        raise NotAuthenticated("not a readable JWT") from None


def _base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _check_header(header: _Header, client: Client) -> None:
    if header.alg not in ALGORITHMS:
        raise NotAuthenticated("algorithm not allowed")
    if header.typ.upper() != "JWT":
        raise NotAuthenticated("typ is not JWT")
    if not header.kid or header.crit:
        raise NotAuthenticated("no kid, or a critical header we do not know")
    if header.jku and header.jku != client.jwks_url:
        raise NotAuthenticated("jku not allowed")


def _decode(token: str, key: Any) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise NotAuthenticated("signature does not verify") from None


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAuthenticated(f"no {name}")
    return float(value)
