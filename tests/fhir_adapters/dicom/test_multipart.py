"""multipart/related: byte exact, strict about its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.dicom.errors import BadMultipart
from fhir_adapters.dicom.multipart import compose, parse

TYPE = 'multipart/related; type="application/dicom"; boundary=b0'


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_what_is_composed_is_parsed_to_the_same_bytes(payloads: list[bytes]) -> None:
    body, content_type = compose(payloads)
    assert [bytes(part.payload) for part in parse(body, content_type)] == payloads


@pytest.mark.parametrize("boundary", ["b0", '"b0"', '"b0"; start=x'])
def test_boundary_quoted_or_not_and_a_preamble_is_ignored(boundary: str) -> None:
    body = b"preamble\r\n--b0\r\nContent-Type: application/dicom; transfer-syntax=1.2\r\n\r\nDATA\r\n\r\n--b0--\r\nrest"
    (part,) = parse(body, f"multipart/related; boundary={boundary}")
    assert bytes(part.payload) == b"DATA\r\n"
    assert part.media_type == "application/dicom"
    assert part.transfer_syntax == "1.2"


def test_a_boundary_that_is_the_beginning_of_payload_does_not_split_it() -> None:
    (part,) = parse(b"--b0\r\n\r\nA\r\n--b0more\r\nB\r\n--b0--", TYPE)
    assert bytes(part.payload) == b"A\r\n--b0more\r\nB"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b0\r\n\r\nDATA", TYPE),
        (b"--b0\r\n\r\nDATA\r\n--b", TYPE),
        (b"--b0--", TYPE),
        (b"", TYPE),
        (b"--b0\r\nContent-Type: x\r\nDATA\r\n--b0--", TYPE),
        (b"--b0\r\n\r\nDATA\r\n--b0--", "multipart/related"),
        (b"--b0\r\n\r\nDATA\r\n--b0--", "application/dicom"),
        (b"--b0\r\n\r\nDATA\r\n--b0--", "multipart/related; boundary=" + "x" * 80),
    ],
)
def test_cut_off_or_without_boundary_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(BadMultipart):
        parse(body, content_type)
