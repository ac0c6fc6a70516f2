"""What the doctor says about decoders and the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.commands import doctor
from cds_service.imaging import checking
from cds_service.settings import Settings
from tests.web.simulated import simulated


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulated(tmp_path_factory.mktemp("images")) as (base, _store):
        yield base.removesuffix("/simulator/fhir")


async def said(folder: Path, **members: Any) -> dict[str, doctor.Check]:
    settings = Settings(state_dir=folder, imaging=True, **members)
    return {check.what: check async for check in doctor.checks_of(settings) if check.what.startswith("image ")}


async def test_decoders_that_start_and_an_archive_that_answers_are_well(origin: str, tmp_path: Path) -> None:
    checks = await said(tmp_path, dicomweb_url=f"{origin}/simulator/dicomweb")
    assert {check.state for check in checks.values()} == {"ok"}
    assert "shut off from network" in checks["image decoders"].say


@pytest.mark.parametrize("path", ["/simulator/", "/nowhere", "/simulator/fhir"])
async def test_an_address_that_is_no_archive_is_a_fault_that_names_the_setting(
    origin: str, tmp_path: Path, path: str
) -> None:
    check = (await said(tmp_path, dicomweb_url=f"{origin}{path}"))["image archive"]
    assert (check.state, "CDS_DICOMWEB_URL" in check.say) == ("fault", True)


async def test_without_an_archive_it_says_what_to_set_and_without_a_sandbox_that_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "PRELOAD", ("tests.fhir_adapters.dicom.without_either",))
    checks = await said(tmp_path)
    assert (checks["image archive"].state, "CDS_DICOMWEB_URL" in checks["image archive"].say) == ("note", True)
    assert checks["image decoders"].state == "fault"
    assert "neither seccomp nor a network namespace" in checks["image decoders"].say
