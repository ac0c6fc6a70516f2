"""From an HTTP answer to FHIR resources, or to the named fault that it is."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from msgspec import Struct

from fhir_adapters import errors, json_guard
from fhir_adapters.read.resources import Resources, read
from fhir_adapters.server import DEFAULT_BACK_OFF_S, Reply, retry_after

FHIR_JSON = "application/fhir+json"
JSON_TYPES = frozenset({FHIR_JSON, "application/json", "application/json+fhir", "text/json"})
LARGE_BYTES = 256 * 1024  # above this a body is read in a worker thread
READERS = 2  # threads that read such bodies
SMALL_BYTES = 64 * 1024  # an error's body above this is not looked at
SERIOUS = frozenset({"error", "fatal"})
# https://hl7.org/fhir/R4/codesystem-issue-type.html; anything else may be somebody's words
ISSUE_CODES = frozenset((
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden",
    "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long",
    "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store",
    "exception", "timeout", "incomplete", "throttled", "informational",
))  # fmt: skip
HISTORY = re.compile(r"/[A-Z][A-Za-z]+/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?\Z")


class Written(Struct, frozen=True):
    """What became of a create or update. 200 to a conditional create: it was there before."""

    status: int
    id: str
    etag: str
    body: bytes


def check(reply: Reply, where: str) -> None:
    """Raise what an answer's status or content type says; a 2xx in JSON, or without a body, passes."""
    if reply.status >= 300:
        wait = retry_after(reply.headers)
        if wait is None and reply.status == 429:
            wait = DEFAULT_BACK_OFF_S
        raise errors.for_status(reply.status, where, codes=_codes_of_error(reply), retry_after=wait)
    content_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    start = reply.body[:64].lstrip()
    if not start:
        return
    if start.startswith(b"<"):
        kind = errors.WrongContentType if "xml" in content_type else errors.HtmlBody
        raise kind(where, reply.status)
    if content_type not in JSON_TYPES and not (content_type == "" and start.startswith(b"{")):
        raise errors.WrongContentType(where, reply.status)


async def unpack(reply: Reply, where: str) -> Resources:
    """The resources of a 2xx answer; InvalidJson, TooDeep or OutcomeError where there are none to trust."""
    if len(reply.body) > LARGE_BYTES:
        return await asyncio.get_running_loop().run_in_executor(_readers(), _unpack, reply, where)
    return _unpack(reply, where)


@cache
def _readers() -> ThreadPoolExecutor:
    """Few threads for large bodies: they parse no faster side by side under the interpreter's lock, but each more that
    wants it keeps the event loop, and with it every deadline, waiting longer. What a deadline cut off in the queue is
    never read."""
    return ThreadPoolExecutor(READERS, "fhir-reader")


def _unpack(reply: Reply, where: str) -> Resources:
    try:
        json_guard.check_strictly(reply.body)
    except json_guard.TooDeep:
        raise errors.TooDeep(where, reply.status) from None
    except json_guard.JsonRefused as refusal:
        raise errors.InvalidJson(where, reply.status, detail=str(refusal)) from None
    found = read(reply.body)
    if found.kind not in ("resource", "bundle"):
        raise errors.InvalidJson(where, reply.status, detail="not a FHIR resource")
    if (codes := serious(found)) and not (found.views or found.faults or found.unknown):
        raise errors.OutcomeError(where, reply.status, codes=codes)
    return found


def serious(found: Resources) -> tuple[str, ...]:
    """The issue codes of severity error or fatal, each once; what is no code of R4 becomes ``unknown``."""
    codes = (issue.code for issue in found.issues if issue.severity in SERIOUS)
    return tuple(dict.fromkeys(code if code in ISSUE_CODES else "unknown" for code in codes))


def location(reply: Reply) -> str:
    """The id in the Location of a create or update, '' where the server names none."""
    address = reply.headers.get("location", "") or reply.headers.get("content-location", "")
    match = HISTORY.search(address)
    return match.group(1) if match else ""


def _codes_of_error(reply: Reply) -> tuple[str, ...]:
    if not reply.body[:64].lstrip().startswith(b"{") or len(reply.body) > SMALL_BYTES:
        return ()
    try:
        json_guard.check(reply.body)
    except json_guard.JsonRefused:
        return ()
    return serious(read(reply.body))
