"""Which slices of a study become the volume a model is shown, which way they are turned, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import Viewer
from fhir_adapters.dicom import multipart
from tests.fhir_adapters.dicom.made import dicom, ramp
from tests.fhir_adapters.dicom.serving import Scripted, serving
from tests.imaging.test_viewer_files import pixels
from tests.imaging.test_viewer_large import JSON, row, study_row
from tests.imaging.test_viewer_studies import is_p1, looking, soon

AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]


@pytest.fixture
async def viewer() -> AsyncIterator[Viewer]:
    made = Viewer(None)
    yield made
    await made.aclose()


def stored(folder: Path, count: int, *, step: float = 5.0, **changes: Any) -> None:
    """A CT of so many slices as files. ``changes`` may depend on the slice's number."""
    for i in range(count):
        given = {name: value(i) if callable(value) else value for name, value in changes.items()}
        place = {"ImagePositionPatient": [0, 0, step * i], "ImageOrientationPatient": AXIAL, "InstanceNumber": i + 1}
        uid = f"1.2.3.1.{len(list(folder.iterdir())) + 1}"
        made = dicom(given.pop("pixels", ramp(16, 16)), "CT", **(place | {"SOPInstanceUID": uid} | given))
        (folder / f"{uid}.dcm").write_bytes(made)


class TwoSeries(Scripted):
    """A CT study of a large coronal reconstruction and of the axial slices it was made of."""

    def __init__(self) -> None:
        super().__init__()
        reconstruction = row(_0020000E=("UI", ["1.2.50.1"]), _00080060=("CS", ["CT"]), _00201209=("IS", [200]))
        original = row(_0020000E=("UI", ["1.2.50.2"]), _00080060=("CS", ["CT"]), _00201209=("IS", [14]))
        self.answers["/studies"] = (200, JSON, json.dumps([study_row()]).encode())
        self.answers["/studies/1.2.50/series"] = (200, JSON, json.dumps([reconstruction, original]).encode())
        self._series("1.2.50.1", 200, ["DERIVED", "SECONDARY", "MPR"], CORONAL)
        self._series("1.2.50.2", 12, ["ORIGINAL", "PRIMARY", "AXIAL"], AXIAL)

    def _series(self, series: str, count: int, kind: list[str], axes: list[int]) -> None:
        rows = []
        for i in range(count):
            place = [0, 0, 5 * i] if axes == AXIAL else [0, 5 * i, 0]
            uid = f"{series}.{i + 1}"
            rows.append(
                row(_00080018=("UI", [uid]), _00080016=("UI", ["1.2.840.10008.5.1.4.1.1.2"]), _00080008=("CS", kind),
                    _00200013=("IS", [i]), _00200032=("DS", place), _00200037=("DS", axes))
            )  # fmt: skip
            made = dicom(ramp(16, 16), "CT", StudyInstanceUID="1.2.50", SeriesInstanceUID=series, SOPInstanceUID=uid,
                         ImagePositionPatient=place, ImageOrientationPatient=axes, ImageType=kind)  # fmt: skip
            body, content_type = multipart.compose([made])
            self.answers[f"/studies/1.2.50/series/{series}/instances/{uid}"] = (200, content_type, body)
        self.answers[f"/studies/1.2.50/series/{series}/instances"] = (200, JSON, json.dumps(rows).encode())


async def test_axial_originals_are_read_even_where_a_reconstruction_has_more_slices() -> None:
    with serving(TwoSeries()) as base:
        async with looking(base) as (_, viewer):
            seen = await viewer.study("1.2.50", patient_check=is_p1, deadline=soon())
    assert isinstance(seen, Seen), seen
    assert {instance.series_uid for instance in seen.instances} == {"1.2.50.2"}
    assert (len(seen.images), seen.plane) == (12, "axial")
    assert any("the slices cover 6 cm" in warning for warning in seen.warnings)
    assert "the archive lists 12 of 14 images of the series" in seen.warnings


async def test_a_folder_of_one_volume_is_read_whole_though_every_slice_has_its_own_acquisition_and_gaps_are_told(
    viewer: Viewer, tmp_path: Path
) -> None:
    gap = {"ImagePositionPatient": lambda i: [0, 0, 5.0 * (i if i < 6 else i + 4)]}
    stored(tmp_path, 12, AcquisitionNumber=lambda i: i + 1, **gap)
    stored(tmp_path, 3, ImageType=["DERIVED", "SECONDARY", "MIP"], step=1.0)
    stored(tmp_path, 2, ImageOrientationPatient=CORONAL, step=7.0)
    seen = await viewer.file(tmp_path)
    assert isinstance(seen, Seen), seen
    assert len(seen.images) == 12
    assert any("a gap of 25 mm" in warning for warning in seen.warnings)


async def test_slices_whose_rows_run_to_the_patients_right_are_mirrored(viewer: Viewer, tmp_path: Path) -> None:
    for axes, mirrored in ((AXIAL, False), ([-1, 0, 0, 0, -1, 0], True)):
        path = tmp_path / "s.dcm"
        path.write_bytes(dicom(modality="CT", ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=axes))
        seen = await viewer.file(path)
        shown = pixels(seen)
        assert isinstance(seen, Seen), seen
        assert (shown[30, 750, 0] > 200, shown[30, 146, 0] > 200) == (mirrored, not mirrored)  # the bright corner
        assert any(step.startswith("mirrored") for step in seen.steps) == mirrored


async def test_a_volume_of_blank_slices_is_refused_and_one_with_blank_ends_is_not(
    viewer: Viewer, tmp_path: Path
) -> None:
    air = np.zeros((16, 16), np.uint16)
    stored(tmp_path, 12, pixels=air)
    seen = await viewer.file(tmp_path)
    assert isinstance(seen, Refused), seen
    assert seen.code == "blank"
    stored(tmp_path, 1, ImagePositionPatient=[0, 0, 100.0])
    assert isinstance(await viewer.file(tmp_path), Seen)
