"""``medgemma-cds image``: exactly the picture the model would see, every step, and exit code 3 for a refusal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cds_service.cli import app
from cds_service.imaging.seen import Seen
from cds_service.imaging.viewer import Viewer
from tests.fhir_adapters.dicom.made import dicom, ramp
from tests.web.simulated import simulated


def image(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["image", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def seen_by_the_model(path: Path) -> bytes:
    viewer = Viewer(None)
    try:
        seen = await viewer.file(path)
    finally:
        await viewer.aclose()
    assert isinstance(seen, Seen)
    return seen.images[0].data


def test_the_picture_is_written_byte_for_byte_with_every_step_and_nothing_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom(PhotometricInterpretation="MONOCHROME1"))
    code, said, _ = image(str(path), "--out", str(tmp_path / "x.anything"), "--json")
    told = msgspec.json.decode(said)
    assert code == 0
    assert told["files"] == [str(tmp_path / "x.png")]
    assert (tmp_path / "x.png").read_bytes() == asyncio.run(seen_by_the_model(path))
    assert told["steps"] == [
        "stretched from 8–4095 to 0–255", "inverted once: low stored values are bright",
        "padded with black from 64 × 48 to 64 × 64", "resized from 64 × 64 to 896 × 896, bilinear",
    ]  # fmt: skip
    assert all(word not in said for word in ("Canary", "P1", "19700101", "1.2.3"))


def test_a_refusal_ends_with_code_3_and_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom(BurnedInAnnotation="YES"))
    code, said, _ = image(str(path), "--json")
    assert (code, msgspec.json.decode(said)["refused"]) == (3, "text is burned into the image")
    assert image(str(tmp_path / "none.dcm"), "--json")[0] == 3


def test_one_frame_is_shown_by_its_number_from_one(tmp_path: Path) -> None:
    path = tmp_path / "cine.dcm"
    frames = np.stack([ramp(), ramp()[::-1]])
    path.write_bytes(dicom(frames[0], NumberOfFrames=2, PixelData=frames.tobytes()))
    pictures = []
    for frame in ("1", "2"):
        assert image(str(path), "--frame", frame, "--out", str(tmp_path / f"{frame}.png"))[0] == 0
        pictures.append(np.asarray(Image.open(tmp_path / f"{frame}.png")))
    assert not np.array_equal(*pictures)
    assert image(str(path), "--frame", "3")[0] == 3
    code, _, fault = image(str(path), "--frame", "0")
    assert (code, "counts from 1" in fault) == (1, True)


def test_slices_of_a_folder_are_written_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.dcm").write_bytes(
            dicom(ramp(), "CT", ImagePositionPatient=[0, 0, float(i)], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                  SOPInstanceUID=f"1.2.3.1.{i + 1}", InstanceNumber=i + 1)
        )  # fmt: skip
    code, said, _ = image(str(folder), "--out", str(tmp_path / "s.png"), "--json")
    assert code == 0
    assert msgspec.json.decode(said)["files"] == [str(tmp_path / f"s-{i}.jpg") for i in (1, 2, 3)]


def test_an_address_of_a_study_is_fetched_and_one_that_is_none_says_what_it_should_be(tmp_path: Path) -> None:
    with simulated(tmp_path / "images") as (base, store):
        row = store.compartment("ImagingStudy").rows["demo-pneumonia-imaging-1"]
        uid = msgspec.json.decode(row.body)["identifier"][0]["value"].removeprefix("urn:oid:")
        code, said, fault = image(f"{base.replace('/fhir', '/dicomweb')}/studies/{uid}", "--json")
        assert (code, fault) == (0, "")
        assert msgspec.json.decode(said)["view"] == "PA"
        assert image(f"{base.replace('/fhir', '/dicomweb')}/studies/1.2.3", "--json")[0] == 3
    code, _, fault = image("https://pacs.example.org/viewer?study=1")
    assert (code, "ends with /studies/UID" in fault) == (1, True)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/studies/1.2", "http://127.0.0.1:9/studies/1/series/2/instances/3"]
)
def test_an_archive_that_is_away_is_a_refusal_with_words(address: str) -> None:
    code, said, _ = image(address)
    assert code == 3
    assert "refused:" in said
