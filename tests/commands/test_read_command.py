"""``medgemma-cds read``: what it says where it cannot read, what it keeps where it can."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cds_service import telemetry
from cds_service.cli import app
from cds_service.commands.read import Asked, run
from cds_service.errors import NotAllowed
from cds_service.models import engines
from cds_service.settings import Settings
from cds_service.web.simulator.store import Store
from tests.fhir_adapters.dicom.made import dicom, ramp
from tests.imaging.image_engines import Probeable
from tests.web.simulated import simulated


@pytest.fixture(scope="module", autouse=True)
def logs() -> Iterator[None]:
    """The command logs to standard error, which each test here replaces: later ones get the true one back."""
    yield
    telemetry.configure("demo")


def test_without_an_image_model_it_says_what_to_set(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(ramp()))
    done = CliRunner().invoke(app, ["read", "--file", str(path)])
    assert done.exit_code == 1
    assert "CDS_IMAGE_ENGINE" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--study", "1.2", "--file", "a.dcm"]])
def test_it_takes_a_study_or_a_file_and_not_both(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["read", *arguments])
    assert done.exit_code == 1
    assert "--study UID" in done.stderr


def test_an_image_that_is_refused_ends_with_code_3_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_IMAGE_ENGINE", "openai")
    monkeypatch.setenv("CDS_IMAGE_BASE_URL", "http://127.0.0.1:9/v1")
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(ramp(), BurnedInAnnotation="YES"))
    done = CliRunner().invoke(app, ["read", "--file", str(path), "--json"])
    assert done.exit_code == 3
    assert "burned" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "a.dcm", "--patient", "p", "--draft"], "a draft needs --study and --patient"),
        (["--study", "1.2", "--draft"], "a draft needs --study and --patient"),
        (["--study", "1.2", "--patient", "p", "--write", "--ask", "what?"], "no question"),
    ],
)
def test_a_draft_needs_a_study_and_a_patient(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["read", *arguments])
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store, str]]:
    """The simulator: its origin, its store, the study of the pneumonia patient."""
    with simulated(tmp_path_factory.mktemp("images")) as (base, store):
        row = store.compartment("ImagingStudy").rows["demo-pneumonia-imaging-1"]
        uid = msgspec.json.decode(row.body)["identifier"][0]["value"].removeprefix("urn:oid:")
        yield base.removesuffix("/simulator/fhir"), store, uid


def reading(origin: str, folder: Path, monkeypatch: pytest.MonkeyPatch, asked: Asked) -> int:
    monkeypatch.setattr(engines, "_bare", lambda _settings, name, _door: Probeable() if name == "image" else None)
    settings = Settings(mode="demo", public_url=origin, state_dir=folder, image_engine="in-process")
    return asyncio.run(run(settings, asked, as_json=True))


def partial(store: Store) -> int:
    bodies = [msgspec.json.decode(row.body) for row in store.compartment("DiagnosticReport").rows.values()]
    return sum(body["status"] == "partial" for body in bodies)


def test_a_read_is_kept_as_a_draft_and_filed_once_however_often_it_is_asked_for(
    record: tuple[str, Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, store, uid = record
    assert reading(origin, tmp_path, monkeypatch, Asked(study=uid, patient="demo-pneumonia", draft=True)) == 0
    assert "/review/" in capsys.readouterr().err
    assert partial(store) == 0
    filing = Asked(study=uid, patient="demo-pneumonia", draft=True, write=True)
    for _ in range(2):
        assert reading(origin, tmp_path, monkeypatch, filing) == 0
        assert "as partial" in capsys.readouterr().err
    assert partial(store) == 1


def test_a_study_of_another_patient_is_not_read(
    record: tuple[str, Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, _store, uid = record
    with pytest.raises(NotAllowed, match="no such study of this patient"):
        reading(origin, tmp_path, monkeypatch, Asked(study=uid, patient="demo-sepsis"))


def of_patient(folder: Path, **attributes: str) -> Path:
    """A film with a patient in its header."""
    path = folder / "film.dcm"
    path.write_bytes(dicom(ramp(256, 256), **attributes))
    return path


def test_a_file_is_read_for_a_patient_only_when_its_header_is_of_that_patient_and_a_refusal_is_audited(
    record: tuple[str, Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, store, _uid = record
    patient = msgspec.json.decode(store.compartment("Patient").rows["demo-pneumonia"].body)
    his = {"PatientBirthDate": patient["birthDate"].replace("-", ""), "PatientSex": "M"}
    asked = Asked(file=of_patient(tmp_path, **his), patient="demo-pneumonia")
    assert reading(origin, tmp_path / "state", monkeypatch, asked) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["compared"] == ["birth date", "sex"]
    of_patient(tmp_path, **{**his, "PatientSex": "F"})
    assert reading(origin, tmp_path / "state", monkeypatch, asked) == 3
    assert "another patient: sex differs" in capsys.readouterr().out
    with sqlite3.connect(tmp_path / "state" / "cds.sqlite3") as database:
        events = database.execute("select detail from audit_event where kind = 'images refused'").fetchall()
    database.close()
    assert [msgspec.json.decode(detail)["notes"] for (detail,) in events] == [["other-patient"]]
