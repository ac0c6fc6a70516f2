"""Fault rows 37, 39, 40 and 43 through the running service: a model swamped, a caller gone, a process ended, a database lost."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cds_service.assessments import jobs, workflow
from cds_service.models.faults import ServerFault
from tests.assessments.doubles import Double, Stand
from tests.assessments.test_killed_processes import ended, prepared
from tests.conformance import bodies
from tests.services.test_patient_summary_with_a_model import LABEL, chart, detail, service, until

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite

ROOT = Path(__file__).resolve().parents[2]
SHED, WAITS = "too much is waiting", "is being prepared"
BUSY = "the database does not answer"  # within the few hundredths of a second that a look may take of a call


@pytest.mark.parametrize("calls", [60, pytest.param(200, marks=pytest.mark.long)])
def test_row_37_with_the_model_swamped_every_call_gets_its_rules_in_time_and_the_rest_of_the_drafts_is_shed(
    tmp_path: Path, calls: int
) -> None:
    double = Double(delay=60)
    with service(tmp_path, Stand(double), job_slots=4, job_depth=20) as client, ThreadPoolExecutor(12) as clinicians:
        until(lambda: WAITS in detail(client), 20)
        values = [bodies.potassium(f"{6.5 + n / 100:.2f}") for n in range(calls)]
        answers = list(clinicians.map(lambda value: chart(client, value), values))
        said = [" ".join(card.get("detail", "") for card in cards) for _, cards in answers]
    assert all(cards[0]["indicator"] == "critical" for _, cards in answers)
    assert max(seconds for seconds, _ in answers) < 15, "far from the minute the model takes"
    assert any(SHED in each for each in said)
    assert all(any(told in each for told in (SHED, WAITS, BUSY)) for each in said), "each card says which it is"
    assert len(double.asked) <= 4, "no more at once than there are slots"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(port: int, folder: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """The service in a process of its own, answering."""
    command = [sys.executable, "-m", "tests.faults.serving_process", str(port), str(folder), str(seconds)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: running.poll() is not None or answers_at(port), 30)
        assert running.poll() is None
        yield running
    finally:
        running.kill()
        running.wait()


def answers_at(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except OSError:
        return False


def call_about(value: str) -> dict[str, Any]:
    laboratory = bodies.bundle(bodies.potassium(value))
    return bodies.request(prefetch={"patient": bodies.patient(), "laboratory": laboratory})


CALL, OTHER = call_about("7.1"), call_about("6.9")


def post(port: int, call: dict[str, Any] = CALL, seconds: float = 20) -> tuple[int, str]:
    """Status and cards of one patient-view over a connection of its own."""
    body = json.dumps(call | {"hookInstance": str(uuid4())}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/cds-services/patient-summary", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def at_work(folder: Path) -> int:
    with sqlite3.connect(folder / "cds.sqlite3") as reader:
        count: int = reader.execute("SELECT count(*) FROM assessment_job WHERE state = 'running'").fetchone()[0]
    reader.close()
    return count


def test_row_40_a_service_told_to_stop_answers_the_call_it_has_and_its_job_is_finished_once_by_the_next(
    tmp_path: Path,
) -> None:
    engine = prepared(f"sqlite:///{tmp_path / 'cds.sqlite3'}")
    port = free_port()
    with process(port, tmp_path, 120) as first, ThreadPoolExecutor(1) as clinician:
        until(lambda: WAITS in post(port)[1] and at_work(tmp_path), 30)
        call = clinician.submit(post, port)
        time.sleep(0.5)
        first.send_signal(signal.SIGTERM)
        status, cards = call.result(20)
        assert status in (200, 503), cards
        if status == 200:
            assert '"critical"' in cards
        assert first.wait(20) in (0, -signal.SIGTERM)
    assert ended(engine) == []
    with process(port, tmp_path, 0.05):
        until(lambda: LABEL in post(port)[1], 30)
        with engine.connect() as connection:
            asked = sorted(key for (key,) in connection.exec_driver_sql("SELECT key FROM assessment_job"))
        until(lambda: len(ended(engine)) >= len(asked), 20)
    assert ended(engine) == asked, "each once"
    engine.dispose()


def test_row_39_a_caller_that_goes_away_leaves_no_orphan_its_job_is_finished_and_kept(tmp_path: Path) -> None:
    port = free_port()
    with process(port, tmp_path, 1.5):
        until(lambda: LABEL in post(port, OTHER)[1], 30)
        with pytest.raises(TimeoutError):
            post(port, seconds=0.5)
        until(lambda: LABEL in post(port)[1], 20)
        until(lambda: at_work(tmp_path) == 0, 20)


def test_row_43_a_job_that_never_succeeds_is_given_up_where_everybody_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "BACKOFF_S", (0.05, 0.1))
    double = Double(faults=[ServerFault()] * 50)
    with service(tmp_path, Stand(double)) as client:
        until(lambda: "could not be prepared: the model's server failed (server error)" in detail(client), 20)
        assert len(double.of("record-summary")) == 3, "the first and one after each pause"
        assert 'cds_assessment_jobs_total{fate="failed"} 1.0' in client.get("/metrics").text
    with sqlite3.connect(tmp_path / "cds.sqlite3") as reader:
        query = "SELECT detail FROM audit_event WHERE kind = 'assessment'"
        lines = [json.loads(row[0]) for row in reader.execute(query)]
    reader.close()
    assert {"state": "failed", "notes": ["text:record-summary", "server_error"]}.items() <= _of(lines, "failed").items()


def _of(lines: list[dict[str, Any]], state: str) -> dict[str, Any]:
    return next(line for line in lines if line["state"] == state)


def test_row_43_a_database_lost_in_mid_job_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "BACKOFF_S", (0.5, 0.5, 0.5, 0.5))
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.5)
    double = Double(delay=2.5)
    with service(tmp_path, Stand(double)) as client:
        until(lambda: detail(client) and double.of("record-summary"), 20)
        locker = sqlite3.connect(tmp_path / "cds.sqlite3", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        time.sleep(3.5)  # the answer comes, and cannot be written
        locker.execute("ROLLBACK")
        locker.close()
        until(lambda: LABEL in detail(client), 20)
        until(lambda: at_work(tmp_path) == 0, 20)
        assert 'fate="database failed"' in client.get("/metrics").text
    with sqlite3.connect(tmp_path / "cds.sqlite3") as reader:
        (asked,) = reader.execute("SELECT count(*) FROM assessment_job WHERE state = 'done'").fetchone()
        (kept,) = reader.execute("SELECT count(*) FROM assessment").fetchone()
    reader.close()
    assert asked == kept > 0
