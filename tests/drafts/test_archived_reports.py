"""The DICOM SR of an accepted draft, kept by a real archive next to the images that were read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pydicom
import pytest

from cds_service.audit import remarks
from cds_service.drafts.archived import Archive
from cds_service.drafts.draft import Accept, Edit, Reject
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.dicom import rejection_note
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import StoreFailed
from fhir_adapters.dicom.structured_report import uids
from fhir_adapters.outbound import Outbound
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import STUDY, read
from tests.fhir_adapters.dicom.made import dicom
from tests.fhir_adapters.dicom.orthanc import orthanc

__all__ = ["orthanc"]


class Counted(DicomWeb):
    """Counts what is stored; refuses to store as often as it is told to."""

    stored = 0
    refusals = 0

    async def store(self, objects: list[bytes], *, deadline: float) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreFailed("reason 272")
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
    assert all(words in made.to_json() for words in ("Consolidation", "right lower zone"))
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


async def note_of(server: Counted, identifier: str) -> pydicom.Dataset:
    series, instance = rejection_note.uids(identifier)
    return pydicom.dcmread(BytesIO(await server.instance(STUDY, series, instance, deadline=soon())))


@pytest.mark.integration
async def test_a_rejected_drafts_report_stays_in_the_archive_with_one_note_that_rejects_it(
    house: House, server: Counted
) -> None:
    told: list[tuple[str, ...]] = []
    drafts = house.make(archive=Archive(server), audit=lambda _event, draft: told.append(draft.notes))
    draft = await drafts.put(read(), **WHERE)
    await drafts.decide(draft.id, Accept(), PERSON)
    rejected = await drafts.decide(draft.id, Reject(reason="wrong"), PERSON)
    report, note = uids(draft.identifier)[1], rejection_note.uids(draft.identifier)[1]
    assert (rejected.filed, rejected.fault) == ("entered-in-error", "")
    assert (rejected.structured_report, rejected.rejection_note, rejected.orphaned) == (report, note, False)
    assert told[-1] == (f"structured-report:{report}", f"rejection-note:{note}")
    assert tuple(remarks(told[-1])) == told[-1]  # the audit trail withholds none of it
    made = await note_of(server, draft.identifier)
    title, modifier = made.ConceptNameCodeSequence[0], made.ContentSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113001", "DCM")
    assert modifier.ConceptNameCodeSequence[0].CodeValue == "113011"
    named = made.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert [each.ReferencedSOPInstanceUID for each in named] == [report]
    assert (made.PatientID, made.StudyInstanceUID, made.Modality) == ("demo", STUDY, "KO")
    assert "wrong" not in made.to_json()  # what the person wrote goes to no archive
    assert await Archive(server).reject(rejected) == (report, note)  # as after a crash: it is looked for first
    assert server.stored == 2


@pytest.mark.integration
async def test_a_note_the_archive_does_not_take_is_said_with_the_uid_that_remains_and_trying_again_stores_it(
    house: House, server: Counted
) -> None:
    drafts = house.make(archive=Archive(server))
    draft = await drafts.put(read(), **WHERE)
    accepted = await drafts.decide(draft.id, Accept(), PERSON)
    server.refusals = 1
    rejected = await drafts.decide(draft.id, Reject(), PERSON)
    assert (rejected.filed, rejected.orphaned, rejected.settled) == ("entered-in-error", True, False)
    assert accepted.structured_report in rejected.fault
    assert remarks(rejected.notes)[-1] == "structured report remains in the archive"
    again = await drafts.decide(draft.id, Reject(), PERSON)
    assert (again.settled, again.orphaned) == (True, False)
    assert len(house.provenances(again.report)) == 2  # accepted, withdrawn; trying again writes nothing to the record


@pytest.mark.long
@pytest.mark.integration
async def test_a_report_stored_by_a_process_that_died_is_found_when_its_draft_is_rejected(
    house: House, server: Counted
) -> None:
    drafts = house.make(archive=Archive(server))
    draft = await drafts.put(read(), **WHERE)
    accepted = await house.drafts.decide(
        draft.id, Accept(), PERSON
    )  # this one keeps no archive, and knows of no report
    await Archive(server).keep(accepted)
    rejected = await drafts.decide(draft.id, Reject(), PERSON)
    assert rejected.structured_report == uids(draft.identifier)[1]
    assert (await note_of(server, draft.identifier)).Modality == "KO"


@pytest.mark.long
@pytest.mark.integration
async def test_words_of_a_persons_own_reject_the_report_that_was_stored_unreviewed(
    house: House, server: Counted
) -> None:
    drafts = house.make(archive=Archive(server), file_unreviewed=True)
    draft = await drafts.put(read(), **WHERE)
    assert (draft.filed, draft.structured_report) == ("partial", uids(draft.identifier)[1])
    edited = await drafts.decide(draft.id, Edit(conclusion="Normal."), PERSON)
    assert (edited.filed, edited.orphaned, edited.settled) == ("preliminary", False, True)
    assert "replaced by the words" in (await note_of(server, draft.identifier)).to_json()


@pytest.mark.integration
async def test_a_rejected_draft_that_was_never_archived_needs_no_note(house: House, server: Counted) -> None:
    drafts = house.make(archive=Archive(server))
    draft = await drafts.put(read(), **WHERE)
    await house.drafts.decide(draft.id, Accept(), PERSON)
    rejected = await drafts.decide(draft.id, Reject(), PERSON)
    assert (rejected.settled, rejected.rejection_note, server.stored) == (True, "", 0)
