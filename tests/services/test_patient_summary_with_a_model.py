"""patient-summary over HTTP with a model behind it: the AI-drafted card, its absence said, the switch obeyed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.commands.operating import set_ai
from cds_service.db.engine import open_engine
from cds_service.models.faults import NotJson, ServerFault
from cds_service.rules.catalogue import Switch
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand
from tests.conformance import bodies
from tests.services.ended import until

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite

LABEL = "AI-drafted, verify"
CALL = bodies.potassium()


@contextmanager
def service(folder: Path, stand: Stand, **settings: Any) -> Iterator[TestClient]:
    """The whole service, its jobs started."""
    with TestClient(create_app(Settings(mode="demo", state_dir=folder, **settings), stand)) as client:
        until(lambda: client.get("/readyz").json()["jobs"] == "ok")
        yield client


def chart(client: TestClient, potassium: dict[str, Any] = CALL) -> tuple[float, list[dict[str, Any]]]:
    """Seconds and cards of one patient-view."""
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/7", "patientId": bodies.PATIENT},
        "prefetch": {
            "patient": bodies.patient(),
            "laboratory": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": potassium}]},
        },
    }
    began = time.monotonic()
    answer = client.post("/cds-services/patient-summary", json=body)
    assert answer.status_code == 200
    return time.monotonic() - began, answer.json()["cards"]


def detail(client: TestClient, potassium: dict[str, Any] = CALL) -> str:
    return unescape("\n".join(card.get("detail", "") for card in chart(client, potassium)[1])).replace("\\", "")


def test_the_first_call_says_that_a_summary_is_being_prepared_and_a_later_one_shows_it(tmp_path: Path) -> None:
    double = Double()
    with service(tmp_path, Stand(double)) as client:
        until(lambda: LABEL in detail(client) and "being prepared" not in detail(client))
        said = detail(client)
        assert "openai double @ 1" in said
        assert "record-summary @ 2" in said
        assert len(double.of("record-summary")) == 1, "the calls that came meanwhile joined the first"


def test_a_hanging_model_delays_no_call_and_takes_no_rule_away(tmp_path: Path) -> None:
    with service(tmp_path, Stand(Double(delay=60), fast=True)) as client:
        seconds, cards = chart(client)
        assert seconds < 30, "it is not waited for: the bench of hanging models says how soon a call is answered"
        assert cards[0]["indicator"] == "critical"
        assert "being prepared" in detail(client)


def test_a_fast_model_is_waited_for_and_answers_the_very_call(tmp_path: Path) -> None:
    with service(tmp_path, Stand(Double(delay=0.05), fast=True), deadline_ms=20_000) as client:
        other = bodies.potassium("6.9")
        assert LABEL in detail(client, other)


@pytest.mark.parametrize("state", [Switch.OFF, Switch.SHADOW])
def test_what_is_switched_off_is_not_asked_and_what_is_in_shadow_is_made_and_not_shown(
    tmp_path: Path, state: Switch
) -> None:
    settings, double = Settings(mode="demo", state_dir=tmp_path), Double()
    set_ai(settings, state)
    with service(tmp_path, Stand(double)) as client:
        until(lambda: (LABEL not in detail(client)) and (state is Switch.OFF or double.asked))
        said = detail(client)
        assert LABEL not in said
        assert "AI" not in said
        assert len(double.of("record-summary")) == (0 if state is Switch.OFF else 1)


def test_what_was_queued_before_all_ai_was_switched_off_is_not_asked_of_the_model(tmp_path: Path) -> None:
    hanging = Double(delay=60)
    with service(tmp_path, Stand(hanging)) as client:
        until(lambda: detail(client) and len(hanging.asked) == 2, 20)
    set_ai(Settings(mode="demo", state_dir=tmp_path), Switch.OFF)
    double = Double()
    with service(tmp_path, Stand(double)) as client:
        until(lambda: 'cds_assessment_jobs_total{fate="shed"} 2.0' in client.get("/metrics").text, 20)
        assert not double.asked


def test_an_unusable_answer_is_given_up_at_once_and_said_on_the_card(tmp_path: Path) -> None:
    double = Double(faults=[NotJson()])
    with service(tmp_path, Stand(double)) as client:
        until(lambda: "could not be prepared" in detail(client))
        assert "(not json)" in detail(client)
        assert len(double.of("record-summary")) == 1


def test_row_43_a_job_that_fails_for_a_while_is_tried_again_with_pauses(tmp_path: Path) -> None:
    double = Double(faults=[ServerFault(), ServerFault()])
    with service(tmp_path, Stand(double)) as client:
        until(lambda: LABEL in detail(client))
        assert len(double.of("record-summary")) == 3


def test_what_a_model_said_against_the_record_is_counted_by_reason_once_however_often_the_chart_is_opened(
    tmp_path: Path,
) -> None:
    said = [{"text": f"Potassium {value} mmol/L.", "fact_ids": ["F1"], "kind": "record"} for value in ("7.1", "9.87")]
    double = Double(text=msgspec.json.encode({"statements": said}).decode())
    dropped = 'cds_statements_dropped_total{reason="number not in the cited facts"}'
    with service(tmp_path, Stand(double)) as client:
        until(lambda: detail(client) and dropped in client.get("/metrics").text)
        for _ in range(3):
            detail(client)
        assert f"{dropped} 1.0" in client.get("/metrics").text


def test_the_audit_line_of_every_call_about_a_model_names_the_prompt_whether_there_was_an_answer_or_not(
    tmp_path: Path,
) -> None:
    double = Double(faults=[NotJson()])
    with service(tmp_path, Stand(double)) as client:
        until(lambda: "could not be prepared: the model's answer could not be used (not json)" in detail(client))
    engine = open_engine(f"sqlite:///{tmp_path / 'cds.sqlite3'}")
    with engine.connect() as connection:
        lines = [row[0] for row in connection.execute(text("SELECT detail FROM audit_event WHERE kind = 'hook'"))]
    engine.dispose()
    about = [line for line in lines if "record-summary pending" in line or "record-summary failed" in line]
    assert about
    for line in about:
        assert re.search(r'"record-summary@\d+","sha256:[0-9a-f]{16}', line), line
        assert "…" not in line, line


def test_row_60_another_revision_of_the_model_is_never_served_the_results_of_the_former(tmp_path: Path) -> None:
    with service(tmp_path, Stand(Double())) as client:
        until(lambda: "double @ 1" in detail(client))
    with service(tmp_path, Stand(Double(revision="2", delay=30))) as client:
        assert "double @ 1" not in detail(client)


def test_no_table_of_jobs_holds_a_word_of_the_record(tmp_path: Path) -> None:
    with service(tmp_path, Stand(Double())) as client:
        until(lambda: LABEL in detail(client, bodies.potassium("7.13")))
    for name in ("jobs.sqlite3", "cds.sqlite3"):
        engine = open_engine(f"sqlite:///{tmp_path / name}")
        with engine.connect() as connection:
            tables = [row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))]
            held = [str(row) for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
        engine.dispose()
        assert held
        for canary in (bodies.PATIENT, "Potassium", "7.13", "Hyperkalaemia"):
            assert not any(canary in row for row in held), (name, canary)
