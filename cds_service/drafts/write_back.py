"""Brings the record to what was decided. It looks by our identifier first, writes once, and reads back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from cds_service.drafts import pdf, record, report_text, resources
from cds_service.drafts.draft import Draft, Filed
from fhir_adapters import errors
from fhir_adapters.client import FhirClient
from fhir_adapters.write.elements import Json, Nonsense
from fhir_adapters.write.validation import NotValidated, validate

PATIENCE_S = 20.0  # for all of it: finding, printing, checking, writing, reading back
OPEN = ("registered", "partial", "preliminary")
Connect = Callable[[float], Awaitable[FhirClient]]  # until a deadline: a client with credentials of our own
UNKNOWN = "whether it was written is not known ({reason}); the draft is kept, trying again looks in the record first"
MOVED = "the report in the record was changed meanwhile{now}; look at it there, then try again"


class Outcome(Struct, frozen=True):
    """Where the report stands after a write-back; ``fault`` in words for the person, ``reason`` for counting."""

    filed: Filed = ""
    report: str = ""
    fault: str = ""
    reason: str = ""


class WriteBack:
    """Writes drafts to one FHIR server. ``connect`` None: nowhere to write to, and it says so.

    ``spend`` is told when the server no longer takes our token: the next ``connect`` then brings a new one.
    """

    def __init__(
        self,
        connect: Connect | None,
        configuration: Mapping[str, str],
        *,
        spend: Callable[[], None] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._connect = connect
        self.configuration = configuration
        self._spend = spend
        self._patience_s = patience_s

    async def settle(self, draft: Draft) -> Outcome:
        """One attempt, over in ``patience_s``. Never raises for what a server does; the outcome says it."""
        if self._connect is None:
            unwritten = draft.state == "rejected" and not draft.filed
            return Outcome() if unwritten else _failed(draft, "no record to write to is configured", "nowhere")
        deadline = asyncio.get_running_loop().time() + self._patience_s
        try:
            async with asyncio.timeout_at(deadline):
                return await self._signed_in(self._connect, draft, deadline)
        except errors.Conflict:
            return _failed(draft, MOVED.format(now=""), "conflict")
        except (errors.NoAnswer, errors.BadBody, errors.ServerError) as error:
            return _failed(draft, UNKNOWN.format(reason=error.title), error.title)
        except TimeoutError:
            return _failed(draft, UNKNOWN.format(reason="timed out"), "timed out")
        except errors.FhirError as error:
            return _failed(draft, f"the record did not take it ({error.title}); the draft is kept", error.title)
        except (Nonsense, NotValidated, pdf.PdfFailed) as error:
            return _failed(draft, f"nothing was written: {error}; the draft is kept", "not valid")

    async def _signed_in(self, connect: Connect, draft: Draft, deadline: float) -> Outcome:
        """A second time with a new token where the server no longer takes the first. A 401 has written nothing."""
        try:
            return await self._settle(await connect(deadline), draft, deadline)
        except (errors.NotPermitted, errors.TokenExpired) as error:
            if self._spend is None or error.status == 403:
                raise
        self._spend()
        return await self._settle(await connect(deadline), draft, deadline)

    async def _settle(self, client: FhirClient, draft: Draft, deadline: float) -> Outcome:
        wanted = {"rejected": "entered-in-error", "waiting": "partial"}.get(draft.state, "preliminary")
        found = await record.report_of(client, draft, deadline)
        if found is None and draft.state == "rejected":
            return Outcome(reason="nothing to retract")
        status = found.get("status", "") if found else ""
        if found is not None and status == wanted:
            return _stands(found)
        if status and (status not in OPEN or draft.state == "waiting"):  # nobody decided here: a person did there
            fault = f"the record holds this report as {status}; change it there"
            return _failed(draft, fault, "closed in the record")
        return await self._write(client, draft, found, wanted, deadline)

    async def _write(
        self, client: FhirClient, draft: Draft, found: Json | None, wanted: str, deadline: float
    ) -> Outcome:
        bundle = await validate(await self._transaction(client, draft, found, deadline))
        try:
            await client.transaction(bundle, deadline=deadline)
        except errors.Conflict:
            now = await record.report_of(client, draft, deadline)
            status = now.get("status", "") if now else ""
            if now is None or status != wanted:
                return _failed(draft, MOVED.format(now=f" and stands as {status}" if status else ""), "conflict")
            return _stands(now)
        now = await record.report_of(client, draft, deadline)
        if now is None or now.get("status") != wanted:
            return _failed(draft, "the record took it but does not show it; the draft is kept", "not shown")
        return _stands(now)

    async def _transaction(self, client: FhirClient, draft: Draft, found: Json | None, deadline: float) -> Json:
        text, made = "", b""
        if draft.state != "rejected":
            text, made = await printed(draft)
        if found is None:
            return resources.filing(draft, self.configuration, text, made)
        standing = await record.standing(client, draft, found, deadline)
        return resources.change(draft, standing, self.configuration, text, made)


async def printed(draft: Draft) -> tuple[str, bytes]:
    """The report's text and its PDF as they stand at this state."""
    person = draft.person if draft.state in ("accepted", "edited") else None
    text = report_text.text(
        draft.read,
        resources.examination(draft.read),
        patient=draft.patient,
        reviewer=f"{person.display or person.reference}, {report_text.minute(draft.decided)}" if person else "",
        edited=resources.edited_words(draft),
    )
    return text, await pdf.render(text)


def _failed(draft: Draft, fault: str, reason: str) -> Outcome:
    return Outcome(draft.filed, draft.report, fault, reason)


def _stands(found: Json) -> Outcome:
    return Outcome(found["status"], f"DiagnosticReport/{found['id']}", reason=found["status"])
