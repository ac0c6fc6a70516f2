"""``/review/{draft}/image``: what the model saw, made again; boxes drawn; shown to whoever may see the page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from io import BytesIO

import msgspec
import pytest
from PIL import Image
from starlette.responses import Response

from cds_service.drafts.draft import Draft
from cds_service.errors import BadRequest, Unavailable
from cds_service.imaging.read import Box, Instance
from cds_service.imaging.viewer import Viewer
from cds_service.web.review.picture import NoPicture, picture
from cds_service.web.review.router import HEADERS
from fhir_adapters.addresses import Policy
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.outbound import Outbound
from tests.drafts.reads import read
from tests.web.simulated import simulated

BOX = Box(structure="right lung", instance=0, top=200.0, left=150.0, bottom=800.0, right=450.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Instance]]:
    """The simulator's DICOMweb address and its radiograph."""
    with simulated(tmp_path_factory.mktemp("images")) as (base, store):
        row = store.compartment("ImagingStudy").rows["demo-pneumonia-imaging-1"]
        study = msgspec.json.decode(row.body)["identifier"][0]["value"].removeprefix("urn:oid:")
        address = f"{base.removesuffix('/fhir')}/dicomweb"

        async def find() -> Instance:
            async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:
                server, deadline = DicomWeb(outbound, address), asyncio.get_running_loop().time() + 30
                (series,) = await server.series(study, deadline=deadline)
                (found,) = await server.instances(study, series.uid, deadline=deadline)
                return Instance(study_uid=study, series_uid=series.uid, instance_uid=found.uid)

        yield address, asyncio.run(find())


def draft(instance: Instance, *boxes: Box) -> Draft:
    return Draft(
        id="d", identifier="urn:uuid:1", version=1, state="waiting", tenant="t", patient="p", study_uid="1.2",
        study_reference="ImagingStudy/s", read=read(instances=(instance,), boxes=boxes), created="",
        resources=msgspec.Raw(b"{}"),
    )  # fmt: skip


async def shown(address: str, of: Draft, number: str = "1") -> Response:
    async with Outbound(Policy(operator=[address.removesuffix("/simulator/dicomweb")])) as outbound:
        viewer = Viewer(DicomWeb(outbound, address))
        try:
            return await picture(viewer, of, number, HEADERS)
        finally:
            await viewer.aclose()


async def test_the_picture_is_the_models_square_and_is_kept_nowhere(archive: tuple[str, Instance]) -> None:
    answer = await shown(archive[0], draft(archive[1]))
    assert answer.media_type == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert Image.open(BytesIO(bytes(answer.body))).size == (896, 896)


async def test_a_slice_of_a_volume_is_the_very_picture_the_model_was_shown(archive: tuple[str, Instance]) -> None:
    address, instance = archive
    of = draft(instance)
    volume = msgspec.structs.replace(of, read=read(instances=(instance, instance)))
    answer = await shown(address, volume, "2")
    assert answer.media_type == "image/jpeg"
    assert Image.open(BytesIO(bytes(answer.body))).size == (896, 896)


async def test_boxes_are_drawn_where_the_read_has_them_and_nowhere_else(archive: tuple[str, Instance]) -> None:
    plain = Image.open(BytesIO(bytes((await shown(archive[0], draft(archive[1]))).body)))
    boxed = Image.open(BytesIO(bytes((await shown(archive[0], draft(archive[1], BOX))).body)))
    scale = 896 / 1024
    edge = (round(300 * scale), round(200 * scale) + 2)
    assert boxed.getpixel(edge) == (255, 214, 0)
    for place in ((round(300 * scale), round(500 * scale)), (10, 10), (880, 880)):
        assert boxed.getpixel(place) == plain.getpixel(place)


@pytest.mark.parametrize(
    ("number", "fault"), [("2", NoPicture), ("0", NoPicture), ("x", BadRequest), ("-1", BadRequest), ("", BadRequest)]
)
async def test_a_number_without_an_image_is_refused(
    archive: tuple[str, Instance], number: str, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        await shown(archive[0], draft(archive[1]), number)


async def test_without_imaging_an_archive_or_the_object_it_says_so(archive: tuple[str, Instance]) -> None:
    with pytest.raises(NoPicture, match="switched off"):
        await picture(None, draft(archive[1]), "1", HEADERS)
    with pytest.raises(Unavailable, match="cannot be shown"):
        await shown("http://127.0.0.1:9/simulator/dicomweb", draft(archive[1]))
    gone = Instance(study_uid="1.2.3", series_uid="1.2.3.4", instance_uid="1.2.3.4.5")
    with pytest.raises(NoPicture, match="cannot be shown"):
        await shown(archive[0], draft(gone))
