"""The DICOM SR of a read: honest flags, a device as its author, and the patient and study of its images."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.sr.codedict import codes

from fhir_adapters.dicom.structured_report import Asked, QualitativeFinding, ReportFailed, make

HEADER: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.1.1"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.1.1"]},
    "00080060": {"vr": "CS", "Value": ["DX"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    "00100020": {"vr": "LO", "Value": ["p1"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
    "00280010": {"vr": "US", "Value": [4]},
    "00280011": {"vr": "US", "Value": [4]},
}
ASKED = Asked(
    identifier="urn:uuid:00000000-0000-4000-8000-000000000001",
    headers=[HEADER],
    procedure=("30745-4", "XR Chest Views"),
    findings=[
        QualitativeFinding(key="consolidation", name="Consolidation", state="present", where="right lower zone"),
        QualitativeFinding(key="pleural-effusion", name="Pleural effusion", state="absent"),
        QualitativeFinding(key="enlarged-heart-shadow", name="Enlarged heart " * 9, state="uncertain"),
    ],
    model="google/medgemma-1.5-4b-it",
    version="r1",
)


def finding(group: pydicom.Dataset) -> Iterator[str]:
    """Code and meaning of a group's finding, its place, and whether it is there."""
    named = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in group.ContentSequence}
    kind = named["Finding"].ConceptCodeSequence[0]
    yield kind.get("CodeValue") or kind.LongCodeValue
    yield kind.CodeMeaning
    yield named["Finding Site"].ConceptCodeSequence[0].CodeMeaning if "Finding Site" in named else ""
    yield named["Presence"].ConceptCodeSequence[0].CodeMeaning


async def test_the_report_is_partial_unverified_and_by_a_device() -> None:
    made = pydicom.dcmread(BytesIO(await make(ASKED)))
    assert (made.CompletionFlag, made.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
    assert (made.PatientID, made.StudyInstanceUID) == ("p1", "1.2.3")
    assert made.SeriesInstanceUID != "1.2.3.1"
    assert made.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    words = made.to_json()
    assert "google/medgemma-1.5-4b-it" in words
    assert codes.DCM.Device.meaning in words
    assert "Person Observer" not in words
    assert all(state in words for state in ("Present", "Absent", "Indeterminate"))
    groups = made.ContentSequence[-1].ContentSequence
    assert [tuple(finding(group)) for group in groups] == [
        ("consolidation", "Consolidation", "right lower zone", "Present"),
        ("pleural-effusion", "Pleural effusion", "", "Absent"),
        ("enlarged-heart-shadow", ("Enlarged heart " * 9)[:64], "", "Indeterminate"),
    ]
    assert made.SOPInstanceUID == pydicom.dcmread(BytesIO(await make(ASKED))).SOPInstanceUID


async def test_headers_that_are_none_make_no_report() -> None:
    with pytest.raises(ReportFailed):
        await make(Asked(**{**{n: getattr(ASKED, n) for n in ASKED.__struct_fields__}, "headers": [{}]}))
