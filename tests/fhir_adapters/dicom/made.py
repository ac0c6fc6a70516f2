"""DICOM files made by the tests: small, of any shape, right or wrong on purpose."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

SOP_CLASS = {
    "DX": "1.2.840.10008.5.1.4.1.1.1.1", "CR": "1.2.840.10008.5.1.4.1.1.1", "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4", "US": "1.2.840.10008.5.1.4.1.1.6.1", "SC": "1.2.840.10008.5.1.4.1.1.7",
}  # fmt: skip


FILM = {"ViewPosition": "PA", "BodyPartExamined": "CHEST", "ImagerPixelSpacing": [0.2, 0.2]}


def ramp(rows: int = 64, columns: int = 48, most: int = 4095) -> np.ndarray[Any, Any]:
    """Dark above, bright below, a bright corner at the upper left."""
    pixels = np.linspace(0, most, rows * columns).reshape(rows, columns)
    pixels[: rows // 8, : columns // 8] = most
    return pixels.astype(np.uint16)


def dicom(pixels: np.ndarray[Any, Any] | None = None, modality: str = "DX", **attributes: Any) -> bytes:
    """A file. ``attributes`` overrule; None takes one away."""
    pixels = ramp() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(SOP_CLASS.get(modality, SOP_CLASS["SC"]))
    meta.MediaStorageSOPInstanceUID = UID(attributes.get("SOPInstanceUID") or generate_uid())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    values: dict[str, Any] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "Modality": modality,
        "PatientID": "P1", "PatientName": "Test^Canary", "PatientBirthDate": "19700101", "PatientSex": "F",
        "StudyDate": "20261120", "StudyTime": "081000",
        "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": pixels.itemsize * 8, "BitsStored": 12 if pixels.itemsize == 2 else 8,
        "PixelRepresentation": int(pixels.dtype.kind == "i"), "InstanceNumber": 1,
        **({"PlanarConfiguration": 0} if colour else {}),
        **({"RescaleSlope": 1, "RescaleIntercept": -1024} if modality == "CT" else {}),
        **(FILM if modality in ("DX", "CR") else {}),
    }  # fmt: skip
    values |= {"HighBit": values["BitsStored"] - 1, "PixelData": pixels.tobytes()}
    for name, value in (values | attributes).items():
        if value is not None:
            setattr(made, name, value)
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()
