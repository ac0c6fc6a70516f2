"""Which series and which images of a study are read."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_adapters.dicom import selection, volumes
from fhir_adapters.dicom.qido import Instance, Series

READ = ("DX", "CR", "CT", "MR")


def film(uid: str, **members: Any) -> Instance:
    return Instance(uid=uid, sop_class="1.2.840.10008.5.1.4.1.1.1.1", **members)


def test_radiographs_come_first_then_the_largest_volume_and_never_what_holds_no_diagnostic_image() -> None:
    series = [
        Series(uid="small", modality="CT", instances=40),
        Series(uid="large", modality="CT", instances=300),
        Series(uid="scout", modality="CT", instances=900, description="scout view"),
        Series(uid="topogram", modality="CT", instances=900, description="topogram 1.0"),
        Series(uid="film", modality="CR", instances=1, number=2),
        Series(uid="digital", modality="DX", instances=1, number=9),
        *(Series(uid=each, modality=each, instances=5) for each in ("SR", "PR", "SEG", "KO", "RTDOSE", "SC", "US", "")),
        Series(uid="", modality="DX"),
    ]
    assert [each.uid for each in selection.candidates(series, READ)] == ["digital", "film", "large", "small"]


@pytest.mark.parametrize(
    ("instances", "chosen"),
    [
        ([film("l", view="LATERAL"), film("a", view="AP"), film("p", view="PA")], "p"),
        ([film("l", view="LL"), film("a", view="AP")], "a"),
        ([film("l", view="LL"), film("u")], "u"),  # an unmarked view may be frontal
        ([film("l", view="LL"), film("o", view="RAO")], "l"),
        ([film("raw", view="PA", intent="FOR PROCESSING"), film("shown", view="AP", intent="FOR PRESENTATION")], "shown"),
        ([film("old", view="PA", taken="20261120080000"), film("new", view="PA", taken="20261120090000")], "new"),
        ([film("old", view="PA", taken="20261121"), film("new", view="AP", taken="20261122")], "old"),
        ([Instance(uid="c", sop_class="1.2.840.10008.5.1.4.1.1.7", view="PA"), film("a", view="AP")], "a"),
        ([Instance(uid="c", sop_class="1.2.840.10008.5.1.4.1.1.7.2", view="PA")], None),
        ([film("s", view="PA", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))], None),
        ([], None),
    ],
)  # fmt: skip
def test_pa_goes_before_ap_before_lateral_for_presentation_the_newest(
    instances: list[Instance], chosen: str | None
) -> None:
    found = selection.radiograph(instances)
    assert (found.uid if found else None) == chosen


def test_a_volume_is_one_acquisition_of_originals_each_place_once() -> None:
    slices = [
        film("a", acquisition=2, position=(0, 0, 1.0), image_type=("ORIGINAL", "PRIMARY")),
        film("b", acquisition=2, position=(0, 0, 2.0), image_type=("ORIGINAL", "PRIMARY")),
        film("twice", acquisition=2, position=(0, 0, 2.0), image_type=("ORIGINAL", "PRIMARY")),
        film("earlier", acquisition=1, position=(0, 0, 3.0), image_type=("ORIGINAL", "PRIMARY")),
        film("mip", acquisition=2, position=(0, 0, 4.0), image_type=("DERIVED", "SECONDARY", "MIP")),
        film("scout", acquisition=2, position=(0, 0, 5.0), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
    ]
    assert [each.uid for each in selection.volume(slices)] == ["a", "b"]
    derived = [film("d", image_type=("DERIVED", "PRIMARY")), film("e", image_type=("DERIVED", "PRIMARY"))]
    assert [each.uid for each in selection.volume(derived)] == ["d", "e"]  # better than nothing


AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def ct(z: float, acquisition: int = 1, *, axes: Any = AXES, **members: Any) -> Instance:
    place = (0.0, z, 0.0) if axes != AXES else (0.0, 0.0, z)
    return Instance(
        uid=f"{acquisition}@{z:g}{axes != AXES}", acquisition=acquisition, position=place, axes=axes, **members
    )


def depths(slices: list[Instance]) -> list[float]:
    return sorted(each.position[2] for each in slices if each.position)


def test_a_volume_whose_every_rotation_has_a_number_of_its_own_is_read_whole() -> None:
    assert depths(selection.volume([ct(5.0 * i, acquisition=i) for i in range(60)])) == [5.0 * i for i in range(60)]
    four = [ct(5.0 * i, acquisition=i // 4) for i in range(60)]
    assert len(selection.volume(four)) == 60
    unplaced = [Instance(uid=str(i), acquisition=i, number=i) for i in range(60)]
    assert len(selection.volume(unplaced)) == 60


def test_of_scans_of_the_same_place_the_fullest_is_read_and_the_last_of_equal_ones() -> None:
    native, contrast = [ct(5.0 * i, 1) for i in range(60)], [ct(5.0 * i + 1, 2) for i in range(60)]
    assert {each.acquisition for each in selection.volume(native + contrast)} == {2}
    timing = [ct(100.0, acquisition=9)]  # one slice, repeated to time the contrast: the largest number, and no volume
    assert {each.acquisition for each in selection.volume(native + timing)} == {1}
    monitoring = [Instance(uid=f"m{i}", acquisition=9, position=(0, 0, 100.0), axes=AXES) for i in range(5)]
    assert {each.acquisition for each in selection.volume(native + monitoring)} == {1}


def test_slices_of_another_orientation_are_left_out() -> None:
    coronal = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    mixed = [ct(5.0 * i) for i in range(30)] + [ct(5.0 * i, axes=coronal) for i in range(20)]
    assert {each.axes for each in selection.volume(mixed)} == {AXES}
    assert selection.unfit(selection.volume(mixed)) == (False, False)
    assert selection.unfit(selection.volume(mixed[30:])) == (True, False)
    assert selection.unfit([ct(1.0, image_type=("DERIVED", "SECONDARY", "MPR"))]) == (False, True)


@pytest.mark.parametrize(
    ("axes", "plane"),
    [
        (((1, 0, 0), (0, 1, 0)), "axial"),
        (((-1, 0, 0), (0, -1, 0)), "axial"),
        (((1, 0, 0), (0, 0.9, -0.43)), "axial"),  # a tilted gantry
        (((1, 0, 0), (0, 0, -1)), "coronal"),
        (((0, 1, 0), (0, 0, -1)), "sagittal"),
        (((0, 0, 0), (0, 0, 0)), ""),
        (None, ""),
    ],
)
def test_the_plane_of_slices_is_told_by_their_normal(axes: Any, plane: str) -> None:
    assert volumes.plane(axes) == plane


def test_the_stretch_of_a_volume_names_the_gap_of_missing_slices() -> None:
    positions = [(0.0, 0.0, 3.0 * i) for i in range(100) if not 40 <= i < 47]
    assert volumes.stretch(positions, AXES) == (297.0, 24.0)
    assert volumes.stretch([(0.0, 0.0, 3.0 * i) for i in range(100)], AXES) == (297.0, 0.0)
    assert volumes.stretch([None, (0.0, 0.0, 1.0)], AXES) is None
    assert volumes.stretch([(0.0, 0.0, 1.0)], AXES) is None
