"""A DICOM rejection note (IHE RAD, Imaging Object Change Management): a Key Object Selection that says an object is rejected.

DICOMweb cannot withdraw an object. The note stands beside it in its study: archives and viewers that follow the profile hide
what it refers to, others show both. ``make`` runs ``python -m fhir_adapters.dicom.rejection_note``: highdicom stays out of the
calling process. The header of the rejected object (DICOM JSON, PS3.18 annex F) gives patient and study and goes nowhere else.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from msgspec import Struct

from fhir_adapters import child_process
from fhir_adapters.dicom.structured_report import LIMIT_S, MAY_BE_EMPTY, ReportFailed, uid

SERIES_NUMBER = 9001


class Rejected(Struct, frozen=True, kw_only=True):
    """What the note is made of. ``identifier`` (urn:uuid) is the draft's: made twice, it is the same object."""

    identifier: str
    header: dict[str, Any]  # of the object that is rejected, as the archive gives it
    reason: str  # in words of ours


async def make(rejected: Rejected) -> bytes:
    """The note as a DICOM file, for STOW-RS. ``ReportFailed`` where the header makes none."""
    try:
        made = await child_process.ask("fhir_adapters.dicom.rejection_note", msgspec.json.encode(rejected), LIMIT_S)
    except child_process.ChildFailed as error:
        raise ReportFailed(f"the rejection note could not be made: {error}") from None
    if made[128:132] != b"DICM":
        raise ReportFailed("the rejection note could not be made")
    return made


def uids(identifier: str) -> tuple[str, str]:
    """Series and SOP Instance UID of the note about the report of ``identifier``: known before it is made."""
    return uid(identifier, "rejection series"), uid(identifier, "rejection")


def build(rejected: Rejected) -> bytes:
    """The object itself; imports highdicom."""
    from io import BytesIO

    from highdicom import ko, sr
    from pydicom import Dataset
    from pydicom.sr.codedict import codes

    report = Dataset.from_json(rejected.header)
    for keyword in MAY_BE_EMPTY:
        if keyword not in report:
            setattr(report, keyword, None)
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(uid=uid("notes"), name="MedGemma CDS"),
    )
    content = ko.KeyObjectSelection(
        document_title=codes.DCM.RejectedForQualityReasons,
        referenced_objects=[report],
        observer_device_context=observer,
        description=rejected.reason,
    )
    series, instance = uids(rejected.identifier)
    note = ko.KeyObjectSelectionDocument(
        evidence=[report],
        content=content,
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=instance,
        instance_number=1,
        manufacturer="MedGemma CDS",
        series_description="Rejection note: AI-drafted findings",
    )
    modifier = sr.CodeContentItem(  # TID 2010 wants one beside this title (CID 7011); highdicom writes none
        name=codes.DCM.DocumentTitleModifier,
        value=codes.DCM.OtherFailure,
        relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD,
    )
    note.ContentSequence.insert(0, modifier)
    out = BytesIO()
    note.save_as(out, enforce_file_format=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(build(msgspec.json.decode(sys.stdin.buffer.read(), type=Rejected)))
