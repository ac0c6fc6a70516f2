"""What a compressed frame itself says of its size, read from its first marker segments: a codec is never asked to find out."""

from __future__ import annotations

from fhir_adapters.dicom.errors import Malformed
from fhir_adapters.dicom.limits import Shape

SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
MOST_TILES = 65_535  # ISO/IEC 15444-1 A.5.1: the tile index has 16 bits


def check(frame: bytes, codec: str, shape: Shape) -> None:
    """Malformed where the codestream has other sizes than the header. RLE has no sizes of its own."""
    if codec == "jpeg2000":
        found = _jpeg2000(frame)
    elif codec == "jpeg":
        found = _jpeg(frame)
    else:
        return
    if found != (shape.rows, shape.columns, shape.samples):
        raise Malformed("the compressed image has another size than the header says")


def _jpeg2000(frame: bytes) -> tuple[int, int, int]:
    """SIZ marker segment (ISO/IEC 15444-1 A.5.1)."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(frame) < start + 42:
        raise Malformed("no JPEG 2000 codestream")
    words = [int.from_bytes(frame[start + 8 + 4 * i : start + 12 + 4 * i], "big") for i in range(8)]
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0 = words
    if not tile_x or not tile_y or x1 <= x0 or y1 <= y0 or tile_x0 > x0 or tile_y0 > y0:
        raise Malformed("JPEG 2000 sizes contradict each other")
    if -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y) > MOST_TILES:
        raise Malformed("more JPEG 2000 tiles than there can be")
    return y1 - y0, x1 - x0, int.from_bytes(frame[start + 40 : start + 42], "big")


def _jpeg(frame: bytes) -> tuple[int, int, int]:
    """The frame header SOFn, SOF55 for JPEG-LS (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2)."""
    position = 2
    if frame[:2] != b"\xff\xd8":
        raise Malformed("no JPEG codestream")
    while position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in SOF:
            size = frame[position + 5 : position + 10]
            return int.from_bytes(size[:2], "big"), int.from_bytes(size[2:4], "big"), size[4]
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    raise Malformed("no JPEG frame header")
