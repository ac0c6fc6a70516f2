"""The DICOM SR of a draft in the archive its images came from: made once, looked for before it is stored.

Stored after the report stands in the record, so with a person's yes unless the site files unreviewed drafts. It stays
PARTIAL and UNVERIFIED: who verifies a DICOM SR does so in the archive. A person's own wording makes none. DICOMweb has no
way to take it back: once the draft is rejected or worded anew, a rejection note is stored beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cds_service.drafts.draft import Draft
from cds_service.drafts.report_text import where
from fhir_adapters.dicom import rejection_note, structured_report
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import DicomError
from fhir_adapters.dicom.structured_report import Asked, QualitativeFinding, ReportFailed
from fhir_adapters.write import diagnostic_report

PATIENCE_S = 20.0
REASONS = {
    "rejected": "The AI-drafted report was rejected by the person who reviewed it.",
    "edited": "The AI-drafted findings were replaced by the words of the person who reviewed them.",
}


class NotArchived(RuntimeError):
    """The archive does not hold the report; the message says why, in words for the person."""


class Archive:
    """Keeps structured reports in one DICOMweb server."""

    def __init__(self, server: DicomWeb, *, patience_s: float = PATIENCE_S) -> None:
        self._server = server
        self._patience_s = patience_s

    async def keep(self, draft: Draft) -> str:
        """SOP Instance UID of the stored report, '' where there is nothing to store; ``NotArchived`` otherwise."""
        if draft.state not in ("waiting", "accepted") or not draft.read.findings or not draft.read.instances:
            return ""
        if draft.read.archive:  # of a server that is read from alone
            return ""
        return await self._in_time(self._keep, draft)

    async def reject(self, draft: Draft) -> tuple[str, str]:
        """SOP Instance UIDs of a stored report and of the note that rejects it, '' twice where none was stored.

        ``NotArchived`` where the archive did not take the note or did not answer. It is looked in even where the draft
        knows of no report: a process may have died right after it had stored one.
        """
        series, report = structured_report.uids(draft.identifier)
        note = await self._in_time(self._reject, draft, series, report)
        return (report, note) if note else ("", "")

    async def _in_time(self, step: Callable[..., Awaitable[str]], *given: Any) -> str:
        deadline = asyncio.get_running_loop().time() + self._patience_s
        try:
            async with asyncio.timeout_at(deadline):
                return await step(*given, deadline)
        except TimeoutError:
            raise NotArchived("the archive did not answer in time") from None
        except DicomError as error:
            raise NotArchived(error.reason) from None
        except ReportFailed as error:
            raise NotArchived(str(error)) from None

    async def _reject(self, draft: Draft, series: str, report: str, deadline: float) -> str:
        if not await self._server.holds(draft.study_uid, series, report, deadline=deadline):
            return ""
        note_series, note = rejection_note.uids(draft.identifier)
        if not await self._server.holds(draft.study_uid, note_series, note, deadline=deadline):
            found = await self._server.headers(draft.study_uid, series, {report}, deadline=deadline)
            if not found:
                raise NotArchived("the archive does not give the report's header")
            asked = rejection_note.Rejected(
                identifier=draft.identifier, header=found[0], reason=REASONS.get(draft.state, REASONS["rejected"])
            )
            await self._server.store([await rejection_note.make(asked)], deadline=deadline)
        return note

    async def _keep(self, draft: Draft, deadline: float) -> str:
        series, instance = structured_report.uids(draft.identifier)
        if not await self._server.holds(draft.study_uid, series, instance, deadline=deadline):
            made = await structured_report.make(_asked(draft, await self._headers(draft, deadline)))
            await self._server.store([made], deadline=deadline)
        return instance

    async def _headers(self, draft: Draft, deadline: float) -> list[dict[str, Any]]:
        wanted: dict[str, list[str]] = {}
        for each in draft.read.instances:
            wanted.setdefault(each.series_uid, []).append(each.instance_uid)
        found: list[dict[str, Any]] = []
        for series, instances in wanted.items():
            found += await self._server.headers(draft.study_uid, series, set(instances), deadline=deadline)
        if len(found) < sum(len(set(instances)) for instances in wanted.values()):
            raise NotArchived("the archive no longer has the images that were read")
        return found


def _asked(draft: Draft, headers: Sequence[dict[str, Any]]) -> Asked:
    read = draft.read
    coded = diagnostic_report.code_of(read.modality, read.body_part)["coding"][0]
    return Asked(
        identifier=draft.identifier,
        headers=headers,
        procedure=(coded["code"], coded["display"]),
        findings=[
            QualitativeFinding(key=each.key, name=each.name, state=each.state, where=where(each))
            for each in read.findings
        ],
        model=(read.identity.model or read.identity.engine) if read.identity else "unnamed model",
        version=(read.identity.revision if read.identity else "") or "not said",
    )
