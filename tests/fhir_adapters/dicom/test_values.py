"""Pixel values by hand-computed numbers: functional groups of enhanced objects, the window functions, lookup tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fhir_adapters.dicom import header, pixels
from fhir_adapters.dicom.errors import NotCalibrated, UnsupportedPixels
from fhir_adapters.dicom.limits import Limits
from tests.fhir_adapters.dicom.made import dicom

LIMITS = Limits()
FRAMES = np.stack([np.full((8, 8), 100, np.uint16), np.full((8, 8), 200, np.uint16)])


def item(**attributes: Any) -> Dataset:
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def rescaling(slope: float, intercept: float) -> Dataset:
    values = item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")
    return item(PixelValueTransformationSequence=Sequence([values]))


def opened(data: bytes) -> pixels.Object:
    found, _ = header.read(data, LIMITS)
    return pixels.open_object(data, found, LIMITS)


def enhanced(**groups: Any) -> pixels.Object:
    """Two frames without a rescale of the whole object."""
    return opened(
        dicom(FRAMES, "CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", RescaleSlope=None, RescaleIntercept=None,
              Rows=8, Columns=8, NumberOfFrames="2", **groups)
    )  # fmt: skip


def test_an_enhanced_ct_is_rescaled_by_its_shared_functional_group() -> None:
    image = enhanced(SharedFunctionalGroupsSequence=Sequence([rescaling(2, -1000)]))
    assert [float(pixels.hounsfield(image, frame)[0, 0]) for frame in (0, 1)] == [-800, -600]


def test_the_rescale_of_a_frame_goes_before_the_shared_one() -> None:
    image = enhanced(
        SharedFunctionalGroupsSequence=Sequence([rescaling(2, -1000)]),
        PerFrameFunctionalGroupsSequence=Sequence([item(), rescaling(0.5, -24)]),
    )
    assert [float(pixels.hounsfield(image, frame)[0, 0]) for frame in (0, 1)] == [-800, 76]


def test_an_enhanced_ct_frame_without_any_rescale_is_refused() -> None:
    image = enhanced(PerFrameFunctionalGroupsSequence=Sequence([rescaling(1, 0), item()]))
    assert float(pixels.hounsfield(image, 0)[0, 0]) == 100
    with pytest.raises(NotCalibrated):
        pixels.hounsfield(image, 1)


# PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 with centre 2048 and width 1024, computed by hand
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (None, {1536: 0, 2048: 128, 2304: 191, 2559: 255}),
        ("LINEAR_EXACT", {1536: 0, 2048: 128, 2304: 191, 2560: 255}),
        ("SIGMOID", {1536: 30, 2048: 128, 2304: 186, 2560: 225}),
    ],
)
def test_each_window_function_gives_the_values_of_the_standard(function: str | None, expected: dict[int, int]) -> None:
    values = np.tile(np.linspace(1280, 2816, 65).astype(np.uint16), (16, 1))
    values[0, : len(expected)] = list(expected)
    image = opened(dicom(values, WindowCenter=2048, WindowWidth=1024, VOILUTFunction=function))
    shown, steps = pixels.grey(image, 0, "embedded")
    assert shown[0, : len(expected)].tolist() == pytest.approx(list(expected.values()), abs=1)
    assert f"({(function or 'LINEAR').lower()})" in " ".join(steps)


def test_the_voi_lookup_table_goes_before_the_window_and_holds_its_ends() -> None:
    entries = np.array([0, 65535, 13107, 26214], "<u2").tobytes()
    table = item(LUTDescriptor=[4, 1000, 16], LUTData=entries)
    values = np.tile(np.array([0, 1000, 1001, 1002, 1003, 4000], np.uint16), (6, 1))
    image = opened(dicom(values, VOILUTSequence=Sequence([table]), WindowCenter=10, WindowWidth=2))
    shown, steps = pixels.grey(image, 0, "embedded")
    assert shown[0].tolist() == [0, 0, 255, 51, 102, 102]
    assert "VOI lookup table applied" in steps
    assert "ignored" in " ".join(pixels.grey(image, 0)[1])


def test_the_window_of_a_frame_is_found_in_its_functional_group() -> None:
    window = item(FrameVOILUTSequence=Sequence([item(WindowCenter=150, WindowWidth=201)]))
    values = np.stack([np.tile(np.arange(100, 200, 10, dtype=np.uint16), (10, 1))] * 2)
    image = opened(
        dicom(values, Rows=10, Columns=10, NumberOfFrames="2", SharedFunctionalGroupsSequence=Sequence([window]))
    )
    shown, _ = pixels.grey(image, 1, "embedded")
    assert shown[0, [0, 5]].tolist() == pytest.approx([255 * 50.5 / 200, 255 * 100.5 / 200], abs=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "WindowCenter": 9, "WindowWidth": 9},
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelData": None, "FloatPixelData": b"\0" * 1024},
        {"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63, "PixelData": None, "DoubleFloatPixelData": b"\0" * 2048},
    ],
    ids=["32 bits", "float", "double"],
)
def test_pixels_of_more_than_sixteen_bits_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedPixels, match="bits a sample"):
        opened(dicom(np.zeros((16, 16), np.uint32), **changes))
