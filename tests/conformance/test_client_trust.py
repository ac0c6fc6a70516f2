"""Rows J1–J7: who may call in production, and how little a refusal says."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from cds_service.errors import ConfigurationError
from cds_service.hooks.clients.auth import ClientAuth
from cds_service.settings import Client, Settings

from . import bodies, tokens
from .minimal import Echo, Minimal, unreachable
from .tokens import EC, RSA, bearer, production, token

SUMMARY = "/cds-services/patient-summary"
FEEDBACK = {"feedback": [{"card": "c", "outcome": "accepted"}]}


@pytest.fixture
def house(tmp_path: Path) -> Minimal:
    return Minimal(production(tmp_path))


@pytest.fixture
def client(house: Minimal) -> TestClient:
    return TestClient(house.app)


def test_J1_production_answers_nobody_without_a_token(client: TestClient) -> None:
    for path, body in ((SUMMARY, bodies.request()), (f"{SUMMARY}/feedback", FEEDBACK)):
        answer = client.post(path, json=body)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_J1_a_sandbox_answers_anonymous_callers(minimal: Minimal) -> None:
    assert TestClient(minimal.app).post(SUMMARY, json=bodies.request()).status_code == 200


def test_J1_production_does_not_start_with_an_issuer_nobody_has_keys_of() -> None:
    settings = Settings(mode="production", clients={"ehr": Client(issuer=tokens.ISSUER)})
    with pytest.raises(ConfigurationError, match="jwks_file or jwks_url"):
        ClientAuth(settings, unreachable)


@pytest.mark.parametrize("content", [b'{"keys":"M\xfc"}', b"[" * 100_000, b"{", b"{}"])
def test_J1_a_key_file_that_cannot_be_read_stops_the_start_by_name(tmp_path: Path, content: bytes) -> None:
    settings = production(tmp_path)
    (tmp_path / "jwks.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="jwks_file"):
        ClientAuth(settings, unreachable)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_J2_a_bearer_token_opens_call_and_feedback(client: TestClient, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {token()}"}
    assert client.post(SUMMARY, json=bodies.request(), headers=header).status_code == 200
    taken = client.post(f"{SUMMARY}/feedback", json=FEEDBACK, headers=bearer(token(aud=tokens.FEEDBACK)))
    assert taken.status_code == 200


@pytest.mark.parametrize("header", [{"typ": ...}, {"typ": "JOSE"}, {"kid": ...}, {"kid": ""}, {"kid": "other"}])
def test_J3_header_needs_a_known_kid_and_typ_JWT(client: TestClient, header: dict[str, Any]) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(token(header=header)))
    assert answer.status_code == 401


def test_J3_a_critical_header_nobody_knows_is_refused(client: TestClient) -> None:
    import msgspec
    from joserfc.util import urlsafe_b64encode

    head, body, signature = token().split(".")
    odd = urlsafe_b64encode(
        msgspec.json.encode({"alg": "ES384", "kid": "ec-1", "typ": "JWT", "crit": ["x"], "x": 1})
    ).decode()
    assert head != odd
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(f"{odd}.{body}.{signature}"))
    assert answer.status_code == 401


@pytest.mark.parametrize("aud", [tokens.SUMMARY, ["https://other.example", tokens.SUMMARY]])
def test_J4_aud_is_the_public_address_called_as_text_or_in_a_list(client: TestClient, aud: Any) -> None:
    assert client.post(SUMMARY, json=bodies.request(), headers=bearer(token(aud=aud))).status_code == 200


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "iat", "jti"])
def test_J4_every_required_claim_is_required(client: TestClient, missing: str) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(token(**{missing: ...})))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("key", "alg"), [(EC, "ES384"), (RSA, "RS384"), (RSA, "RS256"), (RSA, "PS256"), (RSA, "PS384")]
)
def test_J5_asymmetric_algorithms_of_the_list_are_taken(client: TestClient, key: Any, alg: str) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(token(key, header={"alg": alg})))
    assert answer.status_code == 200


def test_J5_a_short_rsa_key_is_nobodys_key() -> None:
    from cds_service.hooks.clients.keys import import_keys

    with pytest.warns(match="2048"):
        short = RSAKey.generate_key(1024, {"kid": "short"})
    assert import_keys({"keys": [short.as_dict(private=False), *tokens.key_set()["keys"]]}).keys() == {
        "ec-1",
        "rsa+/=1",
    }


def test_J6_an_issuer_nobody_listed_is_refused(client: TestClient) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(token(iss="https://other.example")))
    assert answer.status_code == 401


def test_J6_the_listed_jku_is_accepted_with_keys_agreed_out_of_band(client: TestClient) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers=bearer(token(header={"jku": tokens.JWKS_URL})))
    assert answer.status_code == 200


def test_J7_a_token_opens_the_door_once(client: TestClient) -> None:
    header = bearer(token())
    assert client.post(SUMMARY, json=bodies.request(), headers=header).status_code == 200
    assert client.post(SUMMARY, json=bodies.request(), headers=header).status_code == 401


@pytest.mark.parametrize(("tenant", "status"), [("ward-a", 200), ("ward-b", 401), (..., 401)])
def test_J7_only_listed_tenants_are_answered(tmp_path: Path, tenant: Any, status: int) -> None:
    house = Minimal(production(tmp_path, client={"tenants": ["ward-a"]}))
    answer = TestClient(house.app).post(SUMMARY, json=bodies.request(), headers=bearer(token(tenant=tenant)))
    assert answer.status_code == status


def test_J7_the_reason_of_a_refusal_is_in_the_audit_log_alone(house: Minimal) -> None:
    text = token(aud="https://other.example")
    answer = TestClient(house.app).post(SUMMARY, json=bodies.request(), headers=bearer(text))
    assert answer.json()["issue"][0]["diagnostics"] == "authentication required"
    assert house.audit.reasons() == ["wrong audience"]
    assert house.audit.lines[0][1]["outcome"] == "security"
    assert text not in repr(house.audit.lines)


@pytest.mark.parametrize(
    ("made", "notes"),
    [
        ({"aud": "https://other.example"}, [f"claimed:{tokens.ISSUER}"]),
        ({"header": {"kid": "nobody"}}, [f"claimed:{tokens.ISSUER}"]),
        ({"iss": "https://stranger.example/ZEBEDIAH"}, []),  # a stranger's words are not written down
    ],
)
def test_a_refusal_says_which_configured_client_it_may_have_been(
    house: Minimal, made: dict[str, Any], notes: list[str]
) -> None:
    assert TestClient(house.app).post(SUMMARY, json=bodies.request(), headers=bearer(token(**made))).status_code == 401
    (_, line) = house.audit.lines[0]
    assert (line["notes"], line["client"]) == (notes, "")


def test_the_verified_issuer_is_the_audit_name_of_the_client(house: Minimal) -> None:
    TestClient(house.app).post(SUMMARY, json=bodies.request(), headers=bearer(token()))
    service = house.services["patient-summary"]
    assert isinstance(service, Echo)
    assert service.calls[0].client == tokens.ISSUER


def test_a_sandbox_notes_a_token_it_cannot_verify_and_answers(minimal: Minimal) -> None:
    answer = TestClient(minimal.app).post(SUMMARY, json=bodies.request(), headers=bearer(token()))
    assert answer.status_code == 200
    assert minimal.audit.lines[0][1]["notes"] == ["token not verifiable: unknown issuer"]


def test_a_sandbox_refuses_a_bad_token_of_an_issuer_it_knows(tmp_path: Path) -> None:
    settings = production(tmp_path).model_copy(update={"mode": "sandbox"})
    answer = TestClient(Minimal(settings).app).post(
        SUMMARY, json=bodies.request(), headers=bearer(token(now=time.time() - 7200))
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c", "....", "é.é.é", "e30.e30.", "x" * 20_000])
def test_what_is_no_token_is_refused(client: TestClient, text: str) -> None:
    answer = client.post(SUMMARY, json=bodies.request(), headers={"Authorization": f"Bearer {text}".encode()})
    assert answer.status_code == 401
