"""Times that a record writes without a zone are the site's: hours off, a value is stale, or refused as of the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.settings import Settings

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "male", "birthDate": "1950-01-01"}


def potassium(when: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "k1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": 6.8, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    }


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_a_local_time_without_zone_is_read_and_printed_as_the_sites(tmp_path: Path, zone: str) -> None:
    taken = (datetime.now(UTC) - timedelta(minutes=30)).astimezone(ZoneInfo(zone))
    local = taken.strftime("%Y-%m-%dT%H:%M:%S")
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": "p1"},
        "prefetch": {
            "patient": PATIENT,
            "laboratory": {"resourceType": "Bundle", "entry": [{"resource": potassium(local)}]},
        },
    }
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, timezone=zone, deadline_ms=20_000))) as client:
        first = client.post("/cds-services/patient-summary", json=body).json()["cards"][0]
    assert first["indicator"] == "critical"
    assert "6.8" in first["summary"]
    assert taken.strftime("%Y-%m-%d %H:%M") in first["detail"]
