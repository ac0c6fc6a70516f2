"""The DICOMweb client against a server that answers what real ones were seen to answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fhir_adapters.addresses import Policy
from fhir_adapters.dicom import errors
from fhir_adapters.dicom.dicomweb import PAGE, Caps, DicomWeb
from fhir_adapters.dicom.endpoints import Endpoint, base_url, study_uid
from fhir_adapters.dicom.multipart import compose
from tests.fhir_adapters.dicom.serving import Scripted, door, serving

ONE = "/studies/1.2/series/1.3/instances/1.4"
JSON = "application/dicom+json"


@pytest.fixture
def pacs() -> Iterator[Scripted]:
    made = Scripted()
    with serving(made) as made.base:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
async def client(pacs: Any) -> AsyncIterator[DicomWeb]:
    async with door(pacs.base) as outbound:
        yield DicomWeb(outbound, pacs.base, "Basic x", caps=Caps(object_bytes=100_000, rows=2000))


def soon() -> float:
    return asyncio.get_running_loop().time() + 10


async def get(client: DicomWeb) -> bytes:
    return await client.instance("1.2", "1.3", "1.4", deadline=soon())


async def test_stored_bytes_are_asked_for_in_any_transfer_syntax_and_come_back_exact(
    pacs: Any, client: DicomWeb
) -> None:
    body, kind = compose([b"\r\n--DICM\r\n"])
    pacs.answers[ONE] = (200, kind, body)
    assert await get(client) == b"\r\n--DICM\r\n"
    assert "transfer-syntax=*" in pacs.asked[0][2]
    assert pacs.asked[0][2].startswith("multipart/related")


async def test_single_part_is_asked_for_where_multipart_is_refused_and_remembered(pacs: Any, client: DicomWeb) -> None:
    pacs.answers[ONE] = [(406, "text/plain", b"no"), (200, "application/dicom", b"DATA")]
    assert await get(client) == b"DATA"
    assert await get(client) == b"DATA"
    assert [accept.split(";")[0] for _, _, accept in pacs.asked] == [
        "multipart/related", "application/dicom", "application/dicom",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((200, "text/html", b"<html>log in</html>"), errors.WebPage),
        ((200, "application/dicom", b"<!doctype html>"), errors.WebPage),
        ((200, 'multipart/related; boundary="b"', b"--b\r\n\r\nDATA"), errors.BadMultipart),
        ((200, 'multipart/related; boundary="b"', b"--b\r\n\r\nA\r\n--b\r\n\r\nB\r\n--b--"), errors.BadAnswer),
        ((200, "image/png", b"PNG"), errors.BadAnswer),
        ((200, "application/dicom", b""), errors.BadAnswer),
        ((200, "application/dicom", b"x" * 200_000), errors.NotAnswered),
        ((404, "text/plain", b""), errors.NoSuchStudy),
        ((400, "text/plain", b""), errors.NotAnswered),
        ((401, "text/plain", b""), errors.NotAnswered),
        ((500, "text/plain", b""), errors.NotAnswered),
    ],
)
async def test_every_other_answer_is_an_image_that_is_unavailable(
    pacs: Any, client: DicomWeb, answer: Any, fault: type
) -> None:
    pacs.answers[ONE] = answer
    with pytest.raises(fault) as caught:
        await get(client)
    assert isinstance(caught.value, errors.ImageUnavailable)
    assert "1.4" not in str(caught.value)


async def test_an_archive_that_is_down_is_unavailable() -> None:
    async with door("http://127.0.0.1:9") as outbound:
        with pytest.raises(errors.NotAnswered, match="unreachable"):
            await get(DicomWeb(outbound, "http://127.0.0.1:9"))


def rows(count: int, start: int = 0) -> bytes:
    return json.dumps([
        {"00080018": {"vr": "UI", "Value": [f"1.9.{start + i}"]}, "00200013": {"vr": "IS", "Value": [str(i)]}}
        for i in range(count)
    ]).encode()  # fmt: skip


async def test_instances_are_listed_page_by_page_and_a_server_without_pages_does_not_go_in_circles(
    pacs: Any, client: DicomWeb
) -> None:
    def page(query: str) -> tuple[int, str, bytes]:
        offset = int(query.split("offset=")[1])
        return 200, JSON, rows(min(PAGE, 1100 - offset), offset)

    pacs.answers["/studies/1.2/series/1.3/instances"] = page
    assert len(await client.instances("1.2", "1.3", deadline=soon())) == 1100
    pacs.answers["/studies/1.2/series/1.3/instances"] = (200, JSON, rows(900))
    assert len(await client.instances("1.2", "1.3", deadline=soon())) == 900


async def test_a_server_that_gives_fewer_rows_than_asked_for_and_says_so_is_asked_for_the_rest(
    pacs: Any, client: DicomWeb
) -> None:
    def page(query: str) -> tuple[Any, ...]:
        offset = int(query.split("offset=")[1])
        more = [(b"warning", b'299 pacs "The number of results exceeded the maximum supported by the server."')]
        return 200, JSON, rows(min(50, 130 - offset), offset), *(more if offset + 50 < 130 else [])

    pacs.answers["/studies/1.2/series/1.3/instances"] = page
    assert len(await client.instances("1.2", "1.3", deadline=soon())) == 130


@pytest.mark.parametrize("answer", [(200, JSON, b"[]"), (204, JSON, b""), (404, "text/plain", b"")])
async def test_a_study_that_is_not_there_is_told_apart_from_a_fault(pacs: Any, client: DicomWeb, answer: Any) -> None:
    pacs.answers["/studies"] = pacs.answers["/studies/1.2/series"] = answer
    with pytest.raises(errors.NoSuchStudy):
        await client.study("1.2", deadline=soon())
    with pytest.raises(errors.NoSuchStudy):
        await client.series("1.2", deadline=soon())


@pytest.mark.parametrize("body", [b"{", b"[1]", b'[{"x": 1}]', b"\xff", b'[{"M\xfc": {}}]', b"[" * 100_000])
async def test_a_search_that_is_no_dicom_json_is_unusable(pacs: Any, client: DicomWeb, body: bytes) -> None:
    pacs.answers["/studies/1.2/series"] = (200, JSON, body)
    with pytest.raises(errors.BadAnswer):
        await client.series("1.2", deadline=soon())


async def test_an_empty_failed_sequence_is_success_and_a_filled_one_is_not(pacs: Any, client: DicomWeb) -> None:
    pacs.answers["/studies"] = (200, JSON, b'{"00081198": {"vr": "SQ"}}')
    await client.store([b"DATA"], deadline=soon())
    pacs.answers["/studies"] = (
        400, JSON, b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}',
    )  # fmt: skip
    with pytest.raises(errors.StoreFailed, match="reason 272"):
        await client.store([b"DATA"], deadline=soon())


def test_study_uids_are_read_in_both_spellings() -> None:
    assert study_uid("urn:oid:1.2.3") == study_uid("urn:dicom:uid:1.2.3") == study_uid("1.2.3") == "1.2.3"
    assert study_uid("urn:oid:1.02") == study_uid("../1.2") == study_uid("1." + "2" * 64) == ""


def test_endpoints_of_the_record_are_used_only_where_they_are_allowed() -> None:
    policy = Policy(request=["https://pacs.example.org"])
    good = Endpoint(address="https://pacs.example.org/dicom-web/studies")
    bad = Endpoint(address="https://elsewhere.example.org")
    assert base_url([None, bad, good], "", policy) == "https://pacs.example.org/dicom-web"
    assert base_url([bad], "https://own.example.org/", policy) == "https://own.example.org"
    with pytest.raises(errors.NoEndpoint):
        base_url([None, bad], "", policy)
    with pytest.raises(errors.NotConfigured):
        base_url([], "", policy)
