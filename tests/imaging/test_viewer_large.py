"""Studies and films of a size that must not be fetched, copied or held whole: seen on the wire of a DICOMweb double."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from cds_service.imaging.seen import Seen
from fhir_adapters.dicom import multipart
from fhir_adapters.dicom.dicomweb import PAGE
from tests.fhir_adapters.dicom.made import dicom, ramp
from tests.fhir_adapters.dicom.serving import Scripted, serving
from tests.imaging.test_viewer_studies import is_p1, looking, soon

COUNT = 5000
JSON = "application/dicom+json"


def row(**values: tuple[str, list[Any]]) -> dict[str, Any]:
    return {tag[1:]: {"vr": vr, "Value": value} for tag, (vr, value) in values.items()}


def study_row() -> dict[str, Any]:
    return row(_0020000D=("UI", ["1.2.50"]), _00100020=("LO", ["P1"]))


def instance_row(i: int) -> dict[str, Any]:
    """Slice ``i`` of the stack, told in an order that is not the one in space."""
    return row(
        _00080018=("UI", [f"1.2.50.1.{i + 1}"]), _00080016=("UI", ["1.2.840.10008.5.1.4.1.1.2"]),
        _00080008=("CS", ["ORIGINAL", "PRIMARY", "AXIAL"]), _00200013=("IS", [COUNT - i]),
        _00200032=("DS", [0, 0, 0.25 * i]), _00200037=("DS", [1, 0, 0, 0, 1, 0]),
    )  # fmt: skip


class Archive(Scripted):
    """A CT of 5,000 slices, each made when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        rows = [instance_row((i * 1237) % COUNT) for i in range(COUNT)]
        series = row(_0020000E=("UI", ["1.2.50.1"]), _00080060=("CS", ["CT"]), _00201209=("IS", [COUNT]))
        self.answers["/studies"] = (200, JSON, json.dumps([study_row()]).encode())
        self.answers["/studies/1.2.50/series"] = (200, JSON, json.dumps([series]).encode())

        def page(query: str) -> tuple[int, str, bytes]:
            asked = parse_qs(query)
            at, most = int(asked["offset"][0]), int(asked["limit"][0])
            return 200, JSON, json.dumps(rows[at : at + most]).encode()

        self.answers["/studies/1.2.50/series/1.2.50.1/instances"] = page
        self.fetched: list[int] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        start = "/studies/1.2.50/series/1.2.50.1/instances/1.2.50.1."
        if scope["path"].startswith(start) and scope["path"] not in self.answers:
            number = int(scope["path"].removeprefix(start))
            self.fetched.append(number - 1)
            made = dicom(ramp(16, 16) + number % 7, "CT", StudyInstanceUID="1.2.50", SeriesInstanceUID="1.2.50.1",
                         SOPInstanceUID=f"1.2.50.1.{number}", ImagePositionPatient=[0, 0, 0.25 * (number - 1)],
                         ImageOrientationPatient=[1, 0, 0, 0, 1, 0])  # fmt: skip
            body, kind = multipart.compose([made])
            self.answers[scope["path"]] = (200, kind, body)
        await super().__call__(scope, receive, send)


async def test_of_a_ct_of_five_thousand_slices_only_the_85_sampled_ones_are_fetched_each_once() -> None:
    archive = Archive()
    with serving(archive) as base:
        async with looking(base) as (_, viewer):
            seen = await viewer.study("1.2.50", patient_check=is_p1, deadline=soon())
    assert isinstance(seen, Seen), seen
    sampled = [round(i / 85 * (COUNT - 1)) for i in range(1, 86)]
    assert [int(i.instance_uid.rsplit(".", 1)[1]) - 1 for i in seen.instances] == sampled
    assert sorted(archive.fetched) == sampled
    objects = [path for path, _, _ in archive.asked if path.count("/") == 6]
    assert len(objects) == len(set(objects)) == 85
    assert len(archive.asked) == 85 + 2 + COUNT // PAGE + 1  # study, series, full pages and the empty one
    assert "85 of 5000 slices taken, evenly" in seen.steps


async def test_a_film_of_57_megabytes_with_padding_is_read_within_the_memory_of_a_decode_worker() -> None:
    film = np.tile(np.linspace(0, 4000, 4800).astype(np.int16), (6000, 1))
    film[:, :100] = -2000
    data = dicom(film, BitsStored=16, HighBit=15, PixelPaddingValue=-2000, SOPInstanceUID="1.2.3.9")
    body, kind = multipart.compose([data])
    server = Scripted()
    server.answers["/studies/1.2.3/series/1.2.3.1/instances/1.2.3.9"] = (200, kind, body)
    with serving(server) as base:
        async with looking(base) as (_, viewer):
            seen = await viewer.instance("1.2.3", "1.2.3.1", "1.2.3.9", patient_check=is_p1, deadline=soon())
    assert isinstance(seen, Seen), seen
    assert seen.size == (6000, 4800)
    assert "padding values shown black" in seen.steps
