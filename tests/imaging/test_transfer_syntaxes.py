"""Every transfer syntax of the standard is decoded or refused by its name."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import UID, UID_dictionary

from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import Viewer
from fhir_adapters.dicom.errors import UnsupportedSyntax
from fhir_adapters.dicom.transfer_syntaxes import BASE, SYNTAXES, syntax
from tests.fhir_adapters.dicom.made import dicom

STANDARD = {uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"}
BLENDED = {f"{BASE}.4.50": 8, f"{BASE}.4.51": 8, f"{BASE}.4.81": 8, f"{BASE}.4.91": 16}  # lossy, with their bits
LOSSLESS = (f"{BASE}.5", f"{BASE}.4.57", f"{BASE}.4.70", f"{BASE}.4.80", f"{BASE}.4.90")


@pytest.fixture
async def viewer() -> AsyncIterator[Viewer]:
    made = Viewer(None)
    yield made
    await made.aclose()


def test_the_table_holds_every_syntax_of_the_standard_with_a_decoder_or_a_reason() -> None:
    assert STANDARD.keys() <= SYNTAXES.keys()
    for uid, known in SYNTAXES.items():
        assert known.name, uid
        if known.refused:
            with pytest.raises(UnsupportedSyntax, match=known.name.split(",")[0].split(" (")[0]):
                syntax(uid)
        else:
            assert bool(known.decoder) == bool(known.codec), uid
    with pytest.raises(UnsupportedSyntax, match="unknown or private"):
        syntax("1.2.840.113619.5.2")


def smooth(dtype: type, most: int) -> np.ndarray[Any, Any]:
    """What a lossy codec keeps."""
    y, x = np.mgrid[0:64, 0:64] / 63
    return (most * (0.2 + 0.6 * y * (1 - x * 0.5))).astype(dtype)


def pixels(seen: Seen | Refused) -> np.ndarray[Any, Any]:
    assert isinstance(seen, Seen), seen
    return np.asarray(Image.open(io.BytesIO(seen.images[0].data))).astype(int)


def recoded(uid: str, source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "tests.fhir_adapters.dicom.recode", uid, str(source), str(target)]
    subprocess.run(command, check=True)
    assert pydicom.dcmread(target, stop_before_pixels=True).file_meta.TransferSyntaxUID == uid


@pytest.mark.parametrize("uid", [*LOSSLESS, *BLENDED])
async def test_a_film_is_the_same_in_every_syntax_that_is_decoded(viewer: Viewer, tmp_path: Path, uid: str) -> None:
    eight = BLENDED.get(uid, 16) == 8
    plain, coded = tmp_path / "plain.dcm", tmp_path / "coded.dcm"
    plain.write_bytes(dicom(smooth(np.uint8, 255) if eight else smooth(np.uint16, 4095)))
    recoded(uid, plain, coded)
    difference = np.abs(pixels(await viewer.file(plain)) - pixels(await viewer.file(coded))).max()
    assert difference <= (6 if uid in BLENDED else 0)


async def test_twelve_bit_extended_jpeg_is_refused_by_name(viewer: Viewer, tmp_path: Path) -> None:
    path = tmp_path / "12.dcm"
    made = pydicom.dcmread(io.BytesIO(dicom()))
    made.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(200)])
    made["PixelData"].is_undefined_length = True
    made.file_meta.TransferSyntaxUID = UID(f"{BASE}.4.51")
    made.save_as(path, enforce_file_format=True)
    seen = await viewer.file(path)
    assert isinstance(seen, Refused)
    assert seen.reason == "transfer syntax not supported: JPEG Extended with 12 bits"


@pytest.mark.parametrize("number", ["201", "202", "203"])
async def test_high_throughput_jpeg_2000_is_decoded_under_each_of_its_names(
    sample_data: Path, tmp_path: Path, number: str
) -> None:
    path = tmp_path / "ht.dcm"
    made = pydicom.dcmread(sample_data / "dicom" / "HTJ2KLossless_08_RGB.dcm")
    made.file_meta.TransferSyntaxUID = UID(f"{BASE}.4.{number}")
    made.save_as(path)
    opened = Viewer(None, allowed=("photo", "secondary-capture"))
    seen = await opened.file(path)
    await opened.aclose()
    assert isinstance(seen, Seen), seen
