"""A model that cannot be asked: the card says so at once and why, nothing is queued, and what was made before stays."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.models.standing import LEFT_ALONE
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand
from tests.conformance import bodies
from tests.models.answering_engine import Server, serving
from tests.services.test_orders_with_a_model import audited, call, draft, model, priorities, settled
from tests.services.test_orders_with_a_model import service as order_service
from tests.services.test_patient_summary_with_a_model import LABEL, detail, service, until

pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),  # dbos's own statements on SQLite
    pytest.mark.usefixtures("unhurried_looks"),
]

TURNED_AWAY = (
    "No AI-drafted summary was asked for: the server of the model was turned away: it ignores the schema of an answer."
)


def queued(folder: Path) -> int:
    with sqlite3.connect(folder / "cds.sqlite3") as reader:
        count: int = reader.execute("SELECT count(*) FROM assessment_job").fetchone()[0]
    reader.close()
    return count


def test_a_server_that_ignores_schemas_is_named_on_the_first_card_after_its_probe_and_never_a_summary_to_come(
    tmp_path: Path,
) -> None:
    engine: dict[str, Any] = {"text_engine": "openai", "text_model": "tiny", "text_profile": "llama-cpp-python"}
    with serving(Server(lambda _body: "anything")) as server:
        app = create_app(Settings(mode="demo", state_dir=tmp_path, text_base_url=server.url, **engine))
        with TestClient(app) as client:
            began, said = time.monotonic(), ""
            while TURNED_AWAY not in said:
                said = detail(client)
                assert "being prepared" not in said
                assert time.monotonic() - began < 10
            until(lambda: "no model was asked: the server of the model was turned away" in audited(tmp_path), 10)
        assert not server.bodies
    assert queued(tmp_path) == 0


def test_an_absent_server_is_said_to_be_out_of_reach(tmp_path: Path) -> None:
    engine: dict[str, Any] = {"text_engine": "openai", "text_model": "tiny", "text_base_url": "http://127.0.0.1:9"}
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, **engine))) as client:
        until(lambda: "No AI-drafted summary was asked for: the model cannot be reached." in detail(client), 10)
    assert queued(tmp_path) == 0


def test_with_the_breaker_open_no_call_asks_and_the_chart_seen_before_keeps_its_summary(tmp_path: Path) -> None:
    double = Double()
    stand = Stand(double)
    with service(tmp_path, stand) as client:
        until(lambda: LABEL in detail(client), 20)
        until(lambda: double.of("considerations"), 20)
        asked = len(double.asked)
        stand.unready = LEFT_ALONE
        assert LABEL in detail(client)
        other = detail(client, {**bodies.potassium("6.8"), "id": "k2"})
        assert LABEL not in other
        assert f"No AI-drafted summary was asked for: {LEFT_ALONE}." in other
        assert len(double.asked) == asked
        stand.unready = ""
        until(lambda: LABEL in detail(client, {**bodies.potassium("6.8"), "id": "k2"}), 20)


def test_orders_signed_while_no_model_can_be_asked_get_their_rules_and_one_line_in_the_audit(tmp_path: Path) -> None:
    double = model("stat")
    with order_service(tmp_path, double) as client:
        assert priorities(settled(tmp_path, client, draft())) == ["stat"]
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path), alone(double))) as client:
        assert priorities(call(client, draft())) == ["asap"], "the rules' own"
        until(lambda: f"no model was asked: {LEFT_ALONE}" in audited(tmp_path), 10)
        (line,) = [line for line in audited(tmp_path).splitlines() if "no model was asked" in line]
        assert line.count("no model was asked") == 1


def alone(double: Double) -> Stand:
    stand = Stand(double)
    stand.unready = LEFT_ALONE
    return stand
