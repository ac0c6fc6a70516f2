"""What one hook has made another finds, when the service fetches the record itself, each hook by its own queries."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.models.engine import Request
from cds_service.settings import Settings
from cds_service.web.simulator.patients import load_patients
from tests.assessments.doubles import Double, Stand
from tests.benchmarks.servers import free_port
from tests.services.ended import ended, until

pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # dbos's own statements on SQLite
    pytest.mark.usefixtures("unhurried_looks"),
]

DRAFTS = 2  # of the patient below


def answers(task: str, request: Request) -> Mapping[str, Any]:
    """stat, because of the first fact that has a value and a unit."""
    found = re.search(r"(F\d+) · [^·\n]* · ([A-Z][a-z]+ [\d.]+ mmol/L) ", request.prompt)
    said = [{"text": f"{found[2]}.", "fact_ids": [found[1]], "kind": "record"}] if found else []
    return {"statements": said, "code": "D"} if task == "triage" else {"statements": []}


@contextmanager
def served(folder: Path, double: Double) -> Iterator[str]:
    """The service with its simulator on a port of its own; its address."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    app = create_app(Settings(mode="demo", state_dir=folder, public_url=base, deadline_ms=8000), Stand(double))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield base
    finally:
        server.should_exit = True
        thread.join(20)


def post(base: str, service: str, hook: str, **context: Any) -> list[Any]:
    """A call without prefetch: what it needs is fetched from the simulator."""
    body = {
        "hook": hook,
        "hookInstance": str(uuid4()),
        "fhirServer": f"{base}/simulator/fhir",
        "context": {"userId": "Practitioner/7", **context},
    }
    asked = urllib.request.Request(
        f"{base}/cds-services/{service}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return json.loads(urllib.request.urlopen(asked, timeout=20).read())["cards"]  # type: ignore[no-any-return]


def test_the_first_signing_finds_what_selecting_the_same_drafts_had_made(tmp_path: Path) -> None:
    double = Double(answers=answers)
    patient = next(each for each in load_patients(datetime.now(UTC)) if each.id == "demo-sepsis")
    context = {"patientId": patient.id, "draftOrders": patient.draft_orders}
    with served(tmp_path, double) as base:

        def asked() -> bool:
            post(base, "order-precheck", "order-select", selections=list(patient.selections), **context)
            return ended(tmp_path, "triage", "order-review", each=DRAFTS)

        until(asked)  # the first calls find the jobs still starting
        before = len(double.of("triage")), len(double.of("order-review"))
        cards = post(base, "order-triage", "order-sign", **context)

        def asked_since() -> bool:
            post(base, "patient-summary", "patient-view", patientId="demo-af")
            return ended(tmp_path, "record-summary")

        until(asked_since)  # what signing had asked for would have been asked before this
        assert (len(double.of("triage")), len(double.of("order-review"))) == before
        assert any("AI suggests priority stat" in card["summary"] for card in cards), [c["summary"] for c in cards]


def test_opening_the_chart_finds_what_the_start_of_the_encounter_had_made(tmp_path: Path) -> None:
    double = Double(answers=answers)
    patient = next(each for each in load_patients(datetime.now(UTC)) if each.id == "demo-sepsis")
    with served(tmp_path, double) as base:

        def asked() -> bool:
            post(base, "encounter-brief", "encounter-start", patientId=patient.id, encounterId=patient.encounter)
            return ended(tmp_path, "record-summary", "considerations")

        until(asked)  # the first calls find the jobs still starting
        before = len(double.of("record-summary")), len(double.of("considerations"))
        cards = post(base, "patient-summary", "patient-view", patientId=patient.id)

        def asked_since() -> bool:
            post(base, "order-triage", "order-sign", patientId=patient.id, draftOrders=patient.draft_orders)
            return ended(tmp_path, "triage")

        until(asked_since)  # what opening the chart had asked for would have been asked before this
        assert (len(double.of("record-summary")), len(double.of("considerations"))) == before
        assert any("AI-drafted, verify" in card["source"]["label"] for card in cards), [c["summary"] for c in cards]


def test_without_a_model_the_start_of_an_encounter_asks_for_its_own_part_of_the_record_alone(tmp_path: Path) -> None:
    keys = {}
    for name, stand in (("rules", None), ("model", Stand(Double()))):
        app = create_app(Settings(mode="demo", state_dir=tmp_path / name), stand)
        listed = TestClient(app).get("/cds-services").json()["services"]
        keys[name] = {service["id"]: set(service["prefetch"]) for service in listed}
    assert keys["rules"]["encounter-brief"] < keys["rules"]["patient-summary"]
    assert keys["model"]["encounter-brief"] == keys["model"]["patient-summary"]
