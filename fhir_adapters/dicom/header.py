"""Header first: bytes or a path to a checked ``Header``, before any pixel is touched. Worker processes only (pydicom)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from fhir_adapters.dicom.description import Header, Identity, Triple
from fhir_adapters.dicom.errors import Malformed, NotDicom, OverLimit, UnsupportedPixels
from fhir_adapters.dicom.limits import MB, Limits, Shape, check_native_length, check_shape
from fhir_adapters.dicom.transfer_syntaxes import DEFLATED, syntax

NOT_CODE = re.compile(r"[^A-Z0-9 _]")
UID_TEXT = re.compile(r"[0-9.]{1,64}")
PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
OF_AN_ACQUISITION = (  # CR and DX Series, Image, Detector and X-Ray Acquisition Dose modules (PS3.3 C.8.1, C.8.7, C.8.11)
    "ImagerPixelSpacing", "DetectorType", "DetectorID", "PlateType", "PlateID", "PixelIntensityRelationship", "Sensitivity",
    "KVP", "Exposure", "ExposureInuAs", "ExposureTime", "ExposureTimeInuS", "XRayTubeCurrent", "ExposureIndex",
    "DistanceSourceToDetector", "AcquisitionDeviceProcessingDescription",
)  # fmt: skip
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


def load(source: bytes | str, limits: Limits) -> bytes:
    """The file's bytes, inflated where its data set is deflated; OverLimit beyond the cap, NotDicom without a prefix."""
    if isinstance(source, str):
        if (size := Path(source).stat().st_size) > limits.object_bytes:
            raise OverLimit(f"{size // MB} MB, at most {limits.object_bytes // MB}")
        source = Path(source).read_bytes()
    if len(source) > limits.object_bytes:
        raise OverLimit(f"{len(source) // MB} MB, at most {limits.object_bytes // MB}")
    if source[128:132] != b"DICM":
        raise NotDicom
    if DEFLATED.encode() in source[: 64 * 1024]:
        return _inflated(source, limits)
    return source


def read(data: bytes, limits: Limits) -> tuple[Header, FileDataset]:
    """The header of a loaded file, its sizes checked by arithmetic against the limits and the bytes present."""
    stream = BytesIO(data)
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True)
    except InvalidDicomError:
        raise NotDicom from None
    header = describe(dataset)
    if header.shape is not None:
        check_shape(header.shape, limits)
        if not 0 < header.bits_stored <= header.shape.bits_allocated:
            raise Malformed(f"{header.bits_stored} of {header.shape.bits_allocated} bits stored")
        if header.shape.bits_allocated > 16:  # parametric maps, doses, float pixels
            raise UnsupportedPixels(f"{header.shape.bits_allocated} bits a sample")
        known = syntax(header.transfer_syntax, header.bits_stored)
        if not known.codec:
            high = dataset.get("HighBit")
            if high is not None and number(high) != header.bits_stored - 1:  # PS3.5 §8.1.1
                raise UnsupportedPixels(f"{header.bits_stored} bits stored up to bit {number(high)}")
            length, present = _pixel_bytes(data, stream.tell(), header.transfer_syntax)
            check_native_length(header.shape, length, present)
    return header, dataset


def describe(dataset: Dataset) -> Header:
    """The few attributes that are used, each tolerant of nonsense."""
    meta = getattr(dataset, "file_meta", Dataset())
    return Header(
        sop_class=_uid(dataset, "SOPClassUID"),
        study_uid=_uid(dataset, "StudyInstanceUID"),
        series_uid=_uid(dataset, "SeriesInstanceUID"),
        instance_uid=_uid(dataset, "SOPInstanceUID"),
        transfer_syntax=_uid(meta, "TransferSyntaxUID"),
        modality=code(dataset.get("Modality")),
        shape=_shape(dataset),
        bits_stored=number(dataset.get("BitsStored")),
        signed=number(dataset.get("PixelRepresentation")) == 1,
        photometric=code(dataset.get("PhotometricInterpretation")),
        image_type=_codes(dataset.get("ImageType")),
        conversion=code(dataset.get("ConversionType")),
        acquired=any(dataset.get(name) not in (None, "") for name in OF_AN_ACQUISITION),
        intent=code(dataset.get("PresentationIntentType")),
        burned_in=code(dataset.get("BurnedInAnnotation")),
        body_part=code(dataset.get("BodyPartExamined")),
        view=code(dataset.get("ViewPosition")),
        laterality=code(dataset.get("ImageLaterality")) or code(dataset.get("Laterality")),
        orientation=_codes(dataset.get("PatientOrientation")),
        instance_number=number(dataset.get("InstanceNumber")),
        acquisition=number(dataset.get("AcquisitionNumber")),
        position=triple(dataset.get("ImagePositionPatient")),
        axes=_axes(dataset),
        frame_positions=_frame_positions(dataset),
        performed=_performed(dataset),
        identity=Identity(
            patient_id=str(dataset.get("PatientID") or "").strip(),
            issuer=str(dataset.get("IssuerOfPatientID") or "").strip(),
            issuer_uid=_issuer_uid(dataset),
            birth_date=str(dataset.get("PatientBirthDate") or "").strip(),
            sex=code(dataset.get("PatientSex")),
        ),
    )


