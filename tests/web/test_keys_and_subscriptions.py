"""Our public keys, and who may say that there is a new imaging study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, RSAKey
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.errors import ConfigurationError, Unavailable
from cds_service.settings import Settings, Subscription
from cds_service.web.keys import attach_keys, signing_key
from cds_service.web.subscriptions import Subscriptions, attach_subscriptions
from tests.conformance.minimal import Counts, Lines

SECRET = "a-secret-of-some-length"
HEADERS = {"X-Subscription-Secret": SECRET}


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.fixture
def refusals() -> tuple[Lines, Counts]:
    return Lines(), Counts()


@pytest.fixture
def client(seen: list[str], refusals: tuple[Lines, Counts]) -> Iterator[TestClient]:
    async def on_study(reference: str, _subscription: Subscription) -> None:
        if reference.endswith("/busy"):
            raise Unavailable("the queue is full", retry_after=7)
        seen.append(reference)

    app = FastAPI()
    known = {"pacs": Subscription(secret=SecretStr(SECRET))}
    attach_subscriptions(app, Subscriptions(known, on_study, refusals[0], refusals[1].count))
    with TestClient(app) as made:
        yield made


def backport(kind: str, *focus: str) -> dict[str, Any]:
    events = [
        {"name": "notification-event", "part": [{"name": "focus", "valueReference": {"reference": each}}]}
        for each in focus
    ]
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": kind}, *events]}
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", [""]),
        (json.dumps({"resourceType": "ImagingStudy", "id": "s1", "status": "available"}), ["ImagingStudy/s1"]),
        (
            json.dumps(
                backport("event-notification", "ImagingStudy/s1", "https://ehr/fhir/ImagingStudy/s2", "ImagingStudy/s1")
            ),
            ["ImagingStudy/s1", "ImagingStudy/s2"],
        ),
        (json.dumps(backport("heartbeat")), []),
        (json.dumps(backport("event-notification", "Patient/1", "ImagingStudy/../x", "ImagingStudy/a?b")), []),
        (json.dumps({"resourceType": "Patient", "id": "p"}), []),
        (
            '{"resourceType":"Bundle","entry":[null,1,{"resource":[]},{"resource":{"resourceType":"Parameters","parameter":{}}}]}',
            [],
        ),
    ],
)
def test_a_notification_triggers_a_read_of_the_studies_it_names(
    client: TestClient, seen: list[str], body: str, named: list[str]
) -> None:
    assert client.post("/subscriptions/pacs", content=body, headers=HEADERS).status_code == 200
    assert seen == named


def test_a_server_that_puts_the_resource_is_understood(client: TestClient, seen: list[str]) -> None:
    study = {"resourceType": "ImagingStudy", "id": "s1"}
    assert client.put("/subscriptions/pacs/ImagingStudy/s1", json=study, headers=HEADERS).status_code == 200
    assert seen == ["ImagingStudy/s1"]


def test_an_unknown_id_a_wrong_secret_and_bodies_that_are_none_are_refused(client: TestClient, seen: list[str]) -> None:
    assert client.post("/subscriptions/other", headers=HEADERS).status_code == 404
    assert client.post("/subscriptions/pacs").status_code == 403
    assert client.post("/subscriptions/pacs", headers={"X-Subscription-Secret": SECRET[:-1]}).status_code == 403
    for body in (b"[]", b"{", b"<html>", b"[" * 5000, b'{"resourceType":1}', b'{"id":"M\xfcller"}'):
        assert client.post("/subscriptions/pacs", content=body, headers=HEADERS).status_code == 400
    assert client.post("/subscriptions/pacs", content=b" " * (1024 * 1024 + 1), headers=HEADERS).status_code == 413
    assert seen == []


def test_who_knocks_in_vain_leaves_an_audit_line_and_a_count(
    client: TestClient, refusals: tuple[Lines, Counts]
) -> None:
    for _ in range(3):
        client.post("/subscriptions/pacs", headers={"X-Subscription-Secret": "guess"})
    client.post("/subscriptions/made-up-by-a-stranger", headers=HEADERS)
    client.post("/subscriptions/pacs", content=b"{", headers=HEADERS)
    lines, counts = refusals
    assert {event for event, _ in lines.lines} == {"notification refused"}
    assert [(f["service"], f["status"], f["outcome"]) for _, f in lines.lines] == [
        *[("subscriptions/pacs", 403, "security")] * 3,
        ("subscriptions", 404, "security"),
        ("subscriptions/pacs", 400, "refused"),
    ]
    assert counts.counted == {"refused:403": 3, "refused:404": 1, "refused:400": 1}
    assert "guess" not in repr(lines.lines)


def test_a_knock_at_the_real_service_is_in_its_audit_file_and_metrics(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    settings = Settings(mode="demo", state_dir=tmp_path, audit_file=file)
    settings.subscriptions["pacs"] = Subscription(secret=SecretStr(SECRET))
    with TestClient(create_app(settings)) as client:
        assert client.post("/subscriptions/pacs").status_code == 403
        assert 'cds_refused_total{status="403"} 1.0' in client.get("/metrics").text
    (line,) = [json.loads(each) for each in file.read_text().splitlines()]
    assert (line["event"], line["service"], line["status"]) == ("notification refused", "subscriptions/pacs", 403)
    assert line["reason"] == "wrong secret"


def test_one_study_that_cannot_be_queued_holds_up_no_other(client: TestClient, seen: list[str]) -> None:
    body = backport("event-notification", "ImagingStudy/busy", "ImagingStudy/s2")
    assert client.post("/subscriptions/pacs", json=body, headers=HEADERS).status_code == 503
    assert seen == ["ImagingStudy/s2"]


def test_a_read_that_cannot_be_queued_is_told_again_by_the_sender(client: TestClient) -> None:
    answer = client.post("/subscriptions/pacs", json={"resourceType": "ImagingStudy", "id": "busy"}, headers=HEADERS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


def test_a_short_secret_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        Subscription(secret=SecretStr("short"))


def published(settings: Settings) -> list[dict[str, Any]]:
    app = FastAPI()
    attach_keys(app, signing_key(settings))
    with TestClient(app) as client:
        keys: list[dict[str, Any]] = client.get("/.well-known/jwks.json").json()["keys"]
    return keys


def test_the_key_made_in_demo_stays_and_only_its_public_half_is_shown(tmp_path: Path) -> None:
    settings = Settings(mode="demo", state_dir=tmp_path)
    (key,) = published(settings)
    assert (key["alg"], key["use"], "d" in key) == ("ES384", "sig", False)
    assert published(settings) == [key]
    assert (tmp_path / "signing.jwk").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("key", [RSAKey.generate_key(2048), ECKey.generate_key("P-384")], ids=["RS384", "ES384"])
def test_production_signs_with_the_key_of_its_file_or_publishes_none(tmp_path: Path, key: Any) -> None:
    assert published(Settings(mode="production", state_dir=tmp_path)) == []
    file = tmp_path / "key.pem"
    file.write_bytes(key.as_pem(private=True))
    (shown,) = published(Settings(mode="production", state_dir=tmp_path, signing_key_file=file))
    assert shown["kid"] == key.thumbprint()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"nonsense",
        ECKey.generate_key("P-256").as_pem(private=True),
        ECKey.generate_key("P-384").as_pem(private=False),
    ],
)
def test_a_file_that_holds_no_such_key_is_refused_at_start(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(data)
    with pytest.raises(ConfigurationError, match="CDS_SIGNING_KEY_FILE"):
        signing_key(Settings(mode="demo", state_dir=tmp_path, signing_key_file=file))
