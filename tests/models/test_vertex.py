"""The ``vertex`` engine against a strict double of an endpoint: both envelopes, their faults, and where the requests go."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Struct

from cds_service.errors import ConfigurationError
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Image, Request
from cds_service.models.faults import (
    EngineRefused,
    NotAuthorized,
    SchemaViolated,
    ServerFault,
    Truncated,
    Unreadable,
    Unsupported,
)
from cds_service.models.remote import google_token, vertex
from cds_service.models.remote.probing import PIXEL
from cds_service.models.standing import Standing
from cds_service.settings import Settings
from tests.models.answering_engine import Receive, Send, Server, least, obedient, reply, serving
from tests.models.vertex_double import RESOURCE, Endpoint

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 400}},
    "required": ["text"],
    "additionalProperties": False,
}
ASKED = Request(prompt="Summarise.", schema=SCHEMA, max_tokens=64)


def told_schema(body: dict[str, Any]) -> str:
    """What a model would answer that does as the prompt tells it: the schema stands on the last line."""
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return json.dumps(least(json.loads(text.rsplit("\n", 1)[1])))


class FakeCredentials:
    """google-auth's shape: a token good for ``lasts_s``, renewed when it is told to."""

    def __init__(self, lasts_s: float, faults: list[Exception] | None = None) -> None:
        self.token: str | None = None
        self.expiry: datetime | None = None
        self.lasts_s = lasts_s
        self.faults = faults or []
        self.renewed = 0
        self.threads: set[int] = set()

    def refresh(self, request: Any) -> None:
        """One more token."""
        self.threads.add(threading.get_ident())
        if self.faults:
            raise self.faults.pop(0)
        self.renewed += 1
        self.token = "good" if self.renewed == 1 else f"good-{self.renewed}"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=self.lasts_s)


@asynccontextmanager
async def asking(double: Endpoint, profile: str = "openai", *, images: bool = False) -> AsyncIterator[Standing]:
    """A ready engine in front of the double, with the token it takes."""
    with serving(double):
        name = "image" if images else "text"
        settings = Settings.model_validate(
            {
                f"{name}_engine": "vertex",
                f"{name}_base_url": double.address,
                f"{name}_model": "google/medgemma-1.5-4b-it",
                f"{name}_profile": profile,
                f"{name}_api_key": "good",
            }
        )
        async with engines.door(settings) as door:
            built = engines.build(settings, door, Metrics())
            standing = built.image if images else built.text
            assert standing is not None
            assert await standing.look() == "ready", standing.why
            yield standing


@pytest.mark.parametrize("shape", ["dict", "list"])
async def test_predict_reads_predictions_of_either_shape(shape: Any) -> None:
    double = Endpoint(told_schema, shape=shape)
    async with asking(double) as standing:
        answer = await standing.engine.generate(ASKED)
        assert json.loads(answer.text) == {"text": "x"}
        assert answer.identity.engine == "vertex"
        assert {path.rsplit(":", 1)[1] for path in double.paths} == {"predict"}
        assert double.bodies[-1]["@requestFormat"] == "chatCompletions"
        assert double.bodies[-1]["max_tokens"] == 64


async def test_raw_predict_sends_the_bare_body() -> None:
    double = Endpoint(told_schema)
    async with asking(double, "vertex-raw") as standing:
        assert json.loads((await standing.engine.generate(ASKED)).text) == {"text": "x"}
        assert {path.rsplit(":", 1)[1] for path in double.paths} == {"rawPredict"}


async def test_an_image_travels_as_pixels_and_costs_tokens() -> None:
    double = Endpoint(told_schema)
    async with asking(double, images=True) as standing:
        answer = await standing.engine.generate(
            Request(prompt="What is seen?", schema=SCHEMA, max_tokens=64, images=(Image(PIXEL, label="current"),))
        )
        assert answer.usage.prompt_tokens == 269
        part = double.bodies[-1]["messages"][0]["content"][0]
        assert part["image_url"]["url"].startswith("data:image/png;base64,")


