"""Drafts from a read to the record: kept sealed, decided by a person, written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
from msgspec import Raw

from cds_service.drafts import report_text, resources
from cds_service.drafts.archived import Archive, NotArchived
from cds_service.drafts.draft import Accept, Decided, Decision, Draft, Edit, Person, Reject
from cds_service.drafts.store import DraftStore, Listed
from cds_service.drafts.write_back import WriteBack, printed
from cds_service.encryption import Cipher
from cds_service.errors import CdsError
from cds_service.imaging.read import Read

BUSY_S = 60.0  # longer than PATIENCE_S of the write-back and of the archive together; after a crash it is free then
LATE_S = 300.0  # a write that was never answered may still arrive: the record is looked in again for what was rejected meanwhile
WORDS = 10_000  # characters of a person's conclusion or reason
NOT_KEPT = "the report is in the record, its DICOM SR is not in the archive ({why}); try again"
NOT_REJECTED = (
    "the record is done, but DICOM SR {uid} stands in the archive and no rejection note beside it ({why}); try again"
)
NOT_LOOKED = (
    "the record is done, but whether a DICOM SR of this draft stands in the archive is not known ({why}); try again"
)
DECIDED: dict[type[Decision], Decided] = {Accept: "accepted", Edit: "edited", Reject: "rejected"}


class UnknownDraft(CdsError):
    """No draft has this id; the list of drafts has the ones there are."""

    status = 404
    code = "not-found"


class DraftMoved(CdsError):
    """Somebody else decided meanwhile, or it is being written now; look at the draft again."""

    status = 409
    code = "conflict"


class NotDecidable(CdsError):
    """The decision cannot be taken from where the draft is; the message says why."""

    status = 409
    code = "business-rule"


class Drafts:
    """Every draft of this service. Imaging calls ``put``; cards call ``of_study``; the review pages do the rest."""

    def __init__(
        self,
        store: DraftStore,
        cipher: Cipher,
        write_back: WriteBack,
        *,
        file_unreviewed: bool = False,
        archive: Archive | None = None,
        count: Callable[[str], None] = lambda _name: None,
        audit: Callable[[str, Draft], None] = lambda _event, _draft: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        busy_s: float = BUSY_S,
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._write_back = write_back
        self._file_unreviewed = file_unreviewed
        self._archive = archive
        self._count = count
        self._audit = audit
        self._clock = clock
        self._busy_s = busy_s
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(
        self,
        read: Read,
        *,
        patient: str,
        study_reference: str,
        tenant: str,
        encounter: str = "",
        based_on: tuple[str, ...] = (),
    ) -> Draft:
        """The draft of a finished read. The same tenant, study, prompts and engine give the same draft.

        A draft made under an older key is found by its older name and keeps it, and its identifier.
        ``ValueError`` for a read that was refused: there is nothing to report.
        """
        if read.refused:
            raise ValueError("a refused read has no report")
        engine = read.identity.label if read.identity else ""
        ids = self._cipher.pseudonyms("draft", tenant, read.study_uid, engine, *read.prompts)
        if (known := await self._store.first_of(ids)) is not None:
            return await self._filed_unreviewed(known)
        own_id = ids[0]
        made = Draft(
            id=own_id,
            identifier=f"urn:uuid:{UUID(hex=self._cipher.pseudonym('report', own_id), version=4)}",
            version=1,
            state="waiting",
            tenant=tenant,
            patient=patient,
            study_uid=read.study_uid,
            study_reference=study_reference,
            encounter=encounter,
            based_on=based_on,
            read=read,
            created=self._clock().isoformat(timespec="milliseconds"),
            resources=Raw(b"{}"),
        )
        bundle = resources.filing(made, self._write_back.configuration, *await printed(made))
        made = msgspec.structs.replace(made, resources=Raw(msgspec.json.encode(bundle)))
        await self._store.add(made)
        stored = await self._known(own_id)
        if stored.created == made.created:
            self._told("draft made", stored)
        return await self._filed_unreviewed(stored)

    async def of_study(self, tenant: str, study_uid: str) -> Draft | None:
        """The newest draft of a study, None when there is none."""
        return await self._store.of_study(tenant, study_uid)

    async def all_of_study(self, tenant: str, study_uid: str) -> Sequence[Draft]:
        """Every draft of a study, newest first: each engine and set of prompts made its own."""
        return await self._store.all_of_study(tenant, study_uid)

    async def get(self, id: str) -> Draft | None:  # noqa: A002
        """A draft by the id of its address."""
        return await self._store.get(id)

    async def newest(self) -> Listed:
        """The newest drafts, newest first: what the list shows. Those that do not open are counted."""
        return await self._store.newest()

    async def decide(self, id: str, decision: Decision, person: Person) -> Draft:  # noqa: A002
        """Keep what a person decided, then bring the record to it; ``fault`` of the answer says when that failed.

        The same decision again makes nothing twice: it finishes what was left undone.
        """
        turn = self._turns.setdefault(id, asyncio.Lock())
        async with turn:
            draft = await self._known(id)
            if decision.version and decision.version != draft.version:
                raise DraftMoved("the draft was changed meanwhile; look at it again")
            state = DECIDED[type(decision)]
            if draft.state == state and draft.decision is not None and _same(draft.decision, decision):
                return draft if draft.settled else await self._file(draft, draft.version)
            _check(draft, decision)
            decided = msgspec.structs.replace(
                draft,
                state=state,
                decision=decision,
                person=person,
                decided=self._clock().isoformat(timespec="milliseconds"),
            )
            return await self._file(decided, draft.version)

    async def resume(self) -> int:
        """Finish what processes that died left half written; how many drafts. Two replicas finish each once."""
        done, found = 0, await self._store.unfinished()
        for _ in range(found.unopened):
            self._count("drafts:not opened")
        for draft in found.drafts:
            try:
                await self._file(draft, draft.version)
            except DraftMoved:  # a person or another replica was faster
                continue
            self._count("drafts:resumed")
            done += 1
        return done

    async def by_state(self) -> dict[str, int]:
        """How many drafts there are: waiting, accepted, edited, rejected."""
        return await self._store.by_state()

    async def _filed_unreviewed(self, draft: Draft) -> Draft:
        """Filed as partial where the site wants that and it was never tried: also after a crash between the two."""
        if not self._file_unreviewed or draft.version > 1:
            return draft
        try:
            return await self._file(draft, draft.version)
        except DraftMoved:
            return await self._known(draft.id)

    async def _file(self, draft: Draft, before: int) -> Draft:
        """Claim the draft with its decision, write it, keep what came of it."""
        claimed = msgspec.structs.replace(draft, version=before + 1, fault="it was not finished; try again")
        if not await self._store.replace(claimed, before=before, busy_s=self._busy_s):
            raise DraftMoved("somebody else is deciding on this draft; look at it again")
        outcome = await self._write_back.settle(draft)
        self._count(f"draft_writes:{outcome.reason}")
        settled = msgspec.structs.replace(
            claimed, version=before + 2, filed=outcome.filed, report=outcome.report, fault=outcome.fault
        )
        ended = settled if outcome.fault else await self._archived(settled)
        unanswered = draft.state == "rejected" and bool(draft.fault) and not (ended.filed or ended.fault)
        await self._store.replace(ended, before=before + 1, again_s=LATE_S if unanswered else 0.0)
        self._told("draft write failed" if ended.fault else f"draft {draft.state}", ended)
        return ended

    async def _archived(self, draft: Draft) -> Draft:
        """The archive brought to what the record says. What the record refused never comes here."""
        if draft.state in ("rejected", "edited"):
            return await self._rejected(draft)
        if self._archive is None or not draft.filed or draft.structured_report:
            return draft
        try:
            kept = await self._archive.keep(draft)
        except NotArchived as error:
            self._count("draft_writes:not archived")
            return msgspec.structs.replace(draft, fault=NOT_KEPT.format(why=error))
        if kept:
            self._count("draft_writes:archived")
        return msgspec.structs.replace(draft, structured_report=kept)

    async def _rejected(self, draft: Draft) -> Draft:
        """A report in the archive that no longer says what was decided gets its rejection note."""
        possible = draft.structured_report or (draft.state == "rejected" and draft.filed)
        if self._archive is None or not possible or draft.rejection_note:
            return draft
        try:
            report, note = await self._archive.reject(draft)
        except NotArchived as error:
            self._count("draft_writes:not archived")
            fault = NOT_REJECTED if draft.structured_report else NOT_LOOKED
            return msgspec.structs.replace(draft, fault=fault.format(uid=draft.structured_report, why=error))
        if note:
            self._count("draft_writes:archived")
        return msgspec.structs.replace(draft, structured_report=report, rejection_note=note)

    def _told(self, event: str, draft: Draft) -> None:
        self._count(f"drafts:{event.removeprefix('draft ')}")
        self._audit(event, draft)

    async def _known(self, own_id: str) -> Draft:
        draft = await self._store.get(own_id)
        if draft is None:
            raise UnknownDraft("there is no such draft")
        return draft


def _same(one: Decision, other: Decision) -> bool:
    return msgspec.structs.replace(one, version=0) == msgspec.structs.replace(other, version=0)


def _check(draft: Draft, decision: Decision) -> None:
    words = decision.conclusion if isinstance(decision, Edit) else getattr(decision, "reason", "")
    if isinstance(decision, Edit) and not words.strip():
        raise NotDecidable("a conclusion of your own needs words")
    if isinstance(decision, Edit) and words.split() == report_text.conclusion(draft.read).split():
        raise NotDecidable("the wording is the draft's own: accept it as drafted, or write another")
    if len(words) > WORDS:
        raise NotDecidable(f"at most {WORDS} characters")
    if draft.state == "rejected":
        raise NotDecidable("the draft was rejected; a new read makes a new draft")
    if draft.filed == "preliminary" and not isinstance(decision, Reject):
        raise NotDecidable("the report stands in the record already; correct it there")
