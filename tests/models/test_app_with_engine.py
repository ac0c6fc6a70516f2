"""The service with an engine that is absent: it starts, serves, and says nothing of it on discovery."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from cds_service.app import create_app
from cds_service.models.remote.profiles import profiles
from cds_service.settings import Settings


def test_an_absent_engine_never_stops_the_service(tmp_path: Path) -> None:
    settings = Settings(
        mode="demo", state_dir=tmp_path, text_engine="openai", text_base_url="http://127.0.0.1:9", text_model="tiny"
    )
    with TestClient(create_app(settings)) as client:
        assert client.get("/cds-services").status_code == 200
        assert client.get("/healthz").status_code == 200


def test_every_profile_is_read() -> None:
    assert {"openai", "vllm", "sglang", "llama-server", "llama-cpp-python", "ollama"} <= profiles().keys()
