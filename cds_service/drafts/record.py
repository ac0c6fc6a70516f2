"""What the record holds of one draft, found by our identifiers alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from cds_service.drafts import resources
from cds_service.drafts.draft import Draft
from cds_service.drafts.resources import Standing
from fhir_adapters import errors
from fhir_adapters.client import FhirClient
from fhir_adapters.write.elements import IDENTIFIERS, Json


async def report_of(client: FhirClient, draft: Draft, deadline: float) -> Json | None:
    """The report of this draft. Several are a conflict: which is ours cannot be told."""
    reports = await _search(client, "DiagnosticReport", [draft.identifier], deadline)
    if len(reports) > 1:
        raise errors.Conflict("GET DiagnosticReport", detail="several reports carry our identifier")
    return reports[0] if reports else None


async def standing(client: FhirClient, draft: Draft, report: Json, deadline: float) -> Standing:
    """The report with its Task and Observations, each in the version that stands now."""
    tasks = await _search(client, "Task", [resources.task_identifier(draft)], deadline)
    findings = resources.finding_identifiers(draft)
    observations = await _search(client, "Observation", findings, deadline) if findings else []
    return Standing(report=report, task=tasks[0] if tasks else None, observations=tuple(observations))


async def _search(client: FhirClient, kind: str, identifiers: list[str], deadline: float) -> list[Json]:
    tokens = ",".join(f"{quote(IDENTIFIERS, safe='')}|{quote(each, safe='')}" for each in identifiers)
    body = msgspec.json.decode(await client.document(f"{kind}?identifier={tokens}&_count=200", deadline=deadline))
    entries: list[dict[str, Any]] = body.get("entry", [])
    return [r for entry in entries if (r := entry.get("resource", {})).get("resourceType") == kind]
