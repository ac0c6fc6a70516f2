"""Our signing key, and ``/.well-known/jwks.json`` with its public half (RFC 7517), for SMART Backend Services."""

from __future__ import annotations

from pathlib import Path

import msgspec
from fastapi import FastAPI
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_service.errors import ConfigurationError
from cds_service.key_files import made_once
from cds_service.settings import Settings
from fhir_adapters import json_guard
from fhir_adapters.backend import algorithm

KEY_FILE = "signing.jwk"


def signing_key(settings: Settings) -> RSAKey | ECKey | None:
    """The key of ``CDS_SIGNING_KEY_FILE``, or in demo and sandbox one made once in the state folder; else None."""
    path = settings.signing_key_file
    if path is None and settings.mode == "production":
        return None
    return _read(path or made_once(settings.state_dir / KEY_FILE, _new))


def attach_keys(app: FastAPI, key: RSAKey | ECKey | None) -> None:
    """``GET /.well-known/jwks.json``: an empty set where there is no key."""
    body = msgspec.json.encode({"keys": [public(key)] if key else []})

    async def jwks(_request: Request) -> Response:
        return Response(body, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    app.router.routes.append(Route("/.well-known/jwks.json", jwks, methods=["GET"]))


def public(key: RSAKey | ECKey) -> dict[str, object]:
    """The public half with what a verifier needs: key id, algorithm, use."""
    half: dict[str, object] = {**key.as_dict(private=False)}
    return half | {"kid": key.kid or key.thumbprint(), "alg": algorithm(key), "use": "sig", "key_ops": ["verify"]}


def _new() -> bytes:
    return msgspec.json.encode(ECKey.generate_key("P-384").as_dict(private=True))


def _read(path: Path) -> RSAKey | ECKey:
    say = f"CDS_SIGNING_KEY_FILE {path.name} must hold a private RSA or P-384 key as PEM or JWK"
    try:
        data = path.read_bytes()
        key = _decode(data)
        algorithm(key)
    except (OSError, JoseError, ValueError, KeyError, TypeError):
        raise ConfigurationError(say) from None
    if not key.is_private:
        raise ConfigurationError(say)
    return key


def _decode(data: bytes) -> RSAKey | ECKey:
    if data.lstrip().startswith(b"{"):
        key = JWKRegistry.import_key(json_guard.decode(data))
        if isinstance(key, RSAKey | ECKey):
            return key
        raise ValueError("another kind of key")
    try:
        return ECKey.import_key(data)
    except (JoseError, ValueError, TypeError):
        return RSAKey.import_key(data)
