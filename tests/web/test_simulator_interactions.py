"""Reading and writing on the simulated FHIR server, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simulator_over_http import Simulator

REPORT = {
    "resourceType": "DiagnosticReport",
    "identifier": [{"system": "urn:demo", "value": "draft-1"}],
    "status": "partial",
    "code": {"text": "Draft"},
    "subject": {"reference": "Patient/demo-sepsis"},
}
BASE = "/simulator/fhir"


def send(simulator: Simulator, method: str, path: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/fhir+json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return simulator.client.request(method, f"{BASE}/{path}", content=content, headers=headers)


def test_metadata_says_r4_and_lists_what_can_be_searched(simulator: Simulator) -> None:
    answer = simulator.get("metadata", Accept="application/json")
    statement = answer.json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["fhirVersion"] == "4.0.1"
    types = {row["type"]: {p["name"] for p in row["searchParam"]} for row in statement["rest"][0]["resource"]}
    assert {"patient", "subject", "code", "category", "date", "status"} <= types["Observation"]


def test_the_capability_statement_is_valid_r4(simulator: Simulator) -> None:
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    CapabilityStatement.model_validate(simulator.get("metadata").json())


@pytest.mark.parametrize("accept", ["application/json+fhir", "application/fhir+json", "application/json", "*/*"])
def test_every_spelling_of_fhir_json_is_served(simulator: Simulator, accept: str) -> None:
    answer = simulator.get("Patient/demo-sepsis", Accept=accept)
    assert answer.status_code == 200
    assert answer.json()["name"][0]["given"] == ["Sepsis"]


def test_xml_is_not_served(simulator: Simulator) -> None:
    answer = simulator.get("Patient/demo-sepsis", Accept="application/fhir+xml")
    assert answer.status_code == 406
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_both_practitioners_of_the_demo_exist(simulator: Simulator) -> None:
    for own_id in ("COREPRACTITIONER1", "demo-practitioner"):
        assert simulator.get(f"Practitioner/{own_id}").json()["id"] == own_id


@pytest.mark.parametrize("path", ["Patient/nobody", "Nonsense/1", "Nonsense?x=1", "Patient/demo-sepsis/_history/7"])
def test_what_is_not_there_answers_404_with_an_outcome(simulator: Simulator, path: str) -> None:
    answer = simulator.get(path)
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_an_interaction_that_does_not_exist_answers_405(simulator: Simulator) -> None:
    assert send(simulator, "PATCH", "Patient/demo-sepsis", {}).status_code == 405
    assert send(simulator, "POST", "Patient/demo-sepsis", {}).status_code == 405


def test_a_create_gets_a_new_id_version_and_location(simulator: Simulator) -> None:
    answer = send(simulator, "POST", "DiagnosticReport", {**REPORT, "id": "mine"})
    assert answer.status_code == 201
    own_id = answer.json()["id"]
    assert own_id != "mine"
    assert answer.json()["meta"]["versionId"] == "1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["location"] == f"http://testserver{BASE}/DiagnosticReport/{own_id}/_history/1"
    assert simulator.get(f"DiagnosticReport/{own_id}").json() == answer.json()


def test_a_second_create_under_the_same_condition_makes_nothing_new(simulator: Simulator) -> None:
    condition = "identifier=urn:demo|draft-1"
    first = send(simulator, "POST", "DiagnosticReport", REPORT, If_None_Exist=condition)
    second = send(simulator, "POST", "DiagnosticReport", REPORT, If_None_Exist=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(simulator.search(f"DiagnosticReport?{condition}")) == 1


def test_a_condition_that_matches_twice_or_says_nothing_is_refused(simulator: Simulator) -> None:
    for _ in range(2):
        send(simulator, "POST", "DiagnosticReport", REPORT)
    for condition in ("identifier=urn:demo|draft-1", "colour=blue"):
        answer = send(simulator, "POST", "DiagnosticReport", REPORT, If_None_Exist=condition)
        assert answer.status_code in {400, 412}
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("prefer", "kind"), [("return=minimal", None), ("return=OperationOutcome", "OperationOutcome"), ("", "Basic")]
)
def test_the_client_chooses_what_a_write_returns(simulator: Simulator, prefer: str, kind: str | None) -> None:
    answer = send(simulator, "POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}}, Prefer=prefer)
    assert answer.status_code == 201
    assert (answer.json()["resourceType"] if answer.content else None) == kind


def test_an_update_counts_versions_and_keeps_the_old_ones(simulator: Simulator) -> None:
    report = {**REPORT, "id": "r1"}
    assert send(simulator, "PUT", "DiagnosticReport/r1", report).status_code == 201
    second = send(simulator, "PUT", "DiagnosticReport/r1", {**report, "status": "entered-in-error"})
    assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
    assert simulator.get("DiagnosticReport/r1").json()["status"] == "entered-in-error"
    assert simulator.get("DiagnosticReport/r1/_history/1").json()["status"] == "partial"
    assert simulator.search("DiagnosticReport?patient=demo-sepsis&status=partial") == []


def test_an_update_of_another_version_than_the_newest_is_refused(simulator: Simulator) -> None:
    report = {**REPORT, "id": "r1"}
    send(simulator, "PUT", "DiagnosticReport/r1", report)
    assert send(simulator, "PUT", "DiagnosticReport/r1", report, If_Match='W/"1"').status_code == 200
    stale = send(simulator, "PUT", "DiagnosticReport/r1", report, If_Match='W/"1"')
    assert stale.status_code == 412
    assert stale.json()["issue"][0]["code"] == "conflict"
    assert send(simulator, "PUT", "DiagnosticReport/new", {**report, "id": "new"}, If_Match='W/"1"').status_code == 412


def test_a_conditional_update_writes_the_one_match_or_a_new_resource(simulator: Simulator) -> None:
    address = "DiagnosticReport?identifier=urn:demo|draft-1"
    first = send(simulator, "PUT", address, REPORT)
    second = send(simulator, "PUT", address, {**REPORT, "status": "final"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]


def test_a_deleted_resource_is_gone_and_no_search_finds_it(simulator: Simulator) -> None:
    send(simulator, "PUT", "DiagnosticReport/r1", {**REPORT, "id": "r1"})
    assert simulator.client.delete(f"{BASE}/DiagnosticReport/r1").status_code == 204
    answer = simulator.get("DiagnosticReport/r1")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (410, "deleted")
    assert simulator.search("DiagnosticReport?patient=demo-sepsis") == []
    assert simulator.client.delete(f"{BASE}/DiagnosticReport/r1").status_code == 204
    assert send(simulator, "PUT", "DiagnosticReport/r1", {**REPORT, "id": "r1"}).status_code == 201


def test_a_reader_that_has_the_version_already_gets_no_body(simulator: Simulator) -> None:
    answer = simulator.get("Patient/demo-sepsis", **{"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Nonsense"}',
        b'{"resourceType":"Basic","id":"../x"}',
        b'{"resourceType":"Basic","id":"other"}',
        b'{"resourceType":"Basic","id":"b1","meta":7}',
        b'{"resourceType":"Basic","id":"b1","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"resourceType":"Basic","id":"b1","x":NaN}',
    ],
)
def test_a_body_that_is_not_the_resource_of_the_address_is_refused(simulator: Simulator, body: bytes) -> None:
    answer = send(simulator, "PUT", "Basic/b1", body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert simulator.get("Basic/b1").status_code == 404


def test_another_content_type_is_refused(simulator: Simulator) -> None:
    assert send(simulator, "PUT", "Basic/b1", b"<Basic/>", Content_Type="application/fhir+xml").status_code == 415


def test_a_browser_of_any_origin_may_ask_without_credentials(simulator: Simulator) -> None:
    asked = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    preflight = simulator.client.options(f"{BASE}/Observation/_search", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    answer = simulator.get("Patient/nobody", Origin="https://anywhere.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_smart_launch_is_remembered_under_its_id(simulator: Simulator) -> None:
    asked: dict[str, Any] = {
        "launchUrl": "https://app.example/launch",
        "parameters": {"patient": "demo-af", "appContext": "{}"},
    }
    answer = send(simulator, "POST", "_services/smart/Launch", asked, Content_Type="application/json")
    launch_id = answer.json()["launch_id"]
    assert simulator.store.launches[launch_id] == {**asked["parameters"], "launchUrl": asked["launchUrl"]}
    assert send(simulator, "POST", "_services/smart/Launch", b"[]").status_code == 400


def test_the_smart_configuration_offers_no_grant_it_does_not_have(simulator: Simulator) -> None:
    configuration = simulator.get(".well-known/smart-configuration").json()
    assert configuration["grant_types_supported"] == []
    assert configuration["code_challenge_methods_supported"] == ["S256"]
    path = configuration["token_endpoint"].removeprefix("http://testserver")
    assert simulator.client.post(path).json() == {"error": "unsupported_grant_type"}


def test_a_head_request_brings_the_headers_alone(simulator: Simulator) -> None:
    answer = simulator.client.head(f"{BASE}/Patient/demo-sepsis")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100
