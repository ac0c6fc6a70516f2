"""Encryption at rest and pseudonyms. AES-256-GCM under keys derived from one master key; HMAC-SHA-256 for ids.

A sealed value is ``version · key id · salt · nonce · ciphertext and tag``. Every process draws its own salt and
derives its own AES key from it (HKDF-SHA-256), so that random nonces stay far below GCM's limit of 2^32 messages a
key however many replicas share the master key; who holds the master key derives the same key again from the salt in
the header. The caller's associated data (what the value belongs to) is authenticated: a row copied to another place
does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cds_service.errors import ConfigurationError
from cds_service.key_files import made_once
from cds_service.randomness import random_bytes
from cds_service.settings import Settings

KEY_FILE = "encryption.key"
KEY_BYTES = 32
_encode = msgspec.json.Encoder().encode
_VERSION = b"\x01"
_ID, _SALT, _NONCE = 4, 16, 12
_HEAD = len(_VERSION) + _ID + _SALT


class Unsealable(Exception):
    """The value was sealed under a key we do not hold, was changed, or belongs elsewhere."""


def _derive(master: bytes, salt: bytes | None, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"medgemma-cds " + purpose).derive(master)


def key_id(master: bytes) -> bytes:
    """Four bytes that name a master key without telling it."""
    return sha256(_derive(master, None, b"key id")).digest()[:_ID]


class Cipher:
    """Seals and opens bytes. The first key seals, all keys open: to rotate, put the new key before the old one."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigurationError(
                "CDS_ENCRYPTION_KEY must hold 32 bytes, base64; make one with: openssl rand -base64 32"
            )
        self._masters = {key_id(key): key for key in keys}
        self.key_id = key_id(keys[0])
        salt = os.urandom(_SALT)
        self._head = _VERSION + self.key_id + salt
        self._sealer = AESGCM(_derive(keys[0], salt, b"seal"))
        self._names = [
            hmac.new(_derive(key, None, b"pseudonym"), digestmod="sha256") for key in keys
        ]  # copied for each name: half the cost
        self._fingerprints = AESGCM(_derive(keys[0], None, b"fingerprint"))
        self._opener = lru_cache(maxsize=64)(self._derive_opener)

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Ciphertext with its header. ``associated`` names the place it belongs to and is needed again to open it."""
        nonce = random_bytes(_NONCE)
        return self._head + nonce + self._sealer.encrypt(nonce, plain, self._head + associated)

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        """The plain bytes, or ``Unsealable``."""
        head, nonce, rest = sealed[:_HEAD], sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        if len(nonce) < _NONCE or not head.startswith(_VERSION):
            raise Unsealable("not a sealed value")
        try:
            return self._opener(head).decrypt(nonce, rest, head + associated)
        except InvalidTag:
            raise Unsealable("changed, or sealed for another place") from None

    def pseudonym(self, kind: str, *values: str) -> str:
        """Keyed hash of an id, 32 hex digits. Parts are hashed as a JSON array: no two lists of parts read the same.

        It is stable while the sealing key is; after a rotation the same id gets a new pseudonym. What must be found
        again then is looked up under ``pseudonyms``.
        """
        return _hashed(self._names[0], _parts(kind, values))

    def pseudonyms(self, kind: str, *values: str) -> list[str]:
        """The pseudonym under each key, that of the sealing key first."""
        parts = _parts(kind, values)
        return [_hashed(names, parts) for names in self._names]

    def fingerprint(self, data: bytes) -> bytes:
        """16 bytes that tell ``data`` from other data: AES-GMAC, many times faster than a hash for a body of 100 kB.

        With its one nonce this is a keyed universal hash and no signature: compare it, keep it only hashed again.
        """
        return self._fingerprints.encrypt(bytes(_NONCE), b"", data)

    def _derive_opener(self, head: bytes) -> AESGCM:
        master = self._masters.get(head[1 : 1 + _ID])
        if master is None:
            raise Unsealable(f"sealed under key {head[1 : 1 + _ID].hex()}, which is not configured")
        return AESGCM(_derive(master, head[1 + _ID :], b"seal"))


def _parts(kind: str, values: tuple[str, ...]) -> bytes:
    try:
        return _encode((kind, *values))
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON decoders of other rooms let through
        return json.dumps((kind, *values)).encode()


def _hashed(keyed: hmac.HMAC, parts: bytes) -> str:
    names = keyed.copy()
    names.update(parts)
    return names.hexdigest()[:32]


def load_cipher(settings: Settings) -> Cipher:
    """Keys of ``CDS_ENCRYPTION_KEY`` (base64, several with commas), or in demo and sandbox one of the state folder."""
    written = settings.encryption_key.get_secret_value()
    if written:
        return Cipher([_decode(part) for part in written.split(",")])
    if settings.mode == "production":
        raise ConfigurationError("CDS_ENCRYPTION_KEY is not set; make one with: openssl rand -base64 32")
    kept = made_once(settings.state_dir / KEY_FILE, lambda: base64.b64encode(os.urandom(KEY_BYTES)))
    return Cipher([_decode(kept.read_text("ascii"))])


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise ConfigurationError("CDS_ENCRYPTION_KEY is not base64; make one with: openssl rand -base64 32") from None
