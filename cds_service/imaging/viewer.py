"""From a file or a study to what the image model is shown: fetch, select, decode in workers, prepare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cds_service.imaging import admission, read
from cds_service.imaging.patient_check import PatientCheck
from cds_service.imaging.requests import Picture, Render, Rendered, Source
from cds_service.imaging.seen import Compared, Kind, Refused, Seen
from cds_service.models import engine
from fhir_adapters.dicom import qido, selection, volumes
from fhir_adapters.dicom.description import Header, Identity
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import DicomError, NotConfigured
from fhir_adapters.dicom.modes import Voi
from fhir_adapters.dicom.workers import Workers

__all__ = ["AUDITED", "Identity", "Kind", "PatientCheck", "PriorStudy", "Refused", "Seen", "Viewer"]

JOB = "cds_service.imaging.rendering:render"
PRELOAD = ("PIL.PngImagePlugin", "PIL.JpegImagePlugin")  # codecs come with pydicom; gdcm before openjpeg would crash it
AUDITED = frozenset(
    {"other-patient", "unknown-patient", "uid-mismatch"}
)  # refusals that are security events (fault row 58)
FETCHED_AT_ONCE = 8
SLICES_A_JOB = 8
RADIOGRAPH_SERIES = 10  # of one study that are looked into
FILES = 2000  # of a folder
FILE_S = 120.0

_encode = msgspec.msgpack.Encoder().encode
_rendered = msgspec.msgpack.Decoder(Rendered).decode


class _Fetched(Struct, frozen=True):
    """One object to be shown: what to say of it, and its bytes where it is no file."""

    source: Source
    content: memoryview = memoryview(b"")


Fetch = Callable[[], Awaitable[_Fetched]]


class PriorStudy(Struct, frozen=True, kw_only=True):
    """A study of the record that may be a prior, as ImagingStudy gives it."""

    study_uid: str
    started: str = ""  # ISO 8601
    modalities: tuple[str, ...] = ()


class Viewer:
    """Owns the decode workers and the DICOMweb client. ``start`` before use, ``aclose`` at the end."""

    def __init__(
        self,
        dicomweb: DicomWeb | None,
        workers: Workers | None = None,
        *,
        allowed: Collection[str] = (),
        voi: Voi = "full-range",
        elsewhere: Callable[[str], DicomWeb] | None = None,
    ) -> None:
        self._dicomweb = dicomweb
        self._elsewhere = elsewhere  # a server by its base URL
        self._workers = workers or Workers(JOB, preload=PRELOAD)
        self._allowed = tuple(sorted(allowed))
        self._voi: Voi = voi

    async def start(self) -> None:
        """Warm the fork server; the first read then waits for no interpreter."""
        await self._workers.start()

    async def aclose(self) -> None:
        """End the workers."""
        await self._workers.aclose()

    async def file(
        self, path: Path, frame: int | None = None, *, patient_check: PatientCheck | None = None
    ) -> Seen | Refused:
        """One DICOM file, or a folder with the files of one series. ``frame`` counts from 0."""
        deadline = asyncio.get_running_loop().time() + FILE_S
        try:
            path = await asyncio.to_thread(path.absolute)
            if await asyncio.to_thread(path.is_dir):
                return await self._folder(path, patient_check, deadline)
            if not await asyncio.to_thread(path.is_file):
                return Refused(reason="no such file", code="no-file")
            source = _Fetched(Source(path=str(path), frame=frame))
            return _seen([await self._render((source,), deadline)], patient_check)
        except DicomError as error:
            return Refused(reason=error.reason, code=error.code)

    async def instance(
        self,
        study: str,
        series: str,
        uid: str,
        *,
        frame: int | None = None,
        patient_check: PatientCheck | None,
        deadline: float,
        boxes: tuple[read.Box, ...] = (),
        of_volume: bool = False,
        archive: str = "",
    ) -> Seen | Refused:
        """One instance of the DICOMweb server, by its UIDs; with ``boxes`` drawn, for a person alone.

        ``of_volume``: encoded as the slices of a volume are, so that it is the very picture the model was shown.
        """
        try:
            source = await _fetch(self._server(archive), study, series, uid, deadline, frame)
            encoding: Literal["png", "jpeg"] = "jpeg" if of_volume else "png"
            return _seen([await self._render((source,), deadline, encoding, boxes)], patient_check)
        except DicomError as error:
            return Refused(reason=error.reason, code=error.code)

    async def study(
        self, study_uid: str, *, patient_check: PatientCheck | None, deadline: float, archive: str = ""
    ) -> Seen | Refused:
        """One study of the DICOMweb server, or of the one at ``archive``. ``deadline``: of the event loop's clock.

        Whose study it is, is asked of the server before anything is fetched, and of each object again.
        """
        try:
            server = self._server(archive)
            row, found = await asyncio.gather(
                server.study(study_uid, deadline=deadline), server.series(study_uid, deadline=deadline)
            )
            if patient_check and (told := patient_check(qido.identity(row))).differs:
                return _not_this_patient(told)
            series = selection.candidates(found, self._modalities())
            if not series:
                return Refused(reason="no series of a modality that is read", code="no-series")
            if series[0].modality in selection.VOLUMES:
                found_there = await self._volume(server, study_uid, series[0], patient_check, deadline)
            else:
                found_there = await self._radiograph(server, study_uid, series, patient_check, deadline)
            return found_there if isinstance(found_there, Refused) else replace(found_there, archive=archive)
        except DicomError as error:
            return Refused(reason=error.reason, code=error.code)

    async def prior(
        self, seen: Seen, studies: Sequence[PriorStudy], *, patient_check: PatientCheck | None, deadline: float
    ) -> Seen | Refused | None:
        """The newest earlier study of the same kind and body part; None where there is none.

        A study that turns out to be of another part or view is passed over; the first fault of a study is told.
        """
        earlier = [
            s
            for s in studies
            if s.study_uid != seen.study_uid and (not s.modalities or seen.modality in s.modalities)
            and s.started and (not seen.performed or s.started[:19] < seen.performed[:19])
        ]  # fmt: skip
        fault: Refused | None = None
        for study in sorted(earlier, key=lambda s: s.started, reverse=True)[:3]:
            found = await self.study(
                study.study_uid, patient_check=patient_check, deadline=deadline, archive=seen.archive
            )
            if isinstance(found, Refused):
                fault = fault or found
            elif found.kind == seen.kind and seen.body_part and found.body_part == seen.body_part:
                return found
        return fault

    async def _radiograph(
        self, server: DicomWeb, study: str, series: list[qido.Series], check: PatientCheck | None, deadline: float
    ) -> Seen | Refused:
        places = {}
        for each in [s for s in series if s.modality not in selection.VOLUMES][:RADIOGRAPH_SERIES]:
            for instance in await server.instances(study, each.uid, deadline=deadline):
                places[instance.uid] = (instance, each)
        chosen = selection.radiograph([instance for instance, _ in places.values()])
        if chosen is None:
            return Refused(reason="no image for presentation in the study", code="no-image")
        of = places[chosen.uid][1]
        source = await _fetch(server, study, of.uid, chosen.uid, deadline)
        return _seen([await self._render((source,), deadline)], check, of)

    async def _volume(
        self, server: DicomWeb, study: str, series: qido.Series, check: PatientCheck | None, deadline: float
    ) -> Seen | Refused:
        instances = selection.volume(await server.instances(study, series.uid, deadline=deadline))
        if len(instances) > 1 and not any(i.position for i in instances) and len(instances) <= FILES:
            instances = selection.volume(await server.metadata(study, series.uid, deadline=deadline)) or instances
        if not instances:
            return Refused(reason="no image for presentation in the study", code="no-image")
        order, how = volumes.order([i.position for i in instances], instances[0].axes, [i.number for i in instances])
        picked = [instances[order[i]] for i in volumes.sample(len(order))]
        made = await self._slices(
            [partial(_fetch, server, study, series.uid, i.uid, deadline) for i in picked], series.modality, deadline
        )
        return _seen(made, check, series, steps=(how, *_taken(len(picked), len(order))))

    async def _slices(self, fetches: Sequence[Fetch], modality: str, deadline: float) -> list[Rendered]:
        """CT slices in jobs of a few while the next are fetched; MR in one, since its grey values are the volume's."""
        size = len(fetches) if modality == "MR" else SLICES_A_JOB
        gate = asyncio.Semaphore(FETCHED_AT_ONCE)
        under_way = asyncio.Semaphore(2 * self._workers.limits.count)

        async def fetched(fetch: Fetch) -> _Fetched:
            async with gate:
                return await fetch()

        async def job(some: Sequence[Fetch]) -> Rendered:
            async with under_way:
                sources = await asyncio.gather(*(fetched(fetch) for fetch in some))
                return await self._render(tuple(sources), deadline, encoding="jpeg")

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(job(fetches[i : i + size])) for i in range(0, len(fetches), size)]
        except* DicomError as faults:
            raise _first(faults) from None
        return [task.result() for task in tasks]

    async def _folder(self, path: Path, check: PatientCheck | None, deadline: float) -> Seen | Refused:
        """The largest series among the files of a folder, or its best radiograph."""
        files = sorted(await asyncio.to_thread(lambda: [p for p in path.rglob("*") if p.is_file()]))[:FILES]
        if not files:
            return Refused(reason="an empty folder", code="no-file")
        request = Render(sources=tuple(Source(path=str(f)) for f in files), describe=True, allowed=self._allowed)
        answer = _rendered(await self._workers.run(_encode(request), deadline=deadline))
        good = [(f, d.header) for f, d in zip(files, answer.headers, strict=False) if d.header and not d.refused]
        if not good:
            return next((d.refused for d in answer.headers if d.refused), Refused(reason="no image", code="no-image"))
        groups: dict[str, list[int]] = {}
        for number, (_, header) in enumerate(good):
            groups.setdefault(header.series_uid, []).append(number)
        members = max(groups.values(), key=len)
        first = good[members[0]][1]
        if first.modality not in selection.VOLUMES:
            views = {v: i for i, v in enumerate(selection.VIEWS)}
            best = min(range(len(good)), key=lambda i: views.get(admission.view(good[i][1]), len(views)))
            return _seen([await self._render((await _opened(good[best][0]),), deadline)], check)
        order, how = volumes.order(
            [good[i][1].position for i in members], first.axes, [good[i][1].instance_number for i in members]
        )
        picked = [good[members[order[i]]][0] for i in volumes.sample(len(order))]

        made = await self._slices([partial(_opened, f) for f in picked], first.modality, deadline)
        return _seen(made, check, steps=(how, *_taken(len(picked), len(order))))

    async def _render(
        self,
        objects: Sequence[_Fetched],
        deadline: float,
        encoding: Literal["png", "jpeg"] = "png",
        boxes: tuple[read.Box, ...] = (),
    ) -> Rendered:
        sources = tuple(each.source for each in objects)
        request = Render(sources=sources, allowed=self._allowed, voi=self._voi, encoding=encoding, boxes=boxes)
        beside = [each.content for each in objects]
        return _rendered(await self._workers.run(_encode(request), deadline=deadline, beside=beside))

    def _server(self, archive: str) -> DicomWeb:
        if archive and self._elsewhere is not None:
            return self._elsewhere(archive)
        if self._dicomweb is None:
            raise NotConfigured
        return self._dicomweb

    def _modalities(self) -> tuple[str, ...]:
        return ("DX", "CR", "CT", "MR", *(("US",) if "ultrasound" in self._allowed else ()))


