"""Errors as HTTP answers with an OperationOutcome body (checklist row A2), telling no more than the client may know."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.responses import Response

from cds_service.errors import CdsError

MEDIA_TYPE = "application/fhir+json"
RETRY_AFTER_S = 1
_encode = msgspec.json.Encoder().encode


class Issue(Struct, frozen=True):
    """FHIR R4 OperationOutcome.issue, the part we write."""

    severity: str
    code: str
    diagnostics: str


class OperationOutcome(Struct, frozen=True, tag_field="resourceType", tag="OperationOutcome"):
    """FHIR R4 OperationOutcome with one issue."""

    issue: tuple[Issue, ...]


def body(code: str, text: str) -> bytes:
    """The bytes of an OperationOutcome with one error."""
    return _encode(OperationOutcome((Issue("error", code, text),)))


_BARE = body("login", "authentication required")  # the same bytes for every 401: checklist row J7


def response(error: CdsError) -> Response:
    """The HTTP answer of an error: its status, one OperationOutcome, and the headers its status asks for."""
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
        return Response(_BARE, 401, headers, MEDIA_TYPE)
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.retry_after or RETRY_AFTER_S)
    return Response(body(error.code, error.message), error.status, headers, MEDIA_TYPE)


def method_not_allowed(allow: str) -> Response:
    """405 with the methods that would be answered."""
    return Response(body("not-supported", f"use {allow}"), 405, {"Allow": allow}, MEDIA_TYPE)