def group(dataset: Dataset, name: str, frame: int) -> Dataset | None:
    """The item of a functional group for one frame: per-frame first, then shared (PS3.3 C.7.6.16)."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for holder in (*([frames[frame]] if frame < len(frames) else []), *shared[:1]):
        items = holder.get(name)
        if items:
            item: Dataset = items[0]
            return item
    return None


def number(value: Any) -> int:
    """An integer, 0 where it is none."""
    try:
        return int(value if not isinstance(value, list | tuple) else value[0])
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0


def code(value: Any) -> str:
    """A code string: upper case, its alphabet only, at most 32 characters."""
    return NOT_CODE.sub("", str(value or "").upper().strip())[:32].strip()


def triple(value: Any) -> Triple | None:
    """Three finite numbers or None."""
    try:
        x, y, z = (float(part) for part in value)
    except (TypeError, ValueError):
        return None
    return (x, y, z) if abs(x) + abs(y) + abs(z) < 1e9 else None


def _shape(dataset: Dataset) -> Shape | None:
    if "Rows" not in dataset and "Columns" not in dataset:
        return None
    frames = dataset.get("NumberOfFrames")
    return Shape(
        rows=number(dataset.get("Rows")),
        columns=number(dataset.get("Columns")),
        frames=1 if frames in (None, "") else number(frames),
        samples=number(dataset.get("SamplesPerPixel", 1)),
        bits_allocated=number(dataset.get("BitsAllocated")),
    )


def _uid(dataset: Dataset, name: str) -> str:
    value = str(dataset.get(name) or "").strip("\0 ")
    return value if UID_TEXT.fullmatch(value) else ""


def _codes(value: Any) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return (code(value),) if value else ()
    return tuple(code(part) for part in list(value)[:8]) if isinstance(value, Sequence) else ()


def _axes(dataset: Dataset) -> tuple[Triple, Triple] | None:
    value = dataset.get("ImageOrientationPatient")
    if value is None:
        plane = group(dataset, "PlaneOrientationSequence", 0)
        value = plane.get("ImageOrientationPatient") if plane is not None else None
    try:
        rows, columns = triple(list(value)[:3]), triple(list(value)[3:6])
    except TypeError:
        return None
    return (rows, columns) if rows and columns else None


def _frame_positions(dataset: Dataset) -> tuple[Triple | None, ...]:
    found = []
    for frame in list(dataset.get("PerFrameFunctionalGroupsSequence") or ())[:10_000]:
        plane = frame.get("PlanePositionSequence")
        found.append(triple(plane[0].get("ImagePositionPatient")) if plane else None)
    return tuple(found)


def _issuer_uid(dataset: Dataset) -> str:
    qualifiers = dataset.get("IssuerOfPatientIDQualifiersSequence")
    return str(qualifiers[0].get("UniversalEntityID") or "").strip() if qualifiers else ""


def _performed(dataset: Dataset) -> str:
    """Acquisition before content, series and study; date alone where there is no time. ISO 8601."""
    for day_name, time_name in (
        ("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"),
        ("SeriesDate", "SeriesTime"), ("StudyDate", "StudyTime"),
    ):  # fmt: skip
        day, time = str(dataset.get(day_name) or ""), str(dataset.get(time_name) or "")
        if re.fullmatch(r"[12]\d{3}[01]\d[0-3]\d", day):
            clock = f"T{time[:2]}:{time[2:4]}:{time[4:6]}" if re.match(r"[0-2]\d[0-5]\d[0-6]\d", time) else ""
            return f"{day[:4]}-{day[4:6]}-{day[6:]}{clock}"
    return ""


def _pixel_bytes(data: bytes, position: int, transfer_syntax: str) -> tuple[int, int]:
    """Declared length of the pixel data element at ``position``, and how many bytes follow its length field."""
    if data[position : position + 4] not in PIXEL_DATA:
        raise Malformed("no pixel data")
    order = "big" if transfer_syntax.endswith("1.2.2") else "little"
    start, size = position + 4, 4
    if data[start : start + 2] in (b"OB", b"OW"):
        start += 4
    length = int.from_bytes(data[start : start + size], order)  # type: ignore[arg-type]
    return length, len(data) - start - size


def _inflated(source: bytes, limits: Limits) -> bytes:
    """The file rewritten as Explicit VR Little Endian, inflated under the cap: a deflated bomb never unfolds."""
    start = 144 + int.from_bytes(source[140:144], "little")
    if source[132:138] != b"\x02\0\0\0UL" or start > len(source):
        raise Malformed("file meta information")
    elements = read_dataset(BytesIO(source[132:start]), is_implicit_VR=False, is_little_endian=True)
    meta = FileMetaDataset(elements)
    if str(meta.get("TransferSyntaxUID", "")) != DEFLATED:
        raise Malformed("file meta information")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(source[start:], limits.inflated_bytes)
    except zlib.error:
        raise Malformed("deflated data set") from None
    if inflater.unconsumed_tail:
        raise OverLimit(f"inflates beyond {limits.inflated_bytes // MB} MB")
    if not inflater.eof:
        raise Malformed("deflated data set cut off")
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    out = DicomBytesIO()
    out.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(out, meta, enforce_standard=False)
    return out.getvalue() + body
