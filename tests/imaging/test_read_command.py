"""``medgemma-cds read``: what it says where it cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_service.cli import app
from tests.fhir_adapters.dicom.made import dicom, ramp


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
