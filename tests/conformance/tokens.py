"""Tokens of a made-up EHR, and a key server in memory that counts who asks it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, RSAKey

from cds_service.settings import Client, Settings

ISSUER = "https://ehr.example/fhir"
JWKS_URL = "https://ehr.example/jwks.json"
PUBLIC_URL = "https://cds.example"
SUMMARY = f"{PUBLIC_URL}/cds-services/patient-summary"
FEEDBACK = f"{SUMMARY}/feedback"

EC = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa+/=1", "use": "sig"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ec-1"})


def key_set() -> dict[str, Any]:
    """The public JWK set of the made-up EHR."""
    return dict(KeySet([EC, RSA]).as_dict(private=False))


def token(
    key: ECKey | RSAKey = EC, *, header: dict[str, Any] | None = None, now: float | None = None, **claims: Any
) -> str:
    """A signed token; ``claims`` and ``header`` replace the right ones, ``...`` leaves one out."""
    moment = int(now if now is not None else time.time())
    made: dict[str, Any] = {
        "iss": ISSUER,
        "aud": SUMMARY,
        "iat": moment,
        "exp": moment + 300,
        "jti": str(uuid4()),
        **claims,
    }
    head = {"alg": "ES384" if isinstance(key, ECKey) else "RS384", "kid": key.kid, "typ": "JWT", **(header or {})}
    head = {name: value for name, value in head.items() if value is not ...}
    made = {name: value for name, value in made.items() if value is not ...}
    return jws.serialize_compact(head, msgspec.json.encode(made), key, algorithms=[head["alg"]])


def bearer(text: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def production(tmp_path: Path | None = None, **members: Any) -> Settings:
    """Production settings that trust the made-up EHR: by file where a folder is given, else by address."""
    client: dict[str, Any] = {"issuer": ISSUER, "jwks_url": JWKS_URL}
    if tmp_path is not None:
        path = tmp_path / "jwks.json"
        path.write_bytes(msgspec.json.encode(key_set()))
        client["jwks_file"] = path
    client |= members.pop("client", {})
    settings = Settings(mode="production", public_url=PUBLIC_URL, cors_origins=["https://ehr.example"], **members)
    settings.clients["ehr"] = Client(**client)
    return settings


class KeyServer:
    """Stands where the client's keys are; can be down, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.document: object | None = key_set()
        self.asked: list[str] = []

    async def __call__(self, url: str, deadline: float) -> object | None:
        self.asked.append(url)
        return self.document


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
