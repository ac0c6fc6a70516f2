"""multipart/related (RFC 2387, RFC 2046 §5.1), read strictly and byte for byte, and written for STOW-RS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex

from msgspec import Struct

from fhir_adapters.dicom.errors import BadMultipart

MOST_HEADERS = 16 * 1024  # bytes of one part's header block
MOST_PARTS = 1024
# RFC 2046 §5.1.1: 1 to 70 of these, not ending with a blank
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)')

Body = bytes | bytearray


class Part(Struct, frozen=True):
    """One part. ``headers`` have lower-case names; ``payload`` is not trimmed."""

    headers: Mapping[str, str]
    payload: memoryview

    @property
    def media_type(self) -> str:
        """``application/dicom``, '' where the part does not say."""
        return media_type(self.headers.get("content-type", ""))

    @property
    def transfer_syntax(self) -> str:
        """The transfer-syntax parameter of the part, '' where it has none."""
        return parameters(self.headers.get("content-type", "")).get("transfer-syntax", "")


def media_type(content_type: str) -> str:
    """``Multipart/Related; …`` → ``multipart/related``."""
    return content_type.partition(";")[0].strip().lower()


def parameters(content_type: str) -> dict[str, str]:
    """Parameters of a media type, names in lower case, quotes removed."""
    found: dict[str, str] = {}
    for name, value in PARAMETER.findall(content_type):
        plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
        found.setdefault(name.lower(), plain)
    return found


def parse(body: Body, content_type: str) -> list[Part]:
    """The parts of a whole body. BadMultipart without a boundary, without parts, or where the closing one is missing.

    Anything before the first delimiter and after the closing one is ignored (RFC 2046 §5.1.1).
    """
    if not media_type(content_type).startswith("multipart/"):
        raise BadMultipart("not multipart")
    boundary = parameters(content_type).get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise BadMultipart("no usable boundary")
    parts = list(_parts(body, b"--" + boundary.encode("ascii")))
    if not parts:
        raise BadMultipart("no part in it")
    return parts


def _parts(body: Body, delimiter: bytes) -> Iterator[Part]:
    """Each part between two delimiters. A delimiter stands at the very start of the body or right after a CRLF."""
    view, start = memoryview(body), _first(body, delimiter)
    for _ in range(MOST_PARTS + 1):
        after = start + len(delimiter)
        if body[after : after + 2] == b"--":
            return
        begin = _end_of_line(body, after)
        end = _next(body, delimiter, begin - 2)  # the CRLF of the delimiter line may be the one before the next
        yield _part(view, body, begin, max(end, begin))
        start = end + 2
    raise BadMultipart("too many parts")


def _first(body: Body, delimiter: bytes) -> int:
    if body.startswith(delimiter) and _is_delimiter(body, len(delimiter)):
        return 0
    return _next(body, delimiter, 0) + 2


def _next(body: Body, delimiter: bytes, start: int) -> int:
    """Where the CRLF before the next delimiter line begins."""
    needle = b"\r\n" + delimiter
    found = body.find(needle, start)
    while found >= 0 and not _is_delimiter(body, found + len(needle)):
        found = body.find(needle, found + 1)
    if found < 0:
        raise BadMultipart("cut off: no closing boundary")
    return found


def _is_delimiter(body: Body, after: int) -> bool:
    """Nothing but ``--`` or blanks may follow up to the end of the line: else the boundary is a prefix of payload."""
    if body[after : after + 2] == b"--":
        return True
    line = body[after : after + 70].split(b"\r\n", 1)
    return len(line) == 2 and not line[0].strip(b" \t")


def _end_of_line(body: Body, position: int) -> int:
    end = body.find(b"\r\n", position)
    if end < 0:
        raise BadMultipart("cut off: no closing boundary")
    return end + 2


def _part(view: memoryview, body: Body, begin: int, end: int) -> Part:
    """Split at the first blank line; a part may begin with it and so have no headers."""
    if body[begin : begin + 2] == b"\r\n":
        return Part({}, view[min(begin + 2, end) : end])
    blank = body.find(b"\r\n\r\n", begin, min(end, begin + MOST_HEADERS) + 4)
    if blank < 0 or blank > end:
        raise BadMultipart("a part without a blank line after its headers")
    return Part(_headers(body[begin:blank]), view[min(blank + 4, end) : end])


def _headers(block: Body) -> dict[str, str]:
    """Header lines, folded ones joined (RFC 5322 §2.2.3)."""
    found: dict[str, str] = {}
    for line in re.sub(rb"\r\n[ \t]+", b" ", block).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise BadMultipart("a header line without a name")
        found.setdefault(name.strip().decode("latin-1").lower(), value.strip().decode("latin-1"))
    return found


def compose(payloads: Sequence[bytes], part_type: str = "application/dicom") -> tuple[bytes, str]:
    """A body of these parts and its Content-Type (PS3.18 §8.6.1.2)."""
    boundary = token_hex(16)
    while any(boundary.encode() in payload for payload in payloads):
        boundary = token_hex(16)
    head = f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n".encode()
    body = b"".join(part for payload in payloads for part in (head, payload, b"\r\n")) + f"--{boundary}--\r\n".encode()
    return body, f'multipart/related; type="{part_type}"; boundary={boundary}'
