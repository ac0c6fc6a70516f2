"""A DICOM file in another transfer syntax: ``python -m tests.fhir_adapters.dicom.recode UID IN OUT``. A process of its own,

since gdcm loaded before openjpeg crashes it.
"""

from __future__ import annotations

import sys

import gdcm

SYNTAX = {
    "1.2.840.10008.1.2.4.50": gdcm.TransferSyntax.JPEGBaselineProcess1,
    "1.2.840.10008.1.2.4.51": gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    "1.2.840.10008.1.2.4.57": gdcm.TransferSyntax.JPEGLosslessProcess14,
    "1.2.840.10008.1.2.4.70": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "1.2.840.10008.1.2.4.80": gdcm.TransferSyntax.JPEGLSLossless,
    "1.2.840.10008.1.2.4.81": gdcm.TransferSyntax.JPEGLSNearLossless,
    "1.2.840.10008.1.2.4.90": gdcm.TransferSyntax.JPEG2000Lossless,
    "1.2.840.10008.1.2.4.91": gdcm.TransferSyntax.JPEG2000,
    "1.2.840.10008.1.2.5": gdcm.TransferSyntax.RLELossless,
}


def main(uid: str, source: str, target: str) -> int:
    """Exit status 0 when it was written."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(source)
    if not reader.Read():
        return 2
    change.SetTransferSyntax(gdcm.TransferSyntax(SYNTAX[uid]))
    change.SetInput(reader.GetImage())
    if not change.Change():
        return 3
    writer.SetFileName(target)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    return 0 if writer.Write() else 4


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
