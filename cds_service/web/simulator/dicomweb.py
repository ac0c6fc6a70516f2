"""``/simulator/dicomweb``: QIDO-RS, WADO-RS and STOW-RS (PS3.18) over the simulator's archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_service.web.simulator.archive import Archive, NotStored, Row, value
from fhir_adapters.dicom import multipart
from fhir_adapters.dicom.errors import BadMultipart

PATH = "/simulator/dicomweb"
JSON = "application/dicom+json"
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
NAMES = {
    "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": INSTANCE,
    "PatientID": "00100020", "Modality": "00080060", "ModalitiesInStudy": "00080060",
}  # fmt: skip
CANNOT_UNDERSTAND = 0xC000  # PS3.18 table 10.5.3-1: failure reason


def routes(archive: Archive) -> list[Route]:
    """Searches and metadata answer DICOM JSON, an instance multipart/related in its stored transfer syntax."""

    def search(level: str, counted: str) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            found: dict[str, Row] = {}
            counts: dict[str, int] = {}
            for row in _matching(await archive.rows(), request):
                uid = value(row, level)
                counts[uid] = counts.get(uid, 0) + 1
                found.setdefault(uid, dict(row))
            rows = [{**row, counted: {"vr": "IS", "Value": [counts[uid]]}} for uid, row in found.items()]
            offset, limit = (_whole(request.query_params.get(n, "")) for n in ("offset", "limit"))
            return _json(rows[offset : offset + (limit or 1000)])

        return answer

    async def metadata(request: Request) -> Response:
        rows = _matching(await archive.rows(), request)
        return _json(rows) if rows else Response(status_code=404)

    async def instance(request: Request) -> Response:
        rows = _matching(await archive.rows(), request)
        if not rows:
            return Response(status_code=404)
        body, content_type = multipart.compose([await archive.object(value(rows[0], INSTANCE))])
        return Response(body, media_type=content_type)

    async def store(request: Request) -> Response:
        try:
            parts = multipart.parse(await request.body(), request.headers.get("content-type", ""))
        except BadMultipart:
            return Response(status_code=400)
        kept, failed = [], []
        for part in parts:
            try:
                row = await archive.store(bytes(part.payload))
                kept.append({"00081150": row.get("00080016", {}), "00081155": row[INSTANCE]})
            except NotStored:
                failed.append({"00081197": {"vr": "US", "Value": [CANNOT_UNDERSTAND]}})
        body = {
            "00081199": {"vr": "SQ", "Value": kept},
            "00081198": {"vr": "SQ", **({"Value": failed} if failed else {})},
        }
        return Response(msgspec.json.encode(body), status_code=409 if failed else 200, media_type=JSON)

    study = f"{PATH}/studies/{{study}}"
    series = f"{study}/series/{{series}}"
    one = f"{series}/instances/{{instance}}"
    return [
        Route(f"{PATH}/studies", search(STUDY, "00201208"), methods=["GET"]),
        Route(f"{PATH}/studies", store, methods=["POST"]),
        Route(f"{study}/series", search(SERIES, "00201209"), methods=["GET"]),
        Route(f"{study}/metadata", metadata, methods=["GET"]),
        Route(f"{series}/instances", search(INSTANCE, "00201209"), methods=["GET"]),
        Route(f"{series}/metadata", metadata, methods=["GET"]),
        Route(f"{one}/metadata", metadata, methods=["GET"]),
        Route(one, instance, methods=["GET"]),
    ]


def _matching(rows: list[Row], request: Request) -> list[Row]:
    wanted: dict[str, str] = {
        tag: request.path_params[name]
        for name, tag in (("study", STUDY), ("series", SERIES), ("instance", INSTANCE))
        if name in request.path_params
    }
    query: Mapping[str, str] = request.query_params
    wanted |= {NAMES.get(name, name): asked for name, asked in query.items() if NAMES.get(name, name) in NAMES.values()}
    return [row for row in rows if all(value(row, tag) == asked for tag, asked in wanted.items())]


def _json(rows: list[Row]) -> Response:
    return Response(msgspec.json.encode(rows), media_type=JSON)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0
