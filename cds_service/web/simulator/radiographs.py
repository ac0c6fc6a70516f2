"""Makes the demo's radiographs and indexes DICOM files. A program of its own: the web process loads neither numpy nor pydicom.

``python -m cds_service.web.simulator.radiographs make`` reads studies as JSON on standard input and writes a DICOM file
for each into the folder named; ``index`` reads one file on standard input. Both print QIDO-RS rows as JSON. The picture
is drawn from ellipses: a chest by its outline, nobody's, and with no finding to read in it.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

SIDE = 1024


def drawing() -> NDArray[np.uint16]:
    """A chest in twelve bits, from ellipses: body, lungs, heart, spine, ribs as arcs."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
        inside: NDArray[np.float64] = 1 / (1 + np.exp(40 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 - 1)))
        return inside

    lungs = np.maximum(ellipse(-0.38, 0.0, 0.28, 0.6), ellipse(0.38, 0.0, 0.26, 0.6))
    picture = 1900 * ellipse(0, 0.1, 0.86, 1.1) - 1300 * lungs
    picture += 1100 * ellipse(0.12, 0.28, 0.26, 0.3) + 500 * ellipse(0, 0, 0.07, 1.2)
    ribs = np.sin(26 * (y + 0.35 * x**2)) > 0.72
    picture += 260 * ribs * lungs + np.random.default_rng(1).normal(0, 25, picture.shape)
    return np.asarray(np.clip(picture + 200, 0, 4095), dtype=np.uint16)


def radiograph(study: dict[str, Any], pixels: NDArray[np.uint16]) -> bytes:
    """One Digital X-Ray Image for presentation (PS3.3 A.26), its header as the record has it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
    meta.MediaStorageSOPInstanceUID = UID(study["instance"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = UID(study["study"]), UID(study["series"])
    made.PatientID, made.PatientName, made.PatientBirthDate = study["patient_id"], study["name"], study["birth_date"]
    made.PatientSex = study["sex"]
    made.StudyDate = made.AcquisitionDate = study["date"]
    made.StudyTime = made.AcquisitionTime = study["time"]
    made.Modality, made.BodyPartExamined, made.ViewPosition = study["modality"], study["body_part"], "PA"
    made.StudyDescription = study["description"]
    made.ImageType, made.PresentationIntentType = ["ORIGINAL", "PRIMARY", ""], "FOR PRESENTATION"
    made.PatientOrientation, made.BurnedInAnnotation = ["L", "F"], "NO"
    made.ImagerPixelSpacing, made.PixelIntensityRelationship, made.PixelIntensityRelationshipSign = (
        [0.34, 0.34],
        "LOG",
        -1,
    )
    made.SeriesNumber = made.InstanceNumber = 1
    made.AccessionNumber = made.ReferringPhysicianName = made.StudyID = ""
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PresentationLUTShape = 1, "MONOCHROME2", "IDENTITY"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = pixels.tobytes()
    out = BytesIO()
    made.save_as(out, enforce_file_format=True)
    return out.getvalue()


def row(data: bytes) -> dict[str, Any]:
    """The header as DICOM JSON, without pixels and bulk data."""
    dataset: Dataset = pydicom.dcmread(BytesIO(data), stop_before_pixels=True)
    kept = Dataset()
    for element in dataset:
        if element.VR not in ("OB", "OW", "OF", "OD", "UN", "SQ") and not element.tag.is_private:
            kept.add(element)
    return kept.to_json_dict(suppress_invalid_tags=True)


def main() -> None:
    """``make FOLDER`` or ``index``."""
    if sys.argv[1] == "index":
        rows = [row(sys.stdin.buffer.read())]
    else:
        pixels, rows = drawing(), []
        for study in json.load(sys.stdin.buffer):
            data = radiograph(study, pixels)
            (Path(sys.argv[2]) / f"{study['instance']}.dcm").write_bytes(data)
            rows.append(row(data))
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main()
