"""The summary's headline names what findings come from and was not had: it is often all that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.settings import Settings

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1940-01-01"}
STAY = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-11-20T08:00:00Z"},
}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
DENIED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, deadline_ms=20_000)))


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def headline(client: TestClient, **prefetch: Any) -> str:
    """Of the last card, which is the summary."""
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": "p1"},
        "prefetch": {"patient": PATIENT, **prefetch},
    }
    cards = client.post("/cds-services/patient-summary", json=body).json()["cards"]
    return str(cards[-1]["summary"])


def test_what_findings_come_from_stands_before_every_remark(client: TestClient) -> None:
    said = headline(client, encounters=bundle(STAY), laboratory=FAILED, medications=DENIED)
    assert said.startswith("Not seen: observations, medication orders. Code status not seen")


def test_it_stands_before_what_was_read(client: TestClient) -> None:
    asthma = {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "code": {"text": "Asthma"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }  # fmt: skip
    said = headline(client, conditions=bundle(asthma), allergies=FAILED)
    assert said.startswith("Not seen: allergies. From the record: ")


def test_what_was_never_sent_or_is_beside_the_findings_leaves_the_headline_alone(client: TestClient) -> None:
    assert "Not seen" not in headline(client, encounters=bundle(STAY), **{"imaging-studies": DENIED})