def _seen(
    made: Sequence[Rendered], check: PatientCheck | None, series: qido.Series | None = None, steps: tuple[str, ...] = ()
) -> Seen | Refused:
    """Pictures put together. One slice that was refused, or is of somebody else, refuses them all."""
    pictures: list[Picture] = []
    agree: list[tuple[str, ...]] = []
    for each in made:
        for told in [check(identity) for identity in _identities(each)] if check else ():
            if told.differs or not told.known:
                return _not_this_patient(told)
            agree.append(told.agree)
        if each.refused is not None:
            return each.refused
        pictures += each.pictures
    if len({p.header.study_uid for p in pictures}) > 1:
        return Refused(reason="images of more than one study", code="uid-mismatch")
    header = pictures[0].header
    many = len(pictures) > 1
    shape = header.shape
    return Seen(
        images=tuple(
            engine.Image(p.data, p.media_type, f"SLICE {i}" if many else "") for i, p in enumerate(pictures, start=1)
        ),
        kind=made[0].kind,
        modality=header.modality,
        body_part=header.body_part or (series.body_part if series else ""),
        view=admission.view(header),
        laterality=header.laterality or (series.laterality if series else ""),
        instances=tuple(
            read.Instance(
                study_uid=p.header.study_uid,
                series_uid=p.header.series_uid,
                instance_uid=p.header.instance_uid,
                frame=p.frame,
            )
            for p in pictures
        ),
        transforms=tuple(p.transform for p in pictures),
        steps=(*steps, *dict.fromkeys(step for each in made for step in each.steps)),
        warnings=_warnings(header, made[0].kind, len(pictures)),
        performed=header.performed,
        size=(shape.rows, shape.columns) if shape else (0, 0),
        compared=tuple(item for item in agree[0] if all(item in each for each in agree)) if agree else (),
    )


