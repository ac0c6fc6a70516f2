"""The read of a study as a durable job: wanted once for each tenant, study, set of prompts and engine.

The job's tables hold the key alone; what is wanted is sealed as its snapshot. Images are fetched with the service's own
credentials, never with the token of a call. Kind ``image`` of ``assessments/jobs.py``: shed first under load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from cds_service.assessments.jobs import SHOWN, Jobs
from cds_service.assessments.store import Store
from cds_service.db.gateway import DatabaseUnavailable
from cds_service.drafts.draft import Draft
from cds_service.drafts.drafts import Drafts
from cds_service.encryption import Cipher
from cds_service.imaging.archives import Archives
from cds_service.imaging.patient_check import Expected, PatientCheck, check_of
from cds_service.imaging.read import Read
from cds_service.imaging.reading import Reader
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import AUDITED, PriorStudy, Viewer
from cds_service.models.engine import Engine
from cds_service.models.faults import NotReady
from cds_service.tracing import OFF, Tracing
from fhir_adapters.dicom.errors import DicomError

KIND = "image"
TASK = "image:read"
FETCH_S = 120.0  # for the images of one study
PRIOR_S = 60.0
TAKEN = ("accepted", "edited")  # a person's report stays what it is when the model changes

SecurityEvent = Callable[[str], None]  # told the code of the refusal alone


class Wanted(Struct, frozen=True, kw_only=True):
    """One study that is to be read, as the call knew it. Sealed wherever it is stored."""

    tenant: str
    patient: str  # logical id
    expected: Expected
    study_uid: str
    study_reference: str  # 'ImagingStudy/ID'
    encounter: str = ""
    based_on: tuple[str, ...] = ()
    earlier: tuple[PriorStudy, ...] = ()


class Progress(Struct, frozen=True, kw_only=True):
    """How a read stands. ``why`` is for people: why there is none, or why none is under way."""

    state: Literal["drafted", "preparing", "refused", "failed", "waiting"]
    draft: Draft | None = None  # made by what would read now, or taken by a person
    older: Draft | None = None  # by another model or other prompts: there, but not what a read would say now
    why: str = ""


class ReadWork:
    """What the job does. Repeatable: the same read gives the same draft."""

    def __init__(
        self,
        viewer: Viewer,
        reader: Reader,
        engine: Engine,
        drafts: Drafts,
        *,
        security: SecurityEvent,
        count: Callable[[str, int], None] = lambda _name, _n: None,
        tracing: Tracing = OFF,
        issuers: Mapping[str, str] | None = None,
        archives: Archives | None = None,
        off: Callable[[], bool] = lambda: False,
    ) -> None:
        """``off``: whether all AI is switched off; a read that was at work meanwhile leaves no draft."""
        self._off = off
        self._viewer, self._reader, self._engine, self._drafts = viewer, reader, engine, drafts
        self._security, self._count, self._tracing = security, count, tracing
        self._issuers, self._archives = issuers or {}, archives

    async def __call__(self, key: str, snapshot: bytes) -> bytes:
        """The Read of what is wanted, as JSON; its draft is stored first. Raises what ``models/faults.py`` lists."""
        wanted = msgspec.json.decode(snapshot, type=Wanted)
        with self._tracing.span("image read") as span:
            read = await self._read(wanted)
            span.set(
                modality=read.modality, images=len(read.instances), findings=len(read.findings),
                dropped=sum(read.dropped.values()), refused=bool(read.refused),
            )  # fmt: skip
        if self._off():
            raise NotReady("all AI was switched off meanwhile")
        for reason, n in read.dropped.items():
            self._count(f"statements_dropped:{reason}", n)
        if not read.refused:
            await self._drafts.put(
                read,
                patient=wanted.patient,
                study_reference=wanted.study_reference,
                tenant=wanted.tenant,
                encounter=wanted.encounter,
                based_on=wanted.based_on,
            )
        return msgspec.json.encode(read)

    async def _read(self, wanted: Wanted) -> Read:
        now = asyncio.get_running_loop().time
        check = check_of(wanted.expected, self._issuers)
        try:
            archive = await self._archives.of(wanted.study_reference) if self._archives else ""
        except DicomError as fault:
            return Read(study_uid=wanted.study_uid, modality="", body_part="", refused=fault.reason)
        deadline = now() + FETCH_S
        seen = await self._viewer.study(wanted.study_uid, patient_check=check, deadline=deadline, archive=archive)
        if isinstance(seen, Refused):
            if seen.code in AUDITED:
                self._security(seen.code)
            return Read(study_uid=wanted.study_uid, modality="", body_part="", refused=seen.reason)
        earlier = await self._earlier(seen, wanted, check)
        return await self._reader.read(self._engine, seen, earlier)

    async def _earlier(self, seen: Seen, wanted: Wanted, check: PatientCheck) -> Seen | None:
        """An earlier image is a help, not a need: one that cannot be had leaves a read that says so."""
        if not wanted.earlier:
            return None
        deadline = asyncio.get_running_loop().time() + PRIOR_S
        found = await self._viewer.prior(seen, wanted.earlier, patient_check=check, deadline=deadline)
        if isinstance(found, Refused) and found.code in AUDITED:
            self._security(found.code)
        return found if isinstance(found, Seen) else None


class ImageReads:
    """What a card asks: how the read of a study stands. Has it made where nobody asked before."""

    def __init__(
        self,
        cipher: Cipher,
        store: Store,
        jobs: Jobs,
        drafts: Drafts,
        reader: Reader,
        engine: Engine,
        not_ready: Callable[[], str] = lambda: "",
    ) -> None:
        self._cipher, self._store, self._jobs, self._drafts = cipher, store, jobs, drafts
        self._reader, self._engine = reader, engine
        self._not_ready = not_ready  # why the engine cannot be asked yet: its identity may still change

    def key(self, wanted: Wanted) -> str:
        """32 hex digits over tenant, patient, study, every prompt of imaging and the engine."""
        identity = self._engine.identity
        return self._cipher.pseudonym(
            "image-read", wanted.tenant, wanted.patient, wanted.study_uid, *self._labels(),
            identity.engine, identity.model, identity.revision,
        )  # fmt: skip

    async def progress(self, wanted: Wanted, deadline: float) -> Progress:
        """Answers within ``deadline`` (a moment of the event loop's clock) whatever database and engine do."""
        try:
            async with asyncio.timeout_at(deadline):
                made = await self._drafts.all_of_study(wanted.tenant, wanted.study_uid)
                if (taken := next((d for d in made if d.state in TAKEN), None)) is not None:
                    return Progress(state="drafted", draft=taken)
                older = made[0] if made else None
                if why := self._not_ready():
                    return Progress(state="waiting", why=why, older=older)
                if (current := next((d for d in made if self._current(d)), None)) is not None:
                    return Progress(state="drafted", draft=current)
                progress = await self._asked(self.key(wanted), wanted, deadline)
                return msgspec.structs.replace(progress, older=older)
        except (TimeoutError, DatabaseUnavailable):
            return Progress(state="waiting", why="the store of reads does not answer")

    def _current(self, draft: Draft) -> bool:
        """Whether this engine with these prompts made it (fault matrix row 60)."""
        return draft.read.identity == self._engine.identity and set(draft.read.prompts) <= set(self._labels())

    def _labels(self) -> list[str]:
        return [p.label for name, p in sorted(self._reader.prompts.by_name.items()) if name in IMAGE_PROMPTS]

    async def _asked(self, key: str, wanted: Wanted, deadline: float) -> Progress:
        known = (await self._jobs.look([key], deadline)).get(key)
        result = self._store.held(key)
        if result is None and known is not None and known.sealed is not None:
            result = self._store.take(key, known.sealed, known.expires_at)
        if result is not None and (refused := msgspec.json.decode(result, type=Read).refused):
            return Progress(state="refused", why=refused)
        if known is not None and known.state in ("queued", "running"):
            return Progress(state="preparing")
        why = self._jobs.ask(key, TASK, lambda: msgspec.json.encode(wanted), SHOWN)
        if why:
            return Progress(state="waiting", why=why)
        if known is not None and known.state == "failed":  # one that was shed is on its way again
            return Progress(state="failed", why=known.reason)
        return Progress(state="preparing")


IMAGE_PROMPTS = frozenset(
    {"image-report", "image-classification", "image-comparison", "ct-volume", "localize"}
)  # whose wording a read depends on
