"""Whole headers for an object that refers to images, and the question whether an object is there already."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import BadAnswer, NotAnswered
from tests.fhir_adapters.dicom.serving import Scripted, door, serving

JSON = "application/dicom+json"
SERIES = "/studies/1.2/series/1.3"


def row(uid: str) -> dict[str, Any]:
    return {
        "00080018": {"vr": "UI", "Value": [uid]},
        "00100020": {"vr": "LO", "Value": ["p1"]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://elsewhere/bulk"},
        "00091001": {"vr": "UN", "InlineBinary": "AAAA"},
    }


@pytest.fixture
def pacs() -> Iterator[Scripted]:
    made = Scripted()
    with serving(made) as made.base:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
async def client(pacs: Any) -> AsyncIterator[DicomWeb]:
    async with door(pacs.base) as outbound:
        yield DicomWeb(outbound, pacs.base)


def soon() -> float:
    return asyncio.get_running_loop().time() + 10


async def test_headers_come_without_bulk_data_and_of_the_wanted_instances_alone(pacs: Any, client: DicomWeb) -> None:
    body = json.dumps([row("1.4"), row("1.5"), row("1.6")]).encode()
    pacs.answers[f"{SERIES}/metadata"] = (200, JSON, body)
    found = await client.headers("1.2", "1.3", {"1.4", "1.6"}, deadline=soon())
    assert [each["00080018"]["Value"] for each in found] == [["1.4"], ["1.6"]]
    assert all(each.keys() == {"00080018", "00100020"} for each in found)


async def test_the_header_of_one_image_is_asked_for_alone(pacs: Any, client: DicomWeb) -> None:
    pacs.answers[f"{SERIES}/instances/1.4/metadata"] = (200, JSON, json.dumps([row("1.4")]).encode())
    assert len(await client.headers("1.2", "1.3", {"1.4"}, deadline=soon())) == 1


async def test_headers_that_are_no_dicom_json_are_a_named_fault(pacs: Any, client: DicomWeb) -> None:
    pacs.answers[f"{SERIES}/metadata"] = (200, JSON, b'[{"00080018": 7}]')
    with pytest.raises(BadAnswer):
        await client.headers("1.2", "1.3", {"1.4", "1.5"}, deadline=soon())


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        ((200, JSON, json.dumps([row("1.4")]).encode()), True),
        ((200, JSON, json.dumps([row("1.9")]).encode()), False),  # a server that does not filter
        ((204, JSON, b""), False),
        ((404, "text/plain", b""), False),
    ],
)
async def test_an_object_is_there_only_when_the_archive_names_it(
    pacs: Any, client: DicomWeb, answer: tuple[int, str, bytes], there: bool
) -> None:
    pacs.answers[f"{SERIES}/instances"] = answer
    assert await client.holds("1.2", "1.3", "1.4", deadline=soon()) is there


async def test_an_archive_that_fails_is_not_read_as_empty(pacs: Any, client: DicomWeb) -> None:
    pacs.answers[f"{SERIES}/instances"] = (500, "text/plain", b"")
    with pytest.raises(NotAnswered):
        await client.holds("1.2", "1.3", "1.4", deadline=soon())