def _warnings(header: Header, kind: Kind, shown: int) -> tuple[str, ...]:
    found, frames = [], header.shape.frames if header.shape else 1
    if header.burned_in != "NO":
        found.append("the header does not say that no text is burned into the image")
    if kind == "radiograph" and not header.acquired:
        found.append("the header names no exposure, detector or pixel spacing: what took the image is not known")
    if kind == "radiograph" and len(header.orientation) > 1 and header.orientation[1].startswith("H"):
        found.append("stored upside down: shown as stored")
    if kind in ("ultrasound", "photo", "radiograph") and frames > shown:
        found.append(f"{shown} of {frames} frames shown")
    return tuple(found)


def _identities(made: Rendered) -> list[Identity]:
    return [d.header.identity for d in made.headers if d.header] + [p.header.identity for p in made.pictures]


def _first(faults: BaseExceptionGroup[DicomError]) -> BaseException:
    """The first leaf: the tasks beside it were cancelled for it."""
    fault: BaseException = faults
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return fault


async def _fetch(
    server: DicomWeb, study: str, series: str, uid: str, deadline: float, frame: int | None = None
) -> _Fetched:
    data = await server.instance(study, series, uid, deadline=deadline)
    return _Fetched(Source(study_uid=study, instance_uid=uid, frame=frame), data)


async def _opened(file: Path) -> _Fetched:
    return _Fetched(Source(path=str(file)))


def _not_this_patient(told: Compared) -> Refused:
    if told.differs:
        return Refused(reason=f"the images are of another patient: {told.differs} differs", code="other-patient")
    return Refused(
        reason="nothing says whose images these are: neither patient id nor birth date agrees", code="unknown-patient"
    )


def _taken(taken: int, of: int) -> tuple[str, ...]:
    return (f"{taken} of {of} slices taken, evenly",) if taken < of else ()
