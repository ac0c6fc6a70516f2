"""Rows R1–R11, E1 and X1: what a service makes of a request."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

import asyncio
from io import StringIO
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from cds_service.hooks.protocol import HookRequest
from cds_service.rules.catalogue import Switch
from cds_service.services.service import Answer, Call
from cds_service.settings import Settings

from . import bodies
from .checking import check_response
from .minimal import Echo, Minimal, card, services

HOOKS = {
    "patient-summary": "patient-view",
    "order-precheck": "order-select",
    "order-triage": "order-sign",
    "encounter-brief": "encounter-start",
}


def seen(house: Minimal) -> HookRequest:
    """The request as the patient-view service got it."""
    service = house.services["patient-summary"]
    assert isinstance(service, Echo)
    assert len(service.calls) == 1
    return service.calls[0].request


@pytest.mark.parametrize(("service", "hook"), HOOKS.items())
def test_R1_every_offered_service_answers_its_hook(client: TestClient, service: str, hook: str) -> None:
    answer = client.post(f"/cds-services/{service}", json=bodies.request(hook))
    assert answer.status_code == 200
    check_response(answer.json())


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_R2_a_required_member_that_is_missing_is_named_in_a_400(client: TestClient, member: str) -> None:
    answer = client.post("/cds-services/patient-summary", json=bodies.request(**{member: ...}))
    assert answer.status_code == 400
    assert member in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("service", "member"),
    [
        ("patient-summary", "patientId"),
        ("order-triage", "draftOrders"),
        ("order-precheck", "draftOrders"),
        ("encounter-brief", "encounterId"),
    ],
)
def test_R2_a_required_context_member_that_is_missing_is_named_in_a_400(
    client: TestClient, service: str, member: str
) -> None:
    hook = HOOKS[service]
    context = {name: value for name, value in bodies.context(hook).items() if name != member}
    answer = client.post(f"/cds-services/{service}", json=bodies.request(hook, context=context))
    assert answer.status_code == 400
    assert member in answer.json()["issue"][0]["diagnostics"]


def test_R2_a_hook_that_is_not_the_services_own_is_a_400(client: TestClient) -> None:
    answer = client.post("/cds-services/patient-summary", json=bodies.request("order-sign"))
    assert answer.status_code == 400
    assert "patient-view" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"hook": NaN}'])
def test_R2_a_body_that_is_no_json_object_is_a_400(client: TestClient, body: bytes) -> None:
    answer = client.post("/cds-services/patient-summary", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_R2_fhirServer_is_required_with_fhirAuthorization(client: TestClient) -> None:
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "", "subject": "s"}
    answer = client.post("/cds-services/patient-summary", json=bodies.request(fhirAuthorization=token))
    assert answer.status_code == 400
    assert "fhirServer" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ({"access_token": "t", "expires_in": "300", "scope": None}, "t"),
        ({"access_token": "t", "scope": "patient/Observation.read user/*.cruds", "extension": {}}, "t"),
        ({"access_token": "t", "scope": ["patient/Observation.rs"]}, "t"),
        ({"token_type": "Bearer"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_R3_a_partial_fhirAuthorization_is_used_as_far_as_it_goes(authorization: Any, expected: str | None) -> None:
    house = Minimal(Settings(fhir_allow=["https://fhir.example"]))
    with TestClient(house.app) as client:
        body = bodies.request(fhirServer="https://fhir.example/r4", fhirAuthorization=authorization)
        assert client.post("/cds-services/patient-summary", json=body).status_code == 200
    token = seen(house).fhirAuthorization
    assert (token.access_token if token else None) == expected


@pytest.mark.parametrize(
    ("prefetch", "expected"),
    [
        ({}, None),
        ({"laboratory": None}, "null"),
        ({"laboratory": {}}, "{}"),
        ({"laboratory": {"resourceType": "Bundle", "total": 0}}, '{"resourceType":"Bundle","total":0}'),
    ],
)
def test_R5_absent_null_empty_object_and_empty_bundle_stay_four_different_answers(
    minimal: Minimal, prefetch: dict[str, Any], expected: str | None
) -> None:
    with TestClient(minimal.app) as client:
        body = bodies.request(prefetch={"patient": bodies.patient(), **prefetch})
        assert client.post("/cds-services/patient-summary", json=body).status_code == 200
    found = seen(minimal).prefetch.get("laboratory")
    assert (bytes(found).decode() if found is not None else None) == expected


def test_R6_an_OperationOutcome_in_prefetch_breaks_nothing(client: TestClient) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "forbidden", "diagnostics": "no"}],
    }
    prefetch = {
        "patient": bodies.patient(),
        "laboratory": outcome,
        "allergies": bodies.bundle(outcome, bodies.penicillin_allergy()),
    }
    answer = client.post("/cds-services/patient-summary", json=bodies.request(prefetch=prefetch))
    assert answer.status_code == 200
    check_response(answer.json())


def test_R8_required_data_that_cannot_be_had_is_a_412_that_names_the_key(client: TestClient) -> None:
    answer = client.post("/cds-services/patient-summary", json=bodies.request(prefetch={}))
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "required"
    assert "'patient'" in answer.json()["issue"][0]["diagnostics"]


def test_R9_a_request_without_fhirServer_is_answered_from_prefetch(client: TestClient) -> None:
    answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert answer.status_code == 200
    assert answer.json()["cards"]


def test_R10_a_token_is_gone_when_the_call_is_answered() -> None:
    house = Minimal(Settings(fhir_allow=["https://fhir.example"]))
    secret = "very-secret-token"
    token = {"access_token": secret, "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "s"}
    with TestClient(house.app) as client:
        body = bodies.request(fhirServer="https://fhir.example/r4", fhirAuthorization=token)
        answer = client.post("/cds-services/patient-summary", json=body)
    assert answer.status_code == 200
    kept = [entry for _, _, entry in house.ledger.issued]
    assert secret not in repr((house.audit.lines, kept, house.metrics.counted, house.replay.kept))
    assert secret not in repr(seen(house).fhirAuthorization)


def test_R10_a_token_for_a_server_that_may_not_be_called_does_not_reach_the_service(minimal: Minimal) -> None:
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "s"}
    with TestClient(minimal.app) as client:
        body = bodies.request(fhirServer="https://unknown.example/r4", fhirAuthorization=token)
        assert client.post("/cds-services/patient-summary", json=body).status_code == 200
    assert seen(minimal).fhirAuthorization is None
    service = minimal.services["patient-summary"]
    assert isinstance(service, Echo)
    assert service.calls[0].fhir_base == ""
    assert minimal.audit.lines[0][1]["notes"] == ["fhirServer not allowed so not called"]


@pytest.mark.parametrize(
    ("service", "limit"), [("patient-summary", 1.5), ("order-triage", 0.5), ("order-precheck", 0.5)]
)
def test_R11_the_deadline_counts_from_arrival_and_depends_on_the_hook(service: str, limit: float) -> None:
    left: list[float] = []

    async def look(call: Call) -> Answer:
        left.append(call.deadline - asyncio.get_running_loop().time())
        return Answer(cards=[])

    with TestClient(Minimal(Settings(), services(look)).app) as client:
        client.post(f"/cds-services/{service}", json=bodies.request(HOOKS[service]))
    assert limit - 0.4 < left[0] <= limit


def test_R11_a_service_that_hangs_is_answered_for_with_a_card_that_says_so() -> None:
    async def hang(call: Call) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    house = Minimal(Settings(deadline_ms=20), services(hang))
    with TestClient(house.app) as client:
        answer = client.post("/cds-services/order-triage", json=bodies.request("order-sign"))
    (shown,) = check_response(answer.json())
    assert shown["summary"] == "Order triage could not be completed in time"
    assert shown["indicator"] == "warning"
    assert house.metrics.counted["order-triage:failed"] == 1
    assert house.audit.lines[-1][1]["outcome"] == "failed"
    assert not house.replay.kept


def test_E1_unknown_members_and_extensions_are_ignored_wherever_they_stand(client: TestClient) -> None:
    extension = {"com.example.trigger": {"code": 60}}
    body = bodies.request(
        extension=extension,
        version="9.9",
        context={**bodies.context("patient-view"), "extension": extension, "organisation": [1, {}]},
        somethingNew={"nested": [None, {}]},
    )
    body["prefetch"]["somethingOfYours"] = bodies.bundle(bodies.potassium(), kind=None)
    answer = client.post("/cds-services/patient-summary", json=body)
    assert answer.status_code == 200
    check_response(answer.json())


def test_X1_a_second_call_of_the_same_service_stands_for_itself(client: TestClient) -> None:
    first = client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    second = client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    assert [c["summary"] for c in first] == [c["summary"] for c in second]
    assert {c["uuid"] for c in first}.isdisjoint(c["uuid"] for c in second)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/fhir+json;charset=UTF-8",
        "application/json+fhir",
    ],
)
def test_json_under_its_usual_names_is_read(client: TestClient, content_type: str) -> None:
    body = msgspec.json.encode(bodies.request())
    answer = client.post("/cds-services/patient-summary", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=utf-16", ""])
def test_other_content_types_are_a_415(client: TestClient, content_type: str) -> None:
    body = msgspec.json.encode(bodies.request())
    answer = client.post("/cds-services/patient-summary", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "members",
    [
        {"encounterId": None},
        {"encounterId": 7},
        {"encounterId": {"odd": True}},
        {"selections": None, "draftOrders": None},
        {"userId": None},
        {"userId": ...},
        {"userId": "https://ehr.example/Practitioner/1"},
    ],
)
def test_optional_context_members_of_odd_types_are_set_aside(client: TestClient, members: dict[str, Any]) -> None:
    context = {n: v for n, v in {**bodies.context("patient-view"), **members}.items() if v is not ...}
    answer = client.post("/cds-services/patient-summary", json=bodies.request(context=context))
    assert answer.status_code == 200


def test_drafts_as_the_sandbox_sends_them_are_taken(client: TestClient) -> None:
    undecided = {"resourceType": "MedicationRequest", "id": "x", "category": {"coding": []}}
    imaging = {"resourceType": "ServiceRequest", "id": "y", "code": {"coding": [{}]}, "reasonCode": []}
    context = {**bodies.context("order-sign"), "draftOrders": bodies.bundle(undecided, imaging, kind=None)}
    answer = client.post("/cds-services/order-triage", json=bodies.request("order-sign", context=context))
    assert answer.status_code == 200
    check_response(answer.json())


def test_a_partial_answer_without_cards_says_that_not_everything_was_checked() -> None:
    async def partial(call: Call) -> Answer:
        return Answer(cards=[], outcome="partial")

    with TestClient(Minimal(Settings(), services(partial)).app) as client:
        (shown,) = client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    assert shown["summary"] == "Patient summary could not check everything"


def test_a_service_that_breaks_is_answered_for_with_a_card_and_no_word_of_its_error(logged: StringIO) -> None:
    async def break_(call: Call) -> Answer:
        raise KeyError("Jane Canary 1950-04-02")

    house = Minimal(Settings(), services(break_))
    with TestClient(house.app) as client:
        answer = client.post("/cds-services/patient-summary", json=bodies.request())
    (shown,) = check_response(answer.json())
    assert shown["summary"] == "Patient summary could not be completed because of a fault"
    assert house.metrics.counted["patient-summary:failed"] == 1
    assert "service broke" in logged.getvalue()
    assert "KeyError" in logged.getvalue()
    assert "Canary" not in answer.text + repr(house.audit.lines) + logged.getvalue()


def test_a_service_in_shadow_is_computed_and_audited_but_not_shown(minimal: Minimal) -> None:
    minimal.switches.set["patient-summary"] = Switch.SHADOW
    with TestClient(minimal.app) as client:
        answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert answer.json() == {"cards": []}
    assert [event for event, _ in minimal.audit.lines] == ["hook in shadow"]
    assert not minimal.ledger.issued


def test_a_response_that_cannot_be_written_is_still_a_card() -> None:
    async def unwritable(call: Call) -> Answer:
        return Answer(cards=[card("Broken", detail=object())])

    house = Minimal(Settings(), services(unwritable))
    with TestClient(house.app) as client:
        (shown,) = client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    assert "because of a fault" in shown["summary"]
