"""The DICOM SR of an accepted draft, kept by a real archive next to the images that were read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pydicom
import pytest

from cds_service.drafts.archived import Archive
from cds_service.drafts.draft import Accept, Edit
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.structured_report import uids
from fhir_adapters.outbound import Outbound
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import STUDY, read
from tests.fhir_adapters.dicom.made import dicom
from tests.fhir_adapters.dicom.orthanc import orthanc

__all__ = ["orthanc"]


class Counted(DicomWeb):
    """Counts what is stored."""

    stored = 0

    async def store(self, objects: list[bytes], *, deadline: float) -> None:
        self.stored += 1
        await super().store(objects, deadline=deadline)


@pytest.fixture
async def server(orthanc: str) -> AsyncIterator[Counted]:
    """Orthanc with the image of ``read()``."""
    image = dicom(
        StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1", SOPInstanceUID=f"{STUDY}.1.1", PatientID="demo"
    )
    async with Outbound(Policy(operator=[str(origin_of(orthanc))])) as outbound:
        await DicomWeb(outbound, orthanc).store([image], deadline=soon())
        yield Counted(outbound, orthanc)


def soon() -> float:
    return asyncio.get_running_loop().time() + 20


@pytest.mark.integration
async def test_an_accepted_draft_has_its_report_in_the_archive_once(house: House, server: Counted) -> None:
    drafts = house.make(archive=Archive(server))
    draft = await drafts.put(read(), **WHERE)
    series, instance = uids(draft.identifier)
    assert not await server.holds(STUDY, series, instance, deadline=soon())
    accepted = await drafts.decide(draft.id, Accept(), PERSON)
    assert (accepted.fault, accepted.structured_report) == ("", instance)
    made = pydicom.dcmread(BytesIO(await server.instance(STUDY, series, instance, deadline=soon())))
    assert (made.PatientID, made.StudyInstanceUID) == ("demo", STUDY)
    assert (made.CompletionFlag, made.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert "Consolidation, right lower zone" in made.to_json()
    assert await Archive(server).keep(accepted) == instance  # as after a crash: it is looked for first
    assert server.stored == 1


@pytest.mark.integration
async def test_a_persons_own_words_make_no_structured_report(house: House, server: Counted) -> None:
    drafts = house.make(archive=Archive(server))
    draft = await drafts.put(read(), **WHERE)
    edited = await drafts.decide(draft.id, Edit(conclusion="Normal."), PERSON)
    assert (edited.settled, edited.structured_report, server.stored) == (True, "", 0)


@pytest.mark.integration
async def test_images_that_are_gone_are_said_and_the_report_stays_filed(house: House, server: Counted) -> None:
    drafts = house.make(archive=Archive(server))
    gone = read().instances[0]
    draft = await drafts.put(
        read(instances=(type(gone)(study_uid=STUDY, series_uid="1.9", instance_uid="1.9.9"),)), **WHERE
    )
    accepted = await drafts.decide(draft.id, Accept(), PERSON)
    assert accepted.filed == "preliminary"
    assert "is not in the archive" in accepted.fault


async def test_an_archive_that_is_away_is_said_and_trying_again_goes_on(house: House) -> None:
    nowhere = DicomWeb(house.outbound, house.base.replace("/simulator/fhir", "/nothing-here"))
    drafts = house.make(archive=Archive(nowhere, patience_s=5))
    draft = await drafts.put(read(), **WHERE)
    accepted = await drafts.decide(draft.id, Accept(), PERSON)
    assert (accepted.filed, accepted.structured_report, accepted.settled) == ("preliminary", "", False)
    assert "its DICOM SR is not in the archive" in accepted.fault
    assert len(house.reports(draft.identifier)) == 1
    assert (await house.drafts.decide(draft.id, Accept(), PERSON)).settled