async def test_an_error_inside_http_200_is_a_server_fault_without_its_words() -> None:
    for profile in ("vertex", "vertex-raw"):
        double = Endpoint(told_schema)
        async with asking(double, profile) as standing:
            double.failing = True
            with pytest.raises(ServerFault) as fault:
                await standing.engine.generate(ASKED)
            assert "secret" not in str(fault.value)


async def test_a_body_outside_the_containers_schema_is_refused_not_served() -> None:
    double = Endpoint(told_schema)
    async with asking(double) as standing:
        bare = standing.engine
        while hasattr(bare, "inner"):
            bare = bare.inner
        with pytest.raises(EngineRefused):
            await bare.ask({**bare.body(ASKED), "response_format": {"type": "json_object"}}, ASKED)  # type: ignore[attr-defined]


async def test_as_many_tokens_as_allowed_means_truncated() -> None:
    double = Endpoint(told_schema)
    async with asking(double) as standing:
        double.spends = ASKED.max_tokens
        with pytest.raises(Truncated):
            await standing.engine.generate(ASKED)


async def test_an_answer_without_a_token_count_is_not_trusted_to_be_whole() -> None:
    double = Endpoint(told_schema)
    async with asking(double) as standing:
        double.counts = False
        with pytest.raises(Unreadable):
            await standing.engine.generate(ASKED)


async def test_the_engine_says_it_is_checked_and_its_answers_are() -> None:
    double = Endpoint(told_schema)
    async with asking(double) as standing:
        assert standing.engine.capabilities.checked
        assert not standing.engine.capabilities.schema
        with pytest.raises(Unsupported):
            await standing.engine.score_labels(ASKED, ("A", "B"))
        double.content = lambda _body: '{"words":"x"}'
        with pytest.raises(SchemaViolated):
            await standing.engine.generate(ASKED)


async def test_a_model_that_does_not_do_as_told_is_not_used() -> None:
    with serving(Endpoint(lambda _body: "Certainly.")) as double:
        settings = Settings.model_validate({
            "text_engine": "vertex", "text_base_url": double.address, "text_api_key": "good",
        })  # fmt: skip
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "refused"


async def test_the_openai_route_lies_under_the_endpoint() -> None:
    with serving(Server(obedient)) as server:
        settings = Settings.model_validate({
            "text_engine": "vertex", "text_base_url": f"{server.url}/{RESOURCE}", "text_profile": "vertex-openai",
            "text_api_key": "good",
        })  # fmt: skip
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "ready", standing.why
            assert standing.engine.capabilities.schema
    assert vertex.openai_route(f"https://a.b/v1/{RESOURCE}").url() == f"https://a.b/v1beta1/{RESOURCE}/chat/completions"


def test_a_resource_name_leads_to_the_shared_endpoint_and_a_url_to_the_dedicated_one() -> None:
    shared = vertex.Predicting(RESOURCE, "predict").url()
    assert shared == f"https://europe-west4-aiplatform.googleapis.com/v1/{RESOURCE}:predict"
    host = "https://mg-endpoint-1.europe-west4-4711.prediction.vertexai.goog"
    for version in ("", "/v1", "/v1beta1"):
        assert vertex.Predicting(f"{host}{version}/{RESOURCE}", "raw-predict").url() == (
            f"{host}/v1/{RESOURCE}:rawPredict"
        )


@pytest.mark.parametrize(
    "address", ["", "endpoints/1", "https://example.org", f"http://example.org/{RESOURCE}", f"{RESOURCE}:predict"]
)
def test_another_address_is_a_fault_of_the_configuration(address: str) -> None:
    with pytest.raises(ConfigurationError):
        vertex.endpoint(address)


