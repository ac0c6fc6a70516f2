"""What a FHIR server did not give is seen in the metrics of the service, whether or not a card came of the call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.fhir_adapters.misbehaving import Behaviour, Misbehaving, answer, bundle, hang, in_turn, outcome, serving

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-01"}


@pytest.fixture
def ehr() -> Iterator[Misbehaving]:
    double = Misbehaving()
    with serving(double) as port:
        double.origin = f"http://127.0.0.1:{port}"
        yield double


def counted(
    ehr: Misbehaving, tmp_path: Path, prefetch: dict[str, Any], deadline_ms: int = 20_000
) -> tuple[int, dict[str, float]]:
    """Status and the series of FHIR after one patient-view whose gaps are fetched, in all the time it needs."""
    settings = Settings(mode="demo", state_dir=tmp_path, fhir_allow=[ehr.origin], deadline_ms=deadline_ms)
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": "p1"},
        "fhirServer": ehr.base,
        "prefetch": prefetch,
    }
    with TestClient(create_app(settings)) as client:
        status = client.post("/cds-services/patient-summary", json=body).status_code
        lines = client.get("/metrics").text.splitlines()
    wanted = ("cds_fhir_", "cds_unreadable_total{")
    return status, {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(wanted)
    }


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (answer(outcome("forbidden"), 403), "not permitted"),
        (answer(bundle(outcome("timeout", "error"))), "server reported an error"),
    ],
    ids=["403", "outcome in a 200"],
)
def test_each_fault_of_a_fhir_server_is_counted_by_its_reason(
    ehr: Misbehaving, tmp_path: Path, behaviour: Behaviour, reason: str
) -> None:
    ehr.on("Observation", behaviour)
    for kind in (
        "Encounter",
        "Condition",
        "AllergyIntolerance",
        "MedicationRequest",
        "MedicationStatement",
        "Procedure",
    ):
        ehr.on(kind, answer(bundle()))
    status, seen = counted(ehr, tmp_path, {"patient": PATIENT})
    assert status == 200
    assert seen[f'cds_fhir_faults_total{{reason="{reason}"}}'] == 3  # the three searches for observations


def test_a_server_that_hangs_is_counted_as_such(ehr: Misbehaving, tmp_path: Path) -> None:
    ehr.on("Observation", hang)
    status, seen = counted(ehr, tmp_path, {"patient": PATIENT}, deadline_ms=300)
    assert status == 200
    assert (
        seen['cds_fhir_faults_total{reason="timed out"}'] >= 3
    )  # the searches for observations, and what a busy machine delays


def test_a_second_try_is_counted(ehr: Misbehaving, tmp_path: Path) -> None:
    ehr.on("Condition", in_turn(answer(b"", 500), answer(bundle())))
    _, seen = counted(ehr, tmp_path, {"patient": PATIENT})
    assert seen['cds_fhir_requests_total{kind="retried"}'] == 1


def test_a_call_refused_for_want_of_its_patient_is_counted_too(ehr: Misbehaving, tmp_path: Path) -> None:
    ehr.on("Patient", answer(outcome("forbidden"), 403))
    status, seen = counted(ehr, tmp_path, {})
    assert status == 412
    assert seen['cds_fhir_faults_total{reason="not permitted"}'] == 1


def test_what_no_reader_can_read_is_counted(ehr: Misbehaving, tmp_path: Path) -> None:
    entries = [{"resource": {"resourceType": "Condition", "id": "c1"}}, {"search": {"mode": "match"}}]
    broken = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    _, seen = counted(ehr, tmp_path, {"patient": PATIENT, "conditions": broken})
    assert seen['cds_unreadable_total{reason="entry without resource"}'] == 1
