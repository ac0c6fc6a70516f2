"""Fault rows 10, 14, 15, 16, 17, 23, 24 and 62 as a client sees them: requests it should not send."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import httpx2
import msgspec
import pytest
from conformance import bodies, tokens
from conformance.minimal import Echo, Minimal, card, services
from starlette.testclient import TestClient

from cds_service.hooks.protocol import FHIRAuthorization
from cds_service.services.service import Answer, Call
from cds_service.settings import Settings

SUMMARY = "/cds-services/patient-summary"
TOKEN = {"access_token": "canary-token", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "s"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def house() -> Minimal:
    return Minimal(Settings(max_body_bytes=100_000, fhir_allow=["https://fhir.example"]))


def post(house: Minimal, body: Any, path: str = SUMMARY, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with TestClient(house.app) as client:
        return client.post(path, content=content, headers=JSON | headers)


def echo(house: Minimal, service: str = "patient-summary") -> Echo:
    found = house.services[service]
    assert isinstance(found, Echo)
    return found


def test_row_10_a_declared_body_over_the_cap_is_a_413_before_it_is_read(house: Minimal) -> None:
    answer = post(house, b" " * 100_001)
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"


async def test_row_10_an_undeclared_body_is_read_no_further_than_the_cap(house: Minimal) -> None:
    sent: list[dict[str, Any]] = []
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b" " * 10_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": SUMMARY, "raw_path": SUMMARY.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http", "root_path": "",
        "server": ("testserver", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"},
    }  # fmt: skip
    await house.app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert received == 11


@pytest.mark.parametrize("hole", ["prefetch", "context", "extension", "somewhere"])
def test_row_10_nesting_of_ten_thousand_levels_is_a_400(house: Minimal, hole: str) -> None:
    body = msgspec.json.encode(bodies.request(prefetch=...))[:-1] + b',"%s":{"x":' % hole.encode()
    answer = post(house, body + b"[" * 10_000 + b"]" * 10_000 + b"}}")
    assert answer.status_code == 400
    assert "nested too deeply" in answer.json()["issue"][0]["diagnostics"]


def test_row_10_thousands_of_prefetch_keys_are_a_400(house: Minimal) -> None:
    answer = post(house, bodies.request(prefetch={f"k{n}": None for n in range(5_000)}))
    assert answer.status_code == 400
    assert "more than 256 keys" in answer.json()["issue"][0]["diagnostics"]


def test_row_14_prefetch_of_another_patient_rejects_the_request_and_leaves_a_security_line(house: Minimal) -> None:
    answer = post(house, bodies.request(prefetch={"patient": bodies.patient("somebody-else")}))
    assert answer.status_code == 400
    assert "another patient" in answer.json()["issue"][0]["diagnostics"]
    assert "somebody-else" not in answer.text
    ((event, fields),) = house.audit.lines
    assert event == "hook refused"
    assert fields["outcome"] == "security"
    assert fields["patient"] == bodies.PATIENT


@pytest.mark.parametrize(
    "patient_id",
    [
        "../Observation",
        "p1?x=1",
        "p1|p2",
        "p1/../p2",
        "p 1",
        "p1#x",
        "p1%2e",
        "",
        "é",
        "x" * 65,
        "x" * 10_000,
        "p1\n",
        "p1&y",
    ],
)
def test_row_15_a_patient_id_that_is_no_fhir_id_is_a_400_and_reaches_no_service(
    house: Minimal, patient_id: str
) -> None:
    answer = post(house, bodies.request(context={"userId": "Practitioner/1", "patientId": patient_id}))
    assert answer.status_code == 400
    assert "patientId" in answer.json()["issue"][0]["diagnostics"]
    assert echo(house).calls == []


def test_row_15_an_encounter_id_that_is_no_fhir_id_is_never_passed_on(house: Minimal) -> None:
    context = {**bodies.context("patient-view"), "encounterId": "../Patient/other"}
    assert post(house, bodies.request(context=context)).status_code == 200
    assert echo(house).calls[0].request.context.encounterId is None


def test_row_16_an_unknown_service_is_a_404(house: Minimal) -> None:
    assert post(house, bodies.request("organisation-hook"), "/cds-services/organisation-hook").status_code == 404


def test_row_16_a_hook_the_service_does_not_answer_is_a_400(house: Minimal) -> None:
    assert post(house, bodies.request("order-dispatch")).status_code == 400


def test_row_16_unknown_members_are_ignored(house: Minimal) -> None:
    body = bodies.request(version="99", hookVersion="2.7", unknown={"deep": [1, 2, {}]})
    assert post(house, body).status_code == 200


def test_row_17_a_repeated_hook_instance_gets_the_same_bytes_and_no_second_run(house: Minimal) -> None:
    body = bodies.request()
    first, second = post(house, body), post(house, body)
    assert first.json()["cards"]
    assert second.content == first.content
    assert len(echo(house).calls) == 1
    assert [event for event, _ in house.audit.lines] == ["hook", "hook repeated"]
    assert len(house.ledger.issued) == 1


def test_row_17_a_retry_with_a_fresh_token_is_still_a_retry(house: Minimal) -> None:
    body = bodies.request(fhirServer="https://fhir.example/r4", fhirAuthorization=TOKEN)
    first = post(house, body)
    later = {**TOKEN, "access_token": "another", "expires_in": 299}
    assert post(house, {**body, "fhirAuthorization": later}).content == first.content
    assert len(echo(house).calls) == 1


async def test_row_17_a_retry_while_the_first_call_is_at_work_joins_it() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def wait(call: Call) -> Answer:
        begun.set()
        await release.wait()
        return Answer(cards=[card("once")])

    house = Minimal(Settings(deadline_ms=60_000), services(wait))
    body = bodies.request()
    transport = httpx2.ASGITransport(app=house.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        calls = [asyncio.create_task(client.post(SUMMARY, json=body)) for _ in range(3)]
        await begun.wait()
        release.set()
        answers = await asyncio.gather(*calls)
    assert len({answer.content for answer in answers}) == 1
    assert len(echo(house).calls) == 1
    assert [event for event, _ in house.audit.lines] == ["hook"]


def test_row_17_the_same_instance_at_another_service_or_with_another_body_is_a_new_question(house: Minimal) -> None:
    body = bodies.request()
    first = post(house, body)
    other = bodies.request("order-sign", hookInstance=body["hookInstance"])
    assert post(house, other, "/cds-services/order-triage").content != first.content
    changed = {**body, "prefetch": {"patient": bodies.patient(), "laboratory": None}}
    assert post(house, changed).content != first.content


def test_row_17_a_failed_answer_is_not_repeated() -> None:
    async def break_once(call: Call) -> Answer:
        if len(echo(house).calls) == 1:
            raise RuntimeError
        return Answer(cards=[card("now it works")])

    house = Minimal(Settings(), services(break_once))
    body = bodies.request()
    assert "because of a fault" in post(house, body).text
    assert post(house, body).json()["cards"][0]["summary"] == "now it works"


@pytest.mark.parametrize("url", ["http://fhir.example/r4", "http://fhir.example:8080", "http://127.0.0.1/fhir"])
def test_row_23_a_fhir_server_over_http_is_a_400_in_production(url: str, tmp_path: Any) -> None:
    house = Minimal(tokens.production(tmp_path, fhir_allow=["https://fhir.example"]))
    answer = post(house, bodies.request(fhirServer=url), **tokens.bearer(tokens.token()))
    assert answer.status_code == 400
    assert "https" in answer.json()["issue"][0]["diagnostics"]
    assert house.audit.lines[0][1]["outcome"] == "security"


def test_row_23_an_http_origin_the_operator_wrote_down_is_called_even_in_production(tmp_path: Any) -> None:
    house = Minimal(tokens.production(tmp_path, fhir_allow=["http://fhir.internal:8080"]))
    body = bodies.request(fhirServer="http://fhir.internal:8080/r4/")
    assert post(house, body, **tokens.bearer(tokens.token())).status_code == 200
    assert echo(house).calls[0].fhir_base == "http://fhir.internal:8080/r4"


def test_row_24_a_token_that_expires_mid_request_gives_a_partial_answer_and_nothing_afterwards() -> None:
    expired_after = 2

    async def read_until_refused(call: Call) -> Answer:
        read = []
        for what in ("laboratory", "vital signs", "allergies"):
            if len(read) == expired_after:  # the server's 401
                break
            read.append(what)
        cards = [card(f"Seen: {', '.join(read)}; not permitted: allergies", indicator="warning")]
        return Answer(cards=cards, outcome="partial", notes=("token expired",))

    house = Minimal(Settings(fhir_allow=["https://fhir.example"]), services(read_until_refused))
    answer = post(house, bodies.request(fhirServer="https://fhir.example", fhirAuthorization=TOKEN))
    assert answer.status_code == 200
    assert "not permitted: allergies" in answer.json()["cards"][0]["summary"]
    assert house.audit.lines[0][1]["outcome"] == "partial"
    echo(house).calls.clear()
    gc.collect()
    assert [held for held in gc.get_objects() if isinstance(held, FHIRAuthorization)] == []


FEEDBACK = f"{SUMMARY}/feedback"


def feedback(**members: Any) -> dict[str, Any]:
    reason = {"reason": {"code": "c", "system": "urn:x"}, "userComment": "seen"}
    return {"feedback": [{"card": "unknown", "outcome": "overridden", "overrideReason": reason, **members}]}


def test_row_62_feedback_on_an_unknown_card_is_taken_and_handed_on_to_be_counted(house: Minimal) -> None:
    assert post(house, feedback(), FEEDBACK).status_code == 200
    assert house.ledger.entries[0][2].card == "unknown"


def test_row_62_html_in_a_comment_arrives_escaped_and_capped(house: Minimal) -> None:
    reason = {"userComment": "<!-- x --><script>alert(1)</script>\u202e" + "y" * 50_000}
    assert post(house, feedback(overrideReason=reason), FEEDBACK).status_code == 200
    comment = house.ledger.entries[0][2].comment
    assert comment.startswith("&lt;!-- x --&gt;&lt;script&gt;alert(1)&lt;/script&gt;y")
    assert "<" not in comment
    assert len(comment) < 2_100


def test_row_62_a_body_of_five_megabytes_is_a_413(house: Minimal) -> None:
    answer = post(house, feedback(extension="x" * 5_000_000), FEEDBACK)
    assert answer.status_code == 413
    assert house.ledger.entries == []