def test_a_profile_of_another_kind_of_server_is_refused() -> None:
    settings = Settings.model_validate({"text_engine": "vertex", "text_base_url": RESOURCE, "text_profile": "vllm"})
    with pytest.raises(ConfigurationError):
        engines.build(settings, engines.door(settings), Metrics())


async def test_a_token_is_fetched_once_and_used_while_it_is_good() -> None:
    held = FakeCredentials(3600)
    tokens = google_token.GoogleToken(lambda: (held, None))
    for _ in range(3):
        assert await tokens.headers() == {"Authorization": "Bearer good"}
    assert held.renewed == 1
    assert threading.get_ident() not in held.threads


async def test_a_token_is_renewed_before_it_expires_without_holding_up_a_request() -> None:
    held = FakeCredentials(google_token.RENEW_S / 2)
    tokens = google_token.GoogleToken(lambda: (held, None))
    await tokens.headers()
    held.lasts_s = 3600
    assert await tokens.headers() == {"Authorization": "Bearer good"}, "the old one is good for minutes"
    assert tokens._renewing is not None
    await tokens._renewing
    assert await tokens.headers() == {"Authorization": "Bearer good-2"}
    assert held.renewed == 2


async def test_a_renewal_that_fails_beside_the_requests_is_tried_again() -> None:
    from google.auth.exceptions import TransportError

    held = FakeCredentials(google_token.RENEW_S / 2)
    tokens = google_token.GoogleToken(lambda: (held, None))
    await tokens.headers()
    held.faults = [TransportError("no route")]
    assert await tokens.headers() == {"Authorization": "Bearer good"}
    with pytest.raises(google_token.ConnectionFault):
        await tokens._renewing  # type: ignore[misc]
    await tokens.headers()
    await tokens._renewing  # type: ignore[misc]
    assert held.token == "good-2"


async def test_missing_or_refused_credentials_say_what_to_do_and_nothing_of_the_key() -> None:
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    def none() -> Any:
        raise DefaultCredentialsError("path /secret/key.json")

    with pytest.raises(NotAuthorized) as missing:
        await google_token.GoogleToken(none).headers()
    assert "secret" not in str(missing.value)
    held = FakeCredentials(60, [RefreshError("invalid_grant secret")])
    with pytest.raises(NotAuthorized) as refused:
        await google_token.GoogleToken(lambda: (held, None)).headers()
    assert "secret" not in str(refused.value)


async def test_requests_carry_the_renewed_token(monkeypatch: pytest.MonkeyPatch) -> None:
    held = FakeCredentials(1)  # less than a request waits for: each one needs a new token
    monkeypatch.setattr(google_token.GoogleToken.__init__, "__defaults__", (lambda: (held, None),))
    with serving(Endpoint(told_schema)) as double:
        settings = Settings.model_validate({"text_engine": "vertex", "text_base_url": double.address})
        async with engines.door(settings) as door:
            standing = engines.build(settings, door, Metrics()).text
            assert standing is not None
            assert await standing.look() == "ready", standing.why
            double.token = "good-2"
            assert json.loads((await standing.engine.generate(ASKED)).text) == {"text": "x"}
    assert double.tokens == ["good", "good-2"]


async def test_google_auth_itself_exchanges_a_key_file_for_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with serving(TokenService()) as service:
        account = {
            "type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": pem,
            "client_email": "cds@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": f"{service.url}/token",
        }  # fmt: skip
        file = tmp_path / "key.json"
        file.write_text(json.dumps(account), encoding="utf-8")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        assert await google_token.GoogleToken().headers() == {"Authorization": "Bearer from-service"}
    assert service.asked == 1


class TokenService(Struct):
    """Google's token endpoint for service accounts."""

    url: str = ""
    asked: int = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = (await receive())["body"]
            assert b"grant_type=" in body
            assert b"assertion=" in body
            self.asked += 1
            await reply(send, 200, {"access_token": "from-service", "expires_in": 3600, "token_type": "Bearer"})
