"""The public keys of one client: from a file agreed out of band, or from its one allowed ``jku`` (rows J3, J6)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from cds_service.errors import ConfigurationError, NotAuthenticated, Unavailable
from cds_service.telemetry import log
from fhir_adapters import json_guard

Key = RSAKey | ECKey
# Fetches an address the operator wrote, without following it elsewhere; None when it could not be had in time.
# The deadline is a moment of the event loop's clock.
FetchJson = Callable[[str, float], Awaitable[object | None]]

FRESH_S = 3600.0  # after this the keys are fetched again, beside the calls that use them
MAX_STALE_S = 24 * 3600.0  # older keys are not trusted: 503, never an open door (row 21)
UNKNOWN_KID_PAUSE_S = 30.0  # a flood of made-up kids fetches this often and no oftener
FAILURE_PAUSE_S = 5.0  # between fetches while there are no keys at all
FETCH_S = 2.0
SMALLEST_RSA = 2048  # bits
LARGEST_SET = 100  # keys
PUBLIC = ("kty", "kid", "n", "e", "crv", "x", "y")  # members read of a key; a private part is never taken in
_log = log(__name__)


class Keys(Protocol):
    """Finds a client's key by its id."""

    async def find(self, kid: str, deadline: float) -> Key:
        """The key; NotAuthenticated when the client has none of this id, Unavailable when its keys cannot be had."""
        ...

    def warm(self) -> None:
        """Begin to fetch what a call would wait for."""
        ...


class FileKeys:
    """Keys of a JWKS file, read once at start."""

    def __init__(self, path: Path) -> None:
        try:
            self._keys = import_keys(json_guard.decode(path.read_bytes()))
        except (OSError, json_guard.JsonRefused) as error:
            raise ConfigurationError(f"jwks_file {path} cannot be read: {error}") from error
        if not self._keys:
            raise ConfigurationError(f"jwks_file {path} holds no RSA (2048 bits or more) or EC key with a kid")

    async def find(self, kid: str, deadline: float) -> Key:
        """The key of this id."""
        return _known(self._keys, kid)

    def warm(self) -> None:
        """Nothing to fetch."""


class FetchedKeys:
    """Keys of a JWKS address, cached; one fetch at a time, none on behalf of a token's own words."""

    def __init__(self, url: str, fetch: FetchJson, clock: Callable[[], float]) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock  # monotonic seconds
        self._keys: Mapping[str, Key] = {}
        self._fetched = -MAX_STALE_S
        self._tried = -UNKNOWN_KID_PAUSE_S
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str, deadline: float) -> Key:
        """The key of this id, from the cache while it is fresh enough."""
        age = self._clock() - self._fetched
        if not self._keys or age > MAX_STALE_S:
            await self._refresh(FAILURE_PAUSE_S, deadline)
            if not self._keys or self._clock() - self._fetched > MAX_STALE_S:
                raise Unavailable("the client's keys cannot be had", retry_after=int(FAILURE_PAUSE_S))
        elif kid not in self._keys:
            await self._refresh(UNKNOWN_KID_PAUSE_S, deadline)
        elif age > FRESH_S:
            self._begin(UNKNOWN_KID_PAUSE_S)
        return _known(self._keys, kid)

    def warm(self) -> None:
        """Begin the first fetch at start, so that no call waits for it."""
        self._begin(0.0)

    async def _refresh(self, pause: float, deadline: float) -> None:
        """Wait for the fetch under way or for a new one; for none if the last one was less than ``pause`` ago."""
        self._begin(pause)
        if self._fetching is not None and not self._fetching.done():
            await asyncio.wait((self._fetching,), timeout=max(0.0, deadline - asyncio.get_running_loop().time()))

    def _begin(self, pause: float) -> None:
        if self._fetching is not None and not self._fetching.done():
            return
        if self._clock() - self._tried >= pause:
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch_keys())

    async def _fetch_keys(self) -> None:
        document = await self._fetch(self._url, asyncio.get_running_loop().time() + FETCH_S)
        if document is None:
            return  # who fetches says why
        if keys := import_keys(document):
            self._keys, self._fetched = keys, self._clock()
        else:
            _log.warning("no usable key at the address of a client", origin=self._url)


def import_keys(document: object) -> dict[str, Key]:
    """Usable public signature keys of a JWK set by kid; what is too short, symmetric or malformed is left out."""
    rows = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, Key] = {}
    for row in rows[:LARGEST_SET] if isinstance(rows, list) else ():
        if isinstance(row, dict) and (key := _import(row)) is not None:
            found.setdefault(row["kid"], key)
    return found


def _import(row: dict[str, Any]) -> Key | None:
    if not isinstance(row.get("kid"), str) or row.get("use", "sig") != "sig" or row.get("kty") not in ("RSA", "EC"):
        return None
    public: dict[str, str | list[str]] = {name: row[name] for name in PUBLIC if name in row}
    if row["kty"] == "RSA" and _bits(row.get("n")) < SMALLEST_RSA:
        return None
    try:
        key = JWKRegistry.import_key(public)
        _ = key.public_key  # builds the key: a point off the curve fails here, not in a call
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _bits(number: object) -> int:
    if not isinstance(number, str):
        return 0
    try:
        return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()
    except (ValueError, binascii.Error):
        return 0


def _known(keys: Mapping[str, Key], kid: str) -> Key:
    key = keys.get(kid)
    if key is None:
        raise NotAuthenticated("unknown kid")
    return key
