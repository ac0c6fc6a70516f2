"""Brings the record to what was decided. It looks by our identifier first, writes once, and reads back (guarantee 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from cds_service.drafts import pdf, report_text, resources
from cds_service.drafts.draft import Draft, Filed
from fhir_adapters import errors
from fhir_adapters.client import FhirClient
from fhir_adapters.write.elements import IDENTIFIERS, Json, Nonsense

PATIENCE_S = 20.0
OPEN = ("registered", "partial", "preliminary")
Connect = Callable[[float], Awaitable[FhirClient]]  # until a deadline: a client with credentials of our own
UNKNOWN = "whether it was written is not known ({reason}); the draft is kept, trying again looks in the record first"


class Outcome(Struct, frozen=True):
    """Where the report stands after a write-back; ``fault`` in words for the person."""

    filed: Filed = ""
    report: str = ""
    fault: str = ""


class WriteBack:
    """Writes drafts to one FHIR server. ``connect`` None: nowhere to write to, and it says so."""

    def __init__(self, connect: Connect | None, configuration: Mapping[str, str]) -> None:
        self._connect = connect
        self.configuration = configuration

    async def settle(self, draft: Draft) -> Outcome:
        """One attempt. Never raises for what a server does; the outcome says it."""
        if self._connect is None:
            unwritten = draft.state == "rejected" and not draft.filed
            return Outcome() if unwritten else Outcome(draft.filed, draft.report, "no record to write to is configured")
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        try:
            return await self._settle(await self._connect(deadline), draft, deadline)
        except errors.Conflict:
            fault = "the report in the record was changed meanwhile; look at it there, then try again"
        except (errors.NoAnswer, errors.BadBody, errors.ServerError) as error:
            fault = UNKNOWN.format(reason=error.title)
        except errors.FhirError as error:
            fault = f"the record did not take it ({error.title}); the draft is kept"
        except (Nonsense, pdf.PdfFailed) as error:
            fault = f"the report could not be built ({error}); the draft is kept"
        return Outcome(draft.filed, draft.report, fault)

    async def _settle(self, client: FhirClient, draft: Draft, deadline: float) -> Outcome:
        wanted = {"rejected": "entered-in-error", "waiting": "partial"}.get(draft.state, "preliminary")
        found = await self._find(client, draft, deadline)
        if found is None and draft.state == "rejected":
            return Outcome()
        status = found.get("status", "") if found else ""
        if found is not None and status == wanted:
            return _stands(found)
        if status and status not in OPEN:
            return Outcome(draft.filed, draft.report, f"the record holds this report as {status}; change it there")
        text, made = "", b""
        if draft.state != "rejected":
            text, made = await printed(draft)
        change = (
            resources.change(draft, found, self.configuration, text, made)
            if found
            else resources.filing(draft, self.configuration, text, made)
        )
        await client.transaction(msgspec.json.encode(change), deadline=deadline)
        now = await self._find(client, draft, deadline)
        if now is None or now.get("status") != wanted:
            return Outcome(draft.filed, draft.report, "the record took it but does not show it; the draft is kept")
        return _stands(now)

    async def _find(self, client: FhirClient, draft: Draft, deadline: float) -> Json | None:
        """The report of this draft in the record. Several are a conflict: which is ours cannot be told."""
        query = f"DiagnosticReport?identifier={quote(IDENTIFIERS, safe='')}|{quote(draft.identifier, safe='')}"
        body = msgspec.json.decode(await client.document(query, deadline=deadline))
        entries: list[dict[str, Any]] = body.get("entry", [])
        reports = [r for e in entries if (r := e.get("resource", {})).get("resourceType") == "DiagnosticReport"]
        if len(reports) > 1:
            raise errors.Conflict("GET DiagnosticReport", detail="several reports carry our identifier")
        return reports[0] if reports else None


async def printed(draft: Draft) -> tuple[str, bytes]:
    """The report's text and its PDF as they stand at this state."""
    taken = draft.state in ("accepted", "edited")
    words = resources.edited_words(draft)
    text = report_text.text(draft.read, resources.examination(draft.read), reviewed=taken, edited=words)
    return text, await pdf.render(text)


def _stands(found: Json) -> Outcome:
    return Outcome(found["status"], f"DiagnosticReport/{found['id']}")
