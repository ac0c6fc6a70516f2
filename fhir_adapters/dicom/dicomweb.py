"""DICOMweb (PS3.18): QIDO-RS, WADO-RS and STOW-RS through the one door out. Every fault is one of ``dicom.errors``.

Instances are asked for with ``transfer-syntax=*``, always: the default makes a server transcode, which is slow, grows
the object tenfold and has crashed servers. Multipart first, single-part for servers that refuse it; what came is told
by the content type of the answer. Deadlines are moments of the event loop's clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from msgspec import Struct

from fhir_adapters import errors as http
from fhir_adapters.dicom import multipart, qido
from fhir_adapters.dicom.endpoints import UID
from fhir_adapters.dicom.errors import BadAnswer, NoSuchStudy, NotAnswered, StoreFailed, WebPage
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Reply

DicomJson = dict[str, Any]
MB = 1024 * 1024
DICOM, DICOM_JSON = "application/dicom", "application/dicom+json"
MULTIPART = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
SINGLE = f"{DICOM}; transfer-syntax=*"
JSON_TYPES = frozenset({DICOM_JSON, "application/json"})
PAGE = 200  # rows of a QIDO-RS page, read in about a millisecond; some servers refuse to give more
OTHER_FORM = frozenset({400, 406, 415})  # what servers say to an Accept they do not know


class Caps(Struct, frozen=True, kw_only=True):
    """Of one answer, and of one search."""

    object_bytes: int = 256 * MB
    page_bytes: int = 8 * MB
    rows: int = 20_000


class DicomWeb:
    """One DICOMweb server. ``authorization`` is the whole header value, sent to this server alone."""

    def __init__(self, outbound: Outbound, base: str, authorization: str = "", *, caps: Caps | None = None) -> None:
        self._outbound = outbound
        self._base = base.rstrip("/")
        self._authorization = authorization
        self._caps = caps or Caps()
        self._single_part = False  # learned

    async def probe(self, *, deadline: float) -> None:
        """One search of one row: raises what says that this is no DICOMweb server that lets us in."""
        qido.rows(_json(await self._get("studies?limit=1", "GET studies", DICOM_JSON, deadline, self._caps.page_bytes)))

    async def study(self, study: str, *, deadline: float) -> qido.Row:
        """The row of one study; NoSuchStudy where the server has none."""
        query = f"studies?StudyInstanceUID={_uid(study)}&limit=2{_fields('study')}"
        async for row in self._search(query, "GET studies", deadline, pages=False):
            if qido.text(row, "0020000D") == study:
                return row
        raise NoSuchStudy

    async def series(self, study: str, *, deadline: float) -> list[qido.Series]:
        """Every series of a study."""
        query = f"studies/{_uid(study)}/series?{_fields('series')[1:]}"
        found = [qido.series(row) async for row in self._search(query, "GET series", deadline, pages=False)]
        if not found:
            raise NoSuchStudy
        return found

    async def instances(self, study: str, series: str, *, deadline: float) -> list[qido.Instance]:
        """Every instance of a series, page by page."""
        query = f"studies/{_uid(study)}/series/{_uid(series)}/instances?{_fields('instance')[1:]}"
        found: dict[str, qido.Instance] = {}
        async for row in self._search(query, "GET instances", deadline, pages=True):
            each = qido.instance(row)
            found.setdefault(each.uid, each)
        return list(found.values())

    async def metadata(self, study: str, series: str, *, deadline: float) -> list[qido.Instance]:
        """The same from WADO-RS metadata, for servers whose search leaves out positions."""
        url = f"studies/{_uid(study)}/series/{_uid(series)}/metadata"
        reply = await self._get(url, "GET metadata", DICOM_JSON, deadline, 4 * self._caps.page_bytes)
        return [qido.instance(row) for row in qido.rows(_json(reply))]

    async def instance(self, study: str, series: str, instance: str, *, deadline: float) -> memoryview:
        """One instance as it is stored, a DICOM file: a view of the answer, since copies of films hold the event loop."""
        url = f"studies/{_uid(study)}/series/{_uid(series)}/instances/{_uid(instance)}"
        accepts, body = (SINGLE, MULTIPART) if self._single_part else (MULTIPART, SINGLE), bytearray()
        reply = await self._ask("GET", url, "GET instance", {"Accept": accepts[0]}, b"", deadline, into=body)
        if reply.status in OTHER_FORM:
            reply = await self._ask("GET", url, "GET instance", {"Accept": accepts[1]}, b"", deadline, into=body)
            if reply.status < 300:
                self._single_part = accepts[1] == SINGLE
        _check(reply, body)
        return _object(reply, body)

    async def headers(self, study: str, series: str, wanted: Collection[str], *, deadline: float) -> list[DicomJson]:
        """Whole headers (DICOM JSON) of some instances of a series, without bulk data: for objects that refer to them."""
        one = f"/instances/{_uid(next(iter(wanted)))}" if len(wanted) == 1 else ""
        url = f"studies/{_uid(study)}/series/{_uid(series)}{one}/metadata"
        reply = await self._get(url, "GET metadata", DICOM_JSON, deadline, 4 * self._caps.page_bytes)
        return [row for row in qido.whole(_json(reply)) if qido.uid_of(row) in wanted]

    async def holds(self, study: str, series: str, instance: str, *, deadline: float) -> bool:
        """Whether one instance is there."""
        query = f"studies/{_uid(study)}/series/{_uid(series)}/instances?SOPInstanceUID={_uid(instance)}&limit=1"
        try:
            found = [
                qido.text(row, "00080018") async for row in self._search(query, "GET instances", deadline, pages=False)
            ]
        except NoSuchStudy:
            return False
        return instance in found

    async def store(self, objects: list[bytes], *, deadline: float) -> None:
        """STOW-RS. StoreFailed with the failure reasons unless every object is kept.

        A FailedSOPSequence without Value is no failure; 400 may come although some are stored (both seen in Orthanc).
        """
        body, content_type = multipart.compose(objects)
        headers = {"Content-Type": content_type, "Accept": DICOM_JSON}
        reply = await self._ask("POST", "studies", "POST studies", headers, body, deadline)
        if reply.status in (401, 403, 404) or reply.status >= 500:
            _check(reply, reply.body)
        reasons = _failures(reply)
        if reasons or reply.status >= 300:
            raise StoreFailed(", ".join(reasons) or f"status {reply.status}")

    async def _search(self, query: str, where: str, deadline: float, *, pages: bool) -> AsyncIterator[qido.Row]:
        offset, seen = 0, ""
        while True:
            paging = f"&limit={PAGE}&offset={offset}" if pages else ""
            reply = await self._get(query + paging, where, DICOM_JSON, deadline, self._caps.page_bytes)
            rows = qido.rows(_json(reply))
            first = qido.text(rows[0], "00080018") if rows and pages else ""
            if not rows or (offset and first == seen):  # a server without paging answers the same again
                return
            seen = first
            for row in rows:
                yield row
            offset += len(rows)
            last = len(rows) < PAGE and not _more(reply)
            if not pages or last or offset >= self._caps.rows:
                return

    async def _get(self, url: str, where: str, accept: str, deadline: float, cap: int) -> Reply:
        reply = await self._ask("GET", url, where, {"Accept": accept}, b"", deadline, cap)
        _check(reply, reply.body)
        return reply

    async def _ask(
        self,
        method: str,
        url: str,
        where: str,
        headers: Mapping[str, str],
        content: bytes,
        deadline: float,
        cap: int = 0,
        into: bytearray | None = None,
    ) -> Reply:
        given = {**headers, **({"Authorization": self._authorization} if self._authorization else {})}
        try:
            return await self._outbound.request(
                method,
                f"{self._base}/{url}",
                deadline=deadline,
                headers=given,
                content=content,
                max_bytes=cap or self._caps.object_bytes,
                where=where,
                into=into,
            )
        except http.FhirError as error:
            raise NotAnswered(error.reason) from None


def _more(reply: Reply) -> bool:
    """Whether the server gives fewer rows a page than asked for, and there are more of them (PS3.18 §8.3.4.4, Warning 299)."""
    return reply.headers.get("warning", "").startswith("299")


def _uid(value: str) -> str:
    if not UID.fullmatch(value):
        raise BadAnswer("not a DICOM UID")
    return value


def _fields(level: str) -> str:
    return "".join(f"&includefield={tag}" for tag in qido.FIELDS[level])


def _check(reply: Reply, body: bytes | bytearray) -> None:
    """Raise for every answer that is not 2xx with something that may be DICOM."""
    if reply.status == 404:
        raise NoSuchStudy
    if reply.status >= 300:
        raise NotAnswered(http.for_status(reply.status, "").reason)
    if body[:64].lstrip()[:1] == b"<" or multipart.media_type(reply.headers.get("content-type", "")) == "text/html":
        raise WebPage


def _json(reply: Reply) -> bytes:
    kind = multipart.media_type(reply.headers.get("content-type", ""))
    if reply.body and kind not in JSON_TYPES:
        raise BadAnswer("neither DICOM JSON nor JSON")
    return reply.body


def _object(reply: Reply, body: bytearray) -> memoryview:
    """The one DICOM file of an answer, by what the answer says it is."""
    content_type = reply.headers.get("content-type", "")
    kind = multipart.media_type(content_type)
    if kind.startswith("multipart/"):
        parts = multipart.parse(body, content_type)
        if len(parts) != 1:
            raise BadAnswer(f"{len(parts)} parts where one was asked for")
        if parts[0].media_type not in (DICOM, "application/octet-stream", ""):
            raise BadAnswer("a part that is not DICOM")
        return parts[0].payload
    if kind in (DICOM, "application/octet-stream") and body:
        return memoryview(body)
    raise BadAnswer("neither multipart nor DICOM")


def _failures(reply: Reply) -> list[str]:
    """Failure reasons (0008,1197) of the items of FailedSOPSequence (0008,1198)."""
    body = reply.body.strip()
    if not body:
        return []
    rows = qido.rows(body if body.startswith(b"[") else b"[" + body + b"]")
    failed = rows[0].get("00081198") if rows else None
    found = []
    for item in (failed.Value if failed is not None else None) or ():
        reason = item.get("00081197") if isinstance(item, dict) else None
        values = reason.get("Value") if isinstance(reason, dict) else None
        found.append(f"reason {int(values[0])}" if values and isinstance(values[0], int) else "no reason given")
    return found
