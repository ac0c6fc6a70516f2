"""Pixel values by hand-computed numbers: functional groups of enhanced objects, the window functions, lookup tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fhir_adapters.dicom import header, paddings, pixels
from fhir_adapters.dicom.errors import Converted, Malformed, NotCalibrated, OtherUnits, UnsupportedPixels
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


@pytest.mark.parametrize("kind", ["OD", "MGML", "Z_EFF", "ED", "HU_MOD", "PCT"])
def test_a_ct_map_in_other_units_is_not_taken_for_hounsfield_units(kind: str) -> None:
    with pytest.raises(OtherUnits):
        pixels.hounsfield(opened(dicom(modality="CT", RescaleType=kind)), 0)
    shared = item(
        PixelValueTransformationSequence=Sequence([item(RescaleSlope=1, RescaleIntercept=0, RescaleType=kind)])
    )
    with pytest.raises(OtherUnits):
        pixels.hounsfield(enhanced(SharedFunctionalGroupsSequence=Sequence([shared])), 0)


def test_the_high_bit_of_uncompressed_pixels_is_one_less_than_their_bits() -> None:
    shifted = (np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)) << 4
    with pytest.raises(UnsupportedPixels, match="12 bits stored up to bit 15"):
        opened(dicom(shifted, HighBit=15))


def padded(value: int, modality: str, **changes: Any) -> pixels.Object:
    """The upper eighth is padding, the rest runs from 0 to 2000."""
    values = np.linspace(0, 2000, 64 * 48).reshape(64, 48).astype(np.int16)
    values[:8] = value
    given = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": value, "RescaleSlope": 1, "RescaleIntercept": 0}
    return opened(dicom(values, modality, **(given | changes)))


def test_padding_of_a_ct_beyond_tissue_is_air_and_within_it_is_left() -> None:
    assert pixels.hounsfield(padded(32767, "CT"), 0)[0, 0] == -1000
    assert pixels.hounsfield(padded(-32768, "CT"), 0)[0, 0] == -1000
    assert pixels.hounsfield(padded(40, "CT"), 0)[0, 0] == 40  # a header may be wrong: no hole is made in a liver


def test_padding_does_not_stretch_the_grey_values_of_an_mr() -> None:
    values = pixels.modality_values(padded(-32768, "MR"), 0)
    assert values[0, 0] == values.min() == values[8:].min() > 0


def test_padding_written_as_unsigned_beside_signed_pixels_is_read_as_signed() -> None:
    data = dicom(np.full((8, 8), -2000, np.int16), BitsStored=16, HighBit=15, PixelPaddingValue=-2000)
    wrong = data.replace(b"\x28\x00\x20\x01SS", b"\x28\x00\x20\x01US")
    assert wrong != data
    image = opened(wrong)
    found = paddings.of_pixels(image.dataset, image.header, pixels.stored(image, 0))
    assert found is not None
    assert found.all()


def test_a_voi_table_over_negative_values_begins_where_it_says() -> None:
    table = item(LUTDescriptor=[4096, 65536 - 1024, 12], LUTData=np.arange(4096, dtype="<u2").tobytes())
    image = opened(dicom(RescaleSlope=1, RescaleIntercept=-1024, VOILUTSequence=Sequence([table])))
    shown, _ = pixels.grey(image, 0, "embedded")
    assert (int(shown[8, 0]), int(shown[-1, -1])) == (32, 255)


def test_a_lookup_table_without_its_data_is_malformed() -> None:
    with pytest.raises(Malformed):
        pixels.grey(opened(dicom(ModalityLUTSequence=Sequence([item()]))), 0)


def test_a_picture_of_eight_bits_in_twelve_is_no_radiograph_whatever_its_header_says() -> None:
    photo = (np.arange(64 * 48) % 256).reshape(64, 48).astype(np.uint16) << 4
    with pytest.raises(Converted, match="256 grey values in 12 bits"):
        pixels.acquired_grey(opened(dicom(photo)), 0)
    assert pixels.acquired_grey(opened(dicom(photo, ConversionType="DF")), 0)[0].any()
    assert pixels.acquired_grey(opened(dicom()), 0)[0].any()
