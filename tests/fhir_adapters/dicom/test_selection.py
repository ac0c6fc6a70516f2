"""Which series and which images of a study are read."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_adapters.dicom import selection
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
