"""Liveness and readiness: the database and the rule pack decide, and whether what happens is recorded is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.db.breaker import Breaker
from cds_service.db.gateway import Gateway
from cds_service.health import attach_health
from cds_service.metrics import Metrics
from cds_service.rules.pack import load_pack
from cds_service.settings import Settings


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)


def ready(gateway: Gateway) -> tuple[int, dict[str, object]]:
    app = FastAPI()
    attach_health(app, gateway, load_pack(None), Metrics())
    answer = TestClient(app).get("/readyz")
    return answer.status_code, answer.json()


def test_a_service_with_database_and_rules_is_ready_and_keeps_what_happens(gateway: Gateway) -> None:
    status, told = ready(gateway)
    assert (status, told["database"], told["keeps"]) == (200, "ok", True)
    assert told["rules"] == len(load_pack(None).rules)


def test_a_full_spool_is_told_and_cards_are_still_given(tmp_path: Path) -> None:
    gateway = Gateway(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path, spool_bytes=1)
    gateway._writer._keep([("audit_event", {"id": "x"}, True)])
    status, told = ready(gateway)
    assert (status, told["keeps"]) == (200, False)


def test_without_a_database_it_is_not_ready(tmp_path: Path) -> None:
    nobody = Gateway("postgresql+psycopg://cds@127.0.0.1:1/cds", tmp_path)  # nothing listens on port 1
    status, told = ready(nobody)
    assert status == 503
    assert told["database"] == "the database cannot be reached"


def test_a_database_too_slow_for_hook_calls_does_not_take_the_service_out_of_use(gateway: Gateway) -> None:
    """Under load all replicas are slow at once: unready together, none would be left."""
    gateway.breaker = Breaker(failures=1, rest=60)
    gateway.breaker.failed()
    status, told = ready(gateway)
    assert (status, told["database"]) == (200, "ok")


def test_the_file_of_the_settings_gets_the_audit_trail(tmp_path: Path) -> None:
    path = tmp_path / "log" / "audit.jsonl"
    with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path, audit_file=path))) as client:
        assert client.post("/cds-services/nobody", json={}).status_code == 404
    assert '"event":"hook refused"' in path.read_text()
