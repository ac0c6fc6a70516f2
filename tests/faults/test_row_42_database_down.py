"""Row 42: the database is down, locked or frozen when a call comes. Cards come; the audit waits in the spool."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.conformance.tokens import bearer, production, token
from tests.db.postgres import Cluster, new_cluster

PATIENT = "demo-hyperkalaemia"


def patient_view() -> dict[str, Any]:
    """A chart with a critical potassium, everything in prefetch."""
    potassium = {
        "resourceType": "Observation",
        "id": "k1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": datetime.now(UTC).isoformat(),
        "valueQuantity": {"value": 6.8, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    }
    patient = {"resourceType": "Patient", "id": PATIENT, "gender": "male", "birthDate": "1950-01-01"}
    observations = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": potassium}]}
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": PATIENT},
        "prefetch": {"patient": patient, "observations": observations},
    }


def assert_cards_come(client: TestClient) -> None:
    """Discovery and the deterministic cards, within the deadline of patient-view (1.5 s)."""
    started = time.monotonic()
    assert client.get("/cds-services").status_code == 200
    answer = client.post("/cds-services/patient-summary", json=patient_view())
    assert answer.status_code == 200
    assert time.monotonic() - started < 5  # far from the 15 s a socket or a lock would take
    cards = answer.json()["cards"]
    assert cards[0]["indicator"] == "critical"
    assert "6.8" in cards[0]["summary"]


def eventually(found: Callable[[], Any], wanted: Any) -> None:
    for _ in range(1200):
        if found() == wanted:
            return
        time.sleep(0.05)
    assert found() == wanted


def spooled_events(folder: Path) -> list[str]:
    """The hook events that wait on disk."""
    rows = [json.loads(line) for file in folder.glob("spool/*.jsonl") for line in file.read_text().splitlines()]
    return [row["kind"] for table, row in rows if table == "audit_event"]


def test_row_42_a_locked_database_delays_no_card_and_loses_no_audit(tmp_path: Path) -> None:
    path = tmp_path / "cds.sqlite3"

    def stored() -> int:
        with sqlite3.connect(path) as reader:
            count: int = reader.execute("SELECT count(*) FROM audit_event WHERE kind = 'hook'").fetchone()[0]
        reader.close()
        return count

    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path))) as client:
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        assert_cards_come(client)
        assert_cards_come(client)
        eventually(lambda: len(spooled_events(tmp_path)), 2)
        locker.execute("ROLLBACK")
        locker.close()
        eventually(stored, 2)
        eventually(lambda: spooled_events(tmp_path), [])
    assert stored() == 2


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server this test may kill."""
    cluster = new_cluster()
    yield cluster
    cluster.stop()


def hook_events(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM audit_event WHERE kind = 'hook'").fetchone()
    return int(row[0]) if row else -1


@pytest.mark.integration
def test_row_42_a_killed_database_server_costs_no_card_and_no_audit(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.database()
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, database_url=url))) as client:
        assert_cards_come(client)
        eventually(lambda: hook_events(url), 1)
        own_cluster.kill()
        for _ in range(4):
            assert_cards_come(client)
        eventually(lambda: len(spooled_events(tmp_path)), 4)
        own_cluster.start()
        eventually(lambda: hook_events(url), 5)
        eventually(lambda: spooled_events(tmp_path), [])
        assert_cards_come(client)
        eventually(lambda: hook_events(url), 6)


@pytest.mark.integration
def test_row_42_a_frozen_database_server_costs_no_card_and_no_audit(own_cluster: Cluster, tmp_path: Path) -> None:
    url = own_cluster.database()
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, database_url=url))) as client:
        assert_cards_come(client)
        eventually(lambda: hook_events(url), 1)
        own_cluster.signal(signal.SIGSTOP)
        for _ in range(5):
            assert_cards_come(client)
        own_cluster.signal(signal.SIGCONT)
        eventually(lambda: hook_events(url), 6)


@pytest.mark.integration
def test_row_42_a_frozen_database_server_shuts_no_trusted_client_out(own_cluster: Cluster, tmp_path: Path) -> None:
    """In production each call carries a token whose jti replicas share: the rules are served from one's own memory."""
    url, key = own_cluster.database(), base64.b64encode(bytes(32)).decode()
    settings = production(tmp_path, state_dir=tmp_path, database_url=url, encryption_key=key)

    def told(text: str) -> tuple[int, float]:
        started = time.monotonic()
        answer = client.post("/cds-services/patient-summary", json=patient_view(), headers=bearer(text))
        assert answer.status_code != 200 or answer.json()["cards"][0]["indicator"] == "critical"
        return answer.status_code, time.monotonic() - started

    with TestClient(create_app(settings)) as client:
        assert told(token())[0] == 200
        own_cluster.signal(signal.SIGSTOP)
        try:
            for _ in range(6):  # the breaker opens on the way
                text = token()
                status, seconds = told(text)
                assert (status, seconds < 5) == (200, True), seconds  # a frozen socket would take 15 s
                assert told(text)[0] == 401  # the same token again
            assert 'name="token_ids:not shared"' in client.get("/metrics").text
        finally:
            own_cluster.signal(signal.SIGCONT)
        eventually(lambda: hook_events(url), 7)
        assert told(token())[0] == 200
    with psycopg.connect(url) as connection:
        (noted,) = connection.execute("SELECT count(*) FROM audit_event WHERE detail LIKE %s", ["%this process alone%"])
        (ids,) = connection.execute("SELECT count(*) FROM token_id")
    assert noted[0] >= 6  # the call after may still meet the open breaker
    assert ids[0] == 8
