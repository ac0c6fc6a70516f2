"""transaction and batch Bundles on the simulated FHIR server, and loading from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from simulator_over_http import Simulator

from cds_service.web.simulator.outcome import FhirError

PATIENT_URN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def entry(method: str, url: str, resource: Any = None, full_url: str = "", **request: str) -> dict[str, Any]:
    found: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return {**found, **({"resource": resource} if resource else {}), **({"fullUrl": full_url} if full_url else {})}


def post(simulator: Simulator, kind: str, *entries: dict[str, Any]) -> Any:
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return simulator.client.post("/simulator/fhir", json=bundle)


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": "Demo", "given": ["Transaction"]}], **more}


def condition(subject: str) -> dict[str, Any]:
    return {"resourceType": "Condition", "code": {"text": "x"}, "subject": {"reference": subject}}


def test_a_transaction_resolves_urns_whatever_the_order_of_its_entries(simulator: Simulator) -> None:
    answer = post(
        simulator,
        "transaction",
        entry("POST", "Condition", condition(PATIENT_URN)),
        entry("POST", "Patient", patient(), PATIENT_URN),
    )
    assert answer.status_code == 200
    responses = [row["response"] for row in answer.json()["entry"]]
    assert answer.json()["type"] == "transaction-response"
    assert [row["status"] for row in responses] == ["201", "201"]
    own_id = responses[1]["location"].split("/Patient/")[1].split("/")[0]
    found = simulator.get(f"Condition?patient={own_id}").json()
    assert found["total"] == 1
    assert found["entry"][0]["resource"]["subject"]["reference"] == f"Patient/{own_id}"


def test_a_transaction_that_fails_leaves_nothing_behind(simulator: Simulator) -> None:
    before = simulator.get("Patient/demo-sepsis").json()
    answer = post(
        simulator,
        "transaction",
        entry("POST", "Condition", condition("Patient/demo-sepsis")),
        entry("PUT", "Patient/demo-sepsis", patient(id="demo-sepsis")),
        entry("PUT", "Patient/demo-af", patient(id="demo-af"), ifMatch='W/"9"'),
    )
    assert answer.status_code == 412
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert simulator.get("Patient/demo-sepsis").json() == before
    assert simulator.get("Patient/demo-sepsis/_history/2").status_code == 404
    assert simulator.search("Condition?code:not=0&_id=x") == []
    assert len(simulator.search("Condition?patient=demo-sepsis")) == 3


def test_a_transaction_creates_conditionally_and_points_at_what_exists(simulator: Simulator) -> None:
    known = "identifier=https://example.org/demo-patients|DEMO-AF"
    answer = post(
        simulator,
        "transaction",
        entry("POST", "Patient", patient(), PATIENT_URN, ifNoneExist=known),
        entry("POST", "Condition", condition(PATIENT_URN)),
    )
    assert [row["response"]["status"] for row in answer.json()["entry"]] == ["200", "201"]
    assert len(simulator.search("Condition?patient=demo-af")) == 6


def test_a_conditional_reference_becomes_the_one_match(simulator: Simulator) -> None:
    reference = "Patient?identifier=https://example.org/demo-patients|DEMO-AF"
    assert post(simulator, "transaction", entry("POST", "Condition", condition(reference))).status_code == 200
    assert len(simulator.search("Condition?patient=demo-af")) == 6
    nobody = "Patient?identifier=nobody"
    assert post(simulator, "transaction", entry("POST", "Condition", condition(nobody))).status_code == 412


def test_a_batch_answers_each_entry_for_itself(simulator: Simulator) -> None:
    answer = post(
        simulator,
        "batch",
        entry("GET", "Patient/demo-sepsis"),
        entry("GET", "Observation?patient=demo-sepsis&code=http://loinc.org%7C2524-7"),
        entry("GET", "Patient/nobody"),
        entry("DELETE", "Practitioner/COREPRACTITIONER1"),
    )
    rows = answer.json()["entry"]
    assert [row["response"]["status"] for row in rows] == ["200", "200", "404", "204"]
    assert rows[0]["resource"]["id"] == "demo-sepsis"
    assert rows[1]["resource"]["total"] == 1
    assert rows[2]["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle"}'])
def test_the_base_takes_only_bundles_of_interactions(simulator: Simulator, body: bytes) -> None:
    answer = simulator.client.post("/simulator/fhir", content=body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_an_empty_transaction_is_answered_without_entries(simulator: Simulator) -> None:
    assert post(simulator, "transaction").json() == {"resourceType": "Bundle", "type": "transaction-response"}


def test_loading_keeps_ids_and_resolves_urns(simulator: Simulator) -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": PATIENT_URN, "resource": patient(id="file-1")},
            {"resource": {**condition(PATIENT_URN), "id": "c1"}},
            {"resource": None},
            {},
        ],
    }
    assert simulator.store.load(json.dumps(bundle).encode()) == ["file-1"]
    assert simulator.search("Condition?patient=file-1") == ["c1"]


def test_loading_takes_a_single_resource_and_refuses_what_is_none(simulator: Simulator) -> None:
    assert simulator.store.load(json.dumps(patient(id="single")).encode()) == ["single"]
    for document in (b"", b"[1]", b'{"resourceType":"Nonsense"}', b"<Bundle/>"):
        with pytest.raises(FhirError):
            simulator.store.load(document)


@pytest.mark.sample_data
def test_every_synthea_bundle_loads_and_its_patient_is_found(simulator: Simulator, sample_data: Path) -> None:
    files = sorted((sample_data / "fhir").glob("*/*_*-*-*.json"))
    assert len(files) == 24
    for file in files:
        bundle = json.loads(file.read_bytes())
        own_ids = simulator.store.load(file.read_bytes())
        assert len(own_ids) == 1
        observations = sum(row["resource"]["resourceType"] == "Observation" for row in bundle["entry"])
        found = simulator.get(f"Observation?patient={own_ids[0]}&_sort=-date&_count=1").json()
        assert found["total"] == observations


@pytest.mark.sample_data
def test_a_synthea_bundle_is_accepted_as_a_transaction(simulator: Simulator, sample_data: Path) -> None:
    file = min((sample_data / "fhir" / "generated-sample-data").glob("*.json"), key=lambda path: path.stat().st_size)
    answer = simulator.client.post("/simulator/fhir", content=file.read_bytes())
    assert answer.status_code == 200
    assert {row["response"]["status"] for row in answer.json()["entry"]} == {"201"}
