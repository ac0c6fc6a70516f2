"""Rows T1–T5, D1–D7, P1–P5: what a client learns before it calls."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from cds_service.rules.catalogue import Switch
from cds_service.services.service import Answer, Call
from cds_service.settings import Client, Settings

from . import bodies
from .checking import empty_values
from .minimal import Minimal, services

TOKEN = re.compile(r"\{\{(.*?)\}\}")
TOKENS = {
    "context.patientId",
    "context.userId",
    "context.encounterId",
    "userPractitionerId",
    "userPractitionerRoleId",
    "userPatientId",
    "userRelatedPersonId",
}
# National core profiles ask servers for these; _count and _sort shape the answer (rows P3, P5).
PARAMETERS = {"patient", "category", "code", "date", "status", "clinical-status", "intent", "type", "encounter"}
SHAPING = {"_count", "_sort", "_include"}


@pytest.fixture
def offered(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/cds-services").json()["services"]
    assert found
    return found


@pytest.fixture
def templates(offered: list[dict[str, Any]]) -> list[str]:
    found = [template for service in offered for template in service.get("prefetch", {}).values()]
    assert found
    return found


def test_T1_discovery_and_answers_are_json(client: TestClient) -> None:
    assert client.get("/cds-services").headers["content-type"] == "application/json"
    answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_T2_T3_discovery_has_no_null_and_no_empty_value(client: TestClient) -> None:
    assert empty_values(client.get("/cds-services").json()) == []


def test_T5_any_browser_origin_may_call_a_sandbox_without_credentials(client: TestClient) -> None:
    asked = {
        "Origin": "https://sandbox.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = client.options("/cds-services/patient-summary", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in preflight.headers
    answer = client.get("/cds-services", headers={"Origin": "https://sandbox.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


def test_T5_production_answers_only_listed_origins() -> None:
    settings = Settings(mode="production", cors_origins=["https://ehr.example"])
    with TestClient(Minimal(settings).app) as client:
        listed = client.get("/cds-services", headers={"Origin": "https://ehr.example"})
        other = client.get("/cds-services", headers={"Origin": "https://other.example"})
    assert listed.headers["access-control-allow-origin"] == "https://ehr.example"
    assert "access-control-allow-origin" not in other.headers


def test_D1_discovery_answers_200_with_a_services_array(client: TestClient) -> None:
    answer = client.get("/cds-services")
    assert answer.status_code == 200
    assert isinstance(answer.json()["services"], list)


def test_D1_a_house_without_services_says_so_with_an_empty_array() -> None:
    with TestClient(Minimal(Settings(), {}).app) as client:
        assert client.get("/cds-services").json() == {"services": []}


async def test_D1_discovery_answers_while_every_service_hangs() -> None:
    at_work = asyncio.Event()
    working: list[Call] = []

    async def hang(call: Call) -> Answer:
        working.append(call)
        if len(working) == 8:
            at_work.set()
        await asyncio.Event().wait()
        raise AssertionError

    house = Minimal(Settings(deadline_ms=60_000), services(hang))
    transport = httpx2.ASGITransport(app=house.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        calls = [
            asyncio.create_task(client.post("/cds-services/patient-summary", json=bodies.request())) for _ in range(8)
        ]
        await asyncio.wait_for(at_work.wait(), 10)
        answer = await client.get("/cds-services")
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert answer.status_code == 200
    assert len(answer.json()["services"]) == 4


def test_D2_each_service_has_hook_description_and_id(offered: list[dict[str, Any]]) -> None:
    for service in offered:
        for name in ("hook", "description", "id"):
            assert isinstance(service[name], str)
            assert service[name]


def test_D3_each_service_has_a_title(offered: list[dict[str, Any]]) -> None:
    assert all(service["title"] for service in offered)


def test_D4_prefetch_maps_keys_to_query_strings(offered: list[dict[str, Any]]) -> None:
    for service in offered:
        assert isinstance(service["prefetch"], dict)
        assert all(isinstance(template, str) and template for template in service["prefetch"].values())


def test_D5_descriptions_are_plain_words_that_markdown_leaves_alone(offered: list[dict[str, Any]]) -> None:
    for service in offered:
        assert not re.search(r"[<>`\[\]*_#]", service["description"])


def test_D6_every_service_id_stands_for_one_hook(offered: list[dict[str, Any]]) -> None:
    ids = [service["id"] for service in offered]
    assert len(ids) == len(set(ids))


def test_D7_discovery_needs_no_token_even_in_production() -> None:
    settings = Settings(
        mode="production", clients={"ehr": Client(issuer="https://ehr.example", jwks_url="https://x.example/")}
    )
    with TestClient(Minimal(settings).app) as client:
        assert client.get("/cds-services").status_code == 200


def test_a_service_that_is_switched_off_is_neither_offered_nor_answered(minimal: Minimal) -> None:
    minimal.switches.set["patient-summary"] = Switch.OFF
    with TestClient(minimal.app) as client:
        offered = [service["id"] for service in client.get("/cds-services").json()["services"]]
        answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert "patient-summary" not in offered
    assert "order-triage" in offered
    assert answer.status_code == 404


def test_P1_templates_use_only_tokens_of_the_specification(templates: list[str]) -> None:
    for template in templates:
        for token in TOKEN.findall(template):
            assert token in TOKENS


def test_P2_tokens_are_first_level_primitives_of_the_context(offered: list[dict[str, Any]]) -> None:
    for service in offered:
        known = set(bodies.context(service["hook"])) | {"encounterId"}
        for template in service["prefetch"].values():
            for token in TOKEN.findall(template):
                name = token.removeprefix("context.")
                assert token.startswith("user") or name in known - {"draftOrders", "selections"}


def test_P3_P5_templates_read_one_resource_or_search_by_widely_implemented_parameters(
    templates: list[str],
) -> None:
    for template in templates:
        parts = urlsplit(template)
        if not parts.query:
            assert re.fullmatch(r"[A-Z][A-Za-z]+/\{\{[A-Za-z.]+\}\}", template)
            continue
        assert re.fullmatch(r"[A-Z][A-Za-z]+", parts.path)
        names = {name.partition(":")[0] for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        assert names <= PARAMETERS | SHAPING
        assert "patient" in names
        assert {name.partition(":")[2] for name, _ in parse_qsl(parts.query)} <= {"", "in"}
