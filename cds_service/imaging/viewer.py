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

from cds_service.imaging import admission, read, shown
from cds_service.imaging.patient_check import PatientCheck
from cds_service.imaging.requests import Render, Rendered, Source
from cds_service.imaging.seen import Kind, Refused, Seen
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
VOLUME_SERIES = 6  # of one study that are looked into until one holds axial originals
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
            return shown.seen([await self._render((source,), deadline)], patient_check)
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
            return shown.seen([await self._render((source,), deadline, encoding, boxes)], patient_check)
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
                return shown.not_this_patient(told)
            series = selection.candidates(found, self._modalities())
            if not series:
                return Refused(reason="no series of a modality that is read", code="no-series")
            if series[0].modality in selection.VOLUMES:
                found_there = await self._volume(server, study_uid, series, patient_check, deadline)
            else:
                found_there = await self._radiograph(server, study_uid, series, patient_check, deadline)
            return found_there if isinstance(found_there, Refused) else replace(found_there, archive=archive)
        except DicomError as error:
            return Refused(reason=error.reason, code=error.code)

    async def prior(
        self, seen: Seen, studies: Sequence[PriorStudy], *, patient_check: PatientCheck | None, deadline: float
    ) -> Seen | Refused | None:
        """The newest earlier study of the same kind and body part; None where there is none.

        A study that turns out to be of another part, or not to be earlier by its own header, is passed over; the first fault
        of a study is told. Without the time of the current image nothing is earlier.
        """
        earlier = [
            s
            for s in studies
            if s.study_uid != seen.study_uid and (not s.modalities or seen.modality in s.modalities)
            and s.started and s.started[:10] <= seen.performed[:10]
        ]  # fmt: skip
        fault: Refused | None = None
        for study in sorted(earlier, key=lambda s: s.started, reverse=True)[:3]:
            found = await self.study(
                study.study_uid, patient_check=patient_check, deadline=deadline, archive=seen.archive
            )
            if isinstance(found, Refused):
                fault = fault or found
            elif _comparable(found, seen) and _earlier(found.performed, seen.performed):
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
        return shown.seen([await self._render((source,), deadline)], check, of)

    async def _volume(
        self, server: DicomWeb, study: str, candidates: list[qido.Series], check: PatientCheck | None, deadline: float
    ) -> Seen | Refused:
        series, instances, listed = await self._chosen(server, study, candidates[:VOLUME_SERIES], deadline)
        if not instances:
            return Refused(reason="no image for presentation in the study", code="no-image")
        positions = [i.position for i in instances]
        order, how = volumes.order(positions, instances[0].axes, [i.number for i in instances])
        picked = [instances[order[i]] for i in volumes.sample(len(order))]
        made = await self._slices(
            [partial(_fetch, server, study, series.uid, i.uid, deadline) for i in picked], series.modality, deadline
        )
        steps = (how, *shown.taken(len(picked), len(order)))
        warnings = (*shown.listed(listed, series.instances), *shown.covered(positions, instances[0].axes))
        return shown.seen(made, check, series, steps=steps, warnings=warnings)

    async def _chosen(
        self, server: DicomWeb, study: str, candidates: list[qido.Series], deadline: float
    ) -> tuple[qido.Series, list[qido.Instance], int]:
        """The largest series of axial originals; where none has these, the nearest to it. All of one modality.

        With its slices and how many images the server listed.
        """
        found: list[tuple[qido.Series, list[qido.Instance], int]] = []
        for each in [series for series in candidates if series.modality == candidates[0].modality]:
            instances = await server.instances(study, each.uid, deadline=deadline)
            if len(instances) > 1 and not any(i.position for i in instances) and len(instances) <= FILES:
                instances = await server.metadata(study, each.uid, deadline=deadline) or instances
            slices = selection.volume(instances)
            if slices and not any(selection.unfit(slices)):
                return each, slices, len(instances)
            found.append((each, slices, len(instances)))
        return min(found, key=lambda one: (not one[1], selection.unfit(one[1])))

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
            return shown.seen([await self._render((await _opened(good[best][0]),), deadline)], check)
        chosen = selection.volume([_row(number, good[number][1]) for number in members])
        positions, axes = [i.position for i in chosen], chosen[0].axes
        order, how = volumes.order(positions, axes, [i.number for i in chosen])
        picked = [good[int(chosen[order[i]].uid)][0] for i in volumes.sample(len(order))]

        made = await self._slices([partial(_opened, f) for f in picked], first.modality, deadline)
        steps = (how, *shown.taken(len(picked), len(order)))
        return shown.seen(made, check, steps=steps, warnings=shown.covered(positions, axes))

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


def _comparable(found: Seen, seen: Seen) -> bool:
    return found.kind == seen.kind and bool(seen.body_part) and found.body_part == seen.body_part


def _earlier(one: str, other: str) -> bool:
    """Whether ``one`` is known to be before ``other``; as precise as the less precise of the two. Both times are local."""
    precise = min(len(one), len(other))
    return "" < one[:precise] < other[:precise]


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


def _row(number: int, header: Header) -> qido.Instance:
    """A file's header as a search would give it, with its place among the files as UID."""
    return qido.Instance(
        uid=str(number), sop_class=header.sop_class, image_type=header.image_type, intent=header.intent,
        number=header.instance_number, acquisition=header.acquisition, position=header.position, axes=header.axes,
    )  # fmt: skip
