"""A mistake at the command line is answered in one line that names it, and what is printed can be read and copied whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cds_service.cli import app, fail
from cds_service.commands import doctor
from cds_service.commands.call import Ask, draft_orders
from cds_service.commands.calling import Caller, from_bundle
from cds_service.errors import BadRequest
from cds_service.rules.pack import load_pack
from cds_service.settings import Settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"resourceType"', "is no JSON"),
        ("[1, 2]", "holds something that is no FHIR resource"),
        ('{"id": "1"}', "holds something that is no FHIR resource"),
    ],
)
def test_a_file_of_orders_that_is_none_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "orders.json"
    file.write_text(text)
    with pytest.raises(BadRequest, match=rf"orders\.json {words}"):
        draft_orders(Ask(hook="order-sign", patient="1", orders=file))


@pytest.mark.parametrize("text", ['{"resourceType"', "[1, 2]"])
def test_a_bundle_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(text)
    with pytest.raises(BadRequest, match=r"bundle\.json: not a FHIR document"):
        from_bundle(file)


@pytest.mark.parametrize("address", ["localhost:8000", "ehr.example/r4", "ftp://ehr.example"])
def test_an_address_without_http_is_named_with_how_to_write_it(address: str) -> None:
    with pytest.raises(BadRequest, match=f"'{address}' is no address .* write it like http://127.0.0.1:8000"):
        Caller("http://127.0.0.1:8000", address)


def test_a_file_that_is_not_there_is_said_without_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError) as fault:
        Path("no-such.json").read_bytes()
    fail(fault.value)
    assert capsys.readouterr().err == "medgemma-cds: no-such.json: No such file or directory\n"


async def test_doctor_prints_names_in_brackets_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await doctor.run(Settings(mode="production", state_dir=tmp_path)) == 1
    assert "[clients.*] with an issuer" in re.sub(r"[\s│]+", " ", capsys.readouterr().out)


async def test_doctor_faults_a_production_address_without_tls(tmp_path: Path) -> None:
    found = [check async for check in doctor.checks_of(Settings(mode="production", state_dir=tmp_path))]
    (check,) = [check for check in found if check.what == "public address"]
    assert (check.state, "CDS_PUBLIC_URL" in check.say) == ("fault", True)


def test_rules_are_listed_by_ids_that_no_narrow_window_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    listed = CliRunner().invoke(app, ["rules", "list"]).stdout
    assert {line.split()[0] for line in listed.splitlines() if line.strip()} >= set(load_pack().rules)
    assert max(map(len, listed.splitlines())) <= 80


def test_every_command_is_summed_up_in_one_whole_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group in ((), ("rules",), ("services",)):
        assert "..." not in CliRunner().invoke(app, [*group, "--help"]).stdout.partition("Commands:")[2]
    assert typer.main.get_command(app).name == "medgemma-cds"
