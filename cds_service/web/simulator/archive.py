"""The simulator's imaging archive: radiographs of the demo patients, made on first request, and what is stored into it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

MODULE = "cds_service.web.simulator.radiographs"
Row = dict[str, Any]
RADIOGRAPHS = frozenset({"DX", "CR"})
SEX = {"male": "M", "female": "F"}


class NotStored(Exception):
    """Not a DICOM object this archive can index."""


class Archive:
    """Objects by SOP Instance UID, each with its header as DICOM JSON. ``folder`` keeps what was made."""

    def __init__(self, resources: Sequence[bytes], folder: Path) -> None:
        self._resources = resources
        self._folder = folder
        self._objects: dict[str, tuple[Row, bytes]] = {}
        self._ready = False
        self._making = asyncio.Lock()

    async def rows(self) -> list[Row]:
        """Every object's header."""
        await self._make()
        return [row for row, _ in self._objects.values()]

    async def object(self, instance: str) -> bytes:
        """The file of one object; KeyError where there is none."""
        await self._make()
        return self._objects[instance][1]

    async def store(self, data: bytes) -> Row:
        """Keep an object in memory. The first copy of a UID stays."""
        await self._make()
        row = (await _run(["index"], data))[0]
        uid = value(row, "00080018")
        if not uid or not value(row, "0020000D") or not value(row, "0020000E"):
            raise NotStored
        self._objects.setdefault(uid, (row, data))
        return row

    async def _make(self) -> None:
        async with self._making:
            if self._ready:
                return
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            wanted = await asyncio.to_thread(lambda: msgspec.json.encode(list(studies(self._resources))))
            rows = await _run(["make", str(self._folder)], wanted)
            for row in rows:
                uid = value(row, "00080018")
                self._objects[uid] = (row, await asyncio.to_thread((self._folder / f"{uid}.dcm").read_bytes))
            self._ready = True


def value(row: Row, tag: str) -> str:
    """The first value of an attribute as text, '' where there is none."""
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0])


def studies(resources: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """What a radiograph's header needs, from the charts' Patients and ImagingStudies."""
    decoded = [msgspec.json.decode(body) for body in resources]
    patients = {r["id"]: r for r in decoded if r["resourceType"] == "Patient"}
    for study in (r for r in decoded if r["resourceType"] == "ImagingStudy"):
        patient = patients[study["subject"]["reference"].removeprefix("Patient/")]
        series = study["series"][0]
        if series["modality"]["code"] not in RADIOGRAPHS:
            continue
        name = patient["name"][0]
        day, _, time = study["started"].partition("T")
        yield {
            "study": study["identifier"][0]["value"].removeprefix("urn:oid:"),
            "series": series["uid"],
            "instance": series["instance"][0]["uid"],
            "patient_id": patient["identifier"][0]["value"],
            "name": f"{name['family']}^{name['given'][0]}",
            "birth_date": patient["birthDate"].replace("-", ""),
            "sex": SEX.get(patient["gender"], "O"),
            "date": day.replace("-", ""),
            "time": time[:8].replace(":", ""),
            "modality": series["modality"]["code"],
            "body_part": series.get("bodySite", {}).get("display", "").upper(),
            "description": study["description"],
        }


async def _run(arguments: list[str], stdin: bytes) -> list[Row]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, _ = await process.communicate(stdin)
    if process.returncode:
        raise NotStored
    found: list[Row] = msgspec.json.decode(out)
    return found
