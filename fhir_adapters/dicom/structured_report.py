"""A DICOM SR of an AI read (TID 1500, Comprehensive 3D SR): PARTIAL, UNVERIFIED, by a device, qualitative findings alone.

``make`` runs ``python -m fhir_adapters.dicom.structured_report``: highdicom stays out of the calling process. The headers
of the images (DICOM JSON, PS3.18 annex F) give patient and study to the object and go nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from fhir_adapters import child_process

LIMIT_S = 20.0
STATES = {"present": "52101004 Present", "absent": "2667000 Absent", "uncertain": "82334004 Indeterminate"}
SCHEME = "99MGCDS"
# type 2 of every image: an archive's answer may leave them out, highdicom reads them
MAY_BE_EMPTY = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
MEANING = 64  # characters of a Code Meaning (LO)
PRESENCE = ("705057003", "SCT", "Presence")


class ReportFailed(RuntimeError):
    """The process gave no object: headers that do not belong together, or a fault in them; nothing was stored."""


class QualitativeFinding(Struct, frozen=True, kw_only=True):
    """One finding as it stands in the report."""

    key: str
    name: str
    state: str  # present, absent, uncertain
    where: str = ""


class Asked(Struct, frozen=True, kw_only=True):
    """Everything the object is made of. ``identifier`` (urn:uuid) fixes its UIDs: made twice, it is the same object."""

    identifier: str
    headers: Sequence[dict[str, Any]]  # of the images the model was shown
    procedure: tuple[str, str]  # LOINC code, display
    findings: Sequence[QualitativeFinding]
    model: str
    version: str


async def make(asked: Asked) -> bytes:
    """The SR as a DICOM file, for STOW-RS. ``ReportFailed`` where there is no finding: there is nothing to say."""
    if not asked.findings or not asked.headers:
        raise ReportFailed("a structured report needs a finding and the image it is about")
    try:
        made = await child_process.ask("fhir_adapters.dicom.structured_report", msgspec.json.encode(asked), LIMIT_S)
    except child_process.ChildFailed as error:
        raise ReportFailed(f"the structured report could not be made: {error}") from None
    if made[128:132] != b"DICM":
        raise ReportFailed("the structured report could not be made")
    return made


def uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 annex B.2) that is the same whenever the parts are."""
    return f"2.25.{uuid5(UUID(int=0), chr(0).join(parts)).int}"


def uids(identifier: str) -> tuple[str, str]:
    """Series and SOP Instance UID of the report of ``identifier``: known before it is made."""
    return uid(identifier, "series"), uid(identifier, "instance")


def build(asked: Asked) -> bytes:
    """The object itself; imports highdicom."""
    from io import BytesIO

    import highdicom.sr as sr
    from pydicom import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    images = [Dataset.from_json(header) for header in asked.headers]
    for image in images:
        for keyword in MAY_BE_EMPTY:
            if keyword not in image:
                setattr(image, keyword, None)
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid("device", asked.model, asked.version), name="MedGemma CDS", model_name=asked.model[:MEANING]
        ),
    )
    groups = [  # one a finding: its type, its place, and whether it is there
        sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=uid(asked.identifier, "finding", each.key), identifier=each.name
            ),
            algorithm_id=sr.AlgorithmIdentification(name=asked.model, version=asked.version),
            finding_type=_own(each.key, each.name),
            finding_sites=[sr.FindingSite(anatomic_location=_own(each.where.replace(" ", "-"), each.where))]
            if each.where
            else None,
            qualitative_evaluations=[
                sr.QualitativeEvaluation(name=Code(*PRESENCE), value=Code(*_state(each.state))),
            ],
            source_images=[sr.SourceImageForMeasurementGroup.from_source_image(image) for image in images],
        )
        for each in asked.findings
    ]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=Code(asked.procedure[0], "LN", asked.procedure[1]),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    series, instance = uids(asked.identifier)
    report = sr.Comprehensive3DSR(
        evidence=images,
        content=content,
        series_instance_uid=series,
        series_number=9000,
        sop_instance_uid=instance,
        instance_number=1,
        manufacturer="MedGemma CDS",
        is_complete=False,
        is_final=False,
        is_verified=False,
        series_description="AI-drafted findings, unverified",
    )
    out = BytesIO()
    report.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _own(key: str, words: str) -> Any:
    """A coded concept of our own scheme: one meaning a code."""
    from highdicom.sr import CodedConcept

    return CodedConcept(key, SCHEME, words[:MEANING])


def _state(state: str) -> tuple[str, str, str]:
    code, _, meaning = STATES[state].partition(" ")
    return code, "SCT", meaning


if __name__ == "__main__":
    sys.stdout.buffer.write(build(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)))
