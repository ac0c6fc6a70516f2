"""The DICOM SR kept by a real archive and given back unchanged."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pydicom
import pytest

from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.structured_report import make
from fhir_adapters.outbound import Outbound
from tests.fhir_adapters.dicom.orthanc import orthanc
from tests.fhir_adapters.dicom.test_structured_report import ASKED

__all__ = ["orthanc"]


@pytest.mark.integration
async def test_an_archive_keeps_the_report_and_gives_it_back(orthanc: str) -> None:
    made = await make(ASKED)
    sent = pydicom.dcmread(BytesIO(made))
    async with Outbound(Policy(operator=[str(origin_of(orthanc))])) as outbound:
        archive, deadline = DicomWeb(outbound, orthanc), asyncio.get_running_loop().time() + 20
        await archive.store([made], deadline=deadline)
        stored = await archive.instance(
            sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID, deadline=deadline
        )
    back = pydicom.dcmread(BytesIO(stored))
    assert back.ContentSequence == sent.ContentSequence
    assert (back.CompletionFlag, back.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
