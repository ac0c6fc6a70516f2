"""What is no setting, or no value of one, stops the start by name: a misspelt setting is a setting nobody made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service.cli import app
from cds_service.errors import ConfigurationError
from cds_service.settings import Client, Settings
from cds_service.settings_loading import load
from cds_service.wiring.outside import policy


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("CDS_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    file = folder / "cds.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keep_audit_day = 30", "'keep_audit_day' is no setting; did you mean keep_audit_days?"),
        ('[clients.main]\nisuer = "https://ehr.example"', "'clients.main.isuer' is no setting; did you mean issuer?"),
        ("[nonsense]\na = 1", "'nonsense' is no setting; see docs/configuration.md"),
        ('[subscriptions.pacs]\nsecret = "short-secret-7"', "subscriptions.pacs.secret: value should have at least 16"),
        ("max_concurrent_calls = -1", "CDS_MAX_CONCURRENT_CALLS: input should be greater than 0"),
        ("mode = [", "is no TOML"),
    ],
)
def test_a_file_with_what_is_no_setting_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told.replace("?", "\\?").replace(".", "\\.")) as refused:
        load(written(tmp_path, text))
    assert "short-secret-7" not in refused.value.message


def test_a_file_that_is_not_there_is_told_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml")


def test_a_misspelt_name_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_FHIR_ALOW", "https://ehr.example")
    with pytest.raises(ConfigurationError, match=r"CDS_FHIR_ALOW .* did you mean CDS_FHIR_ALLOW\?"):
        load()


def test_a_list_that_is_no_json_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_CLIENTS", "{secret")
    with pytest.raises(ConfigurationError, match="clients") as refused:
        load()
    assert "{secret" not in refused.value.message


def test_what_kubernetes_says_of_a_service_called_cds_is_no_misspelling(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "CDS_SERVICE_HOST": "10.0.0.1", "CDS_SERVICE_PORT": "8000", "CDS_SERVICE_PORT_HTTP": "8000",
        "CDS_PORT": "tcp://10.0.0.1:8000", "CDS_PORT_8000_TCP": "tcp://10.0.0.1:8000", "CDS_PORT_8000_TCP_PROTO": "tcp",
        "CDS_DATABASE_SERVICE_HOST": "10.0.0.2", "CDS_DATABASE_PORT": "tcp://10.0.0.2:5432",
    }  # fmt: skip
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CDS_MODE", "demo")
    assert load().mode == "demo"
    monkeypatch.setenv("CDS_PORT", "9000")
    with pytest.raises(ConfigurationError, match="CDS_PORT"):
        load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline_ms", -1),
        ("max_body_bytes", 0),
        ("max_concurrent_calls", 0),
        ("retry_window_s", -1),
        ("assessment_ttl_s", 0),
        ("job_slots", 0),
        ("job_depth", 0),
        ("job_age_s", -5),
        ("decode_workers", 0),
        ("decode_memory_mb", -512),
        ("decode_seconds", 0),
        ("decode_seconds", "inf"),
        ("keep_audit_days", -1),
    ],
)
def test_a_number_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    monkeypatch.setenv(f"CDS_{name.upper()}", str(value))
    with pytest.raises(ConfigurationError, match=f"CDS_{name.upper()}: input should be"):
        load()


@pytest.mark.parametrize("mode", ["demo", "production"])
def test_two_clients_of_one_issuer_are_refused(mode: Any) -> None:
    twins = {name: Client(issuer="https://ehr.example", tenants=[name]) for name in ("a", "b")}
    with pytest.raises(ConfigurationError, match=r"two \[clients.*https://ehr.example"):
        Settings(mode=mode, clients=twins).check()
    Settings(clients={"a": Client(fhir_origins=["https://a"]), "b": Client(fhir_origins=["https://b"])}).check()


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"fhir_allow": ["ehr.example"]}, "CDS_FHIR_ALLOW"),
        ({"dicomweb_url": "pacs:8042"}, "CDS_DICOMWEB_URL"),
        ({"fhir_allow": ["http://*.example.org"]}, "CDS_FHIR_ALLOW"),
        ({"clients": {"main": Client(fhir_origins=["ehr"])}}, "clients.main. fhir_origins"),
    ],
)
def test_what_is_no_address_is_refused_by_the_name_of_its_setting(members: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        policy(Settings(**members))


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["serve", "--config", str(written(tmp_path, "keep_audit_day = 30"))])
    assert ended.exit_code == 1
    assert ended.stderr.strip() == "medgemma-cds: 'keep_audit_day' is no setting; did you mean keep_audit_days?"
