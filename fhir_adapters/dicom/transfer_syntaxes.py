"""Transfer syntaxes (PS3.5 annex A, PS3.6 table A-1) and what decodes them here. What is not listed is private.

Every one of the standard is here, the retired ones too: what is not decoded is refused by its name.
"""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.dicom.errors import UnsupportedSyntax


class Syntax(Struct, frozen=True):
    """``decoder`` is a pydicom decoding plugin, '' for uncompressed; ``refused`` says why nothing decodes it."""

    name: str
    decoder: str = ""
    codec: str = ""  # 'jpeg', 'jpeg2000', 'rle', '' uncompressed
    refused: str = ""
    bits: int = 16  # most bits stored the decoder takes


BASE = "1.2.840.10008.1.2"
DEFLATED = f"{BASE}.1.99"
SYNTAXES: dict[str, Syntax] = {
    BASE: Syntax("Implicit VR Little Endian"),
    f"{BASE}.1": Syntax("Explicit VR Little Endian"),
    DEFLATED: Syntax("Deflated Explicit VR Little Endian"),
    f"{BASE}.2": Syntax("Explicit VR Big Endian"),
    f"{BASE}.5": Syntax("RLE Lossless", "pylibjpeg", "rle"),
    f"{BASE}.4.50": Syntax("JPEG Baseline", "pillow", "jpeg", bits=8),
    f"{BASE}.4.51": Syntax("JPEG Extended", "pillow", "jpeg", bits=8),
    f"{BASE}.4.57": Syntax("JPEG Lossless, Process 14", "gdcm", "jpeg"),
    f"{BASE}.4.70": Syntax("JPEG Lossless, Process 14 SV1", "gdcm", "jpeg"),
    f"{BASE}.4.80": Syntax("JPEG-LS Lossless", "gdcm", "jpeg"),
    f"{BASE}.4.81": Syntax("JPEG-LS Near-Lossless", "gdcm", "jpeg"),
    f"{BASE}.4.90": Syntax("JPEG 2000 Lossless", "pylibjpeg", "jpeg2000"),
    f"{BASE}.4.91": Syntax("JPEG 2000", "pylibjpeg", "jpeg2000"),
    f"{BASE}.4.201": Syntax("HTJ2K Lossless", "pylibjpeg", "jpeg2000"),
    f"{BASE}.4.202": Syntax("HTJ2K Lossless RPCL", "pylibjpeg", "jpeg2000"),
    f"{BASE}.4.203": Syntax("HTJ2K", "pylibjpeg", "jpeg2000"),
    f"{BASE}.4.92": Syntax("JPEG 2000 Part 2", refused="multi-component transforms"),
    f"{BASE}.4.93": Syntax("JPEG 2000 Part 2 Lossless", refused="multi-component transforms"),
    f"{BASE}.4.94": Syntax("JPIP Referenced", refused="the pixels are elsewhere"),
    f"{BASE}.4.95": Syntax("JPIP Referenced Deflate", refused="the pixels are elsewhere"),
    f"{BASE}.4.100": Syntax("MPEG2 Main Profile", refused="video"),
    f"{BASE}.4.101": Syntax("MPEG2 Main Profile High Level", refused="video"),
    f"{BASE}.4.102": Syntax("MPEG-4 AVC/H.264", refused="video"),
    f"{BASE}.4.103": Syntax("MPEG-4 AVC/H.264 BD", refused="video"),
    f"{BASE}.4.104": Syntax("MPEG-4 AVC/H.264 4.2 2D", refused="video"),
    f"{BASE}.4.105": Syntax("MPEG-4 AVC/H.264 4.2 3D", refused="video"),
    f"{BASE}.4.106": Syntax("MPEG-4 AVC/H.264 Stereo", refused="video"),
    f"{BASE}.4.107": Syntax("HEVC/H.265 Main", refused="video"),
    f"{BASE}.4.108": Syntax("HEVC/H.265 Main 10", refused="video"),
    f"{BASE}.4.110": Syntax("JPEG XL Lossless", refused="no decoder"),
    f"{BASE}.4.111": Syntax("JPEG XL JPEG Recompression", refused="no decoder"),
    f"{BASE}.4.112": Syntax("JPEG XL", refused="no decoder"),
    f"{BASE}.6.1": Syntax("RFC 2557 MIME encapsulation", refused="retired"),
    f"{BASE}.7.1": Syntax("SMPTE ST 2110-20", refused="video"),
    f"{BASE}.8.1": Syntax("Deflated Image Frame Compression", refused="no decoder"),
}  # fmt: skip
SYNTAXES |= {
    f"{BASE}.4.{number}": Syntax(f"JPEG {name}", refused="retired")
    for number, name in {
        52: "Extended, Process 3 and 5", 53: "Spectral Selection, Process 6 and 8", 54: "Spectral Selection, Process 7 and 9",
        55: "Full Progression, Process 10 and 12", 56: "Full Progression, Process 11 and 13", 58: "Lossless, Process 15",
        59: "Extended, Hierarchical, Process 16 and 18", 60: "Extended, Hierarchical, Process 17 and 19",
        61: "Spectral Selection, Hierarchical, Process 20 and 22", 62: "Spectral Selection, Hierarchical, Process 21 and 23",
        63: "Full Progression, Hierarchical, Process 24 and 26", 64: "Full Progression, Hierarchical, Process 25 and 27",
        65: "Lossless, Hierarchical, Process 28", 66: "Lossless, Hierarchical, Process 29",
    }.items()
}  # fmt: skip
SYNTAXES |= {
    f"{uid}.1": Syntax(f"Fragmentable {known.name}", refused="video")
    for uid, known in list(SYNTAXES.items())
    if known.refused == "video" and uid.startswith(f"{BASE}.4.10") and not uid.endswith((".107", ".108"))
}
SYNTAXES |= {
    f"{BASE}.1.98": Syntax("Encapsulated Uncompressed", refused="no decoder"),
    f"{BASE}.4.204": Syntax("JPIP HTJ2K Referenced", refused="the pixels are elsewhere"),
    f"{BASE}.4.205": Syntax("JPIP HTJ2K Referenced Deflate", refused="the pixels are elsewhere"),
    f"{BASE}.6.2": Syntax("XML Encoding", refused="retired"),
    f"{BASE}.7.2": Syntax("SMPTE ST 2110-20, interlaced", refused="video"),
    f"{BASE}.7.3": Syntax("SMPTE ST 2110-30", refused="audio"),
    "1.2.840.10008.1.20": Syntax("Papyrus 3", refused="retired"),
}


def syntax(uid: str, bits_stored: int = 8) -> Syntax:
    """The entry of ``uid``; UnsupportedSyntax by name where nothing decodes it at this depth."""
    known = SYNTAXES.get(uid)
    if known is None:
        raise UnsupportedSyntax("unknown or private" if uid else "none given")
    if known.refused:
        raise UnsupportedSyntax(f"{known.name} ({known.refused})")
    if bits_stored > known.bits:
        raise UnsupportedSyntax(f"{known.name} with {bits_stored} bits")
    return known
