"""Takes a request body off the wire: content type, size and patience, before anything is parsed."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from cds_service.errors import BadRequest, BodyTooLarge, NotJson

PATIENCE_S = 10.0  # a body that takes longer is a slow-drip client, whatever the hook's deadline
_JSON = re.compile(r"(?i)\s*application/(?:[\w.+-]+\+)?json(?:\+fhir)?\s*(?:;(?!.*charset\s*=\s*\"?(?!utf-?8\b)).*)?")


async def read(request: Request, limit: int) -> bytes:
    """The whole body. 415 for what is not JSON in UTF-8, 413 as soon as it is known to exceed ``limit`` bytes."""
    headers = request.headers
    if not _JSON.fullmatch(headers.get("content-type", "")):
        raise NotJson("Content-Type must be application/json (UTF-8)")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise NotJson("send the body without Content-Encoding")
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    message = await request.receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        return body
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _rest(request, message, limit)
    except TimeoutError:
        raise BadRequest(f"the body did not arrive within {PATIENCE_S:g} s") from None


async def _rest(request: Request, message: Message, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await request.receive()


def too_large(limit: int) -> BodyTooLarge:
    """413 with the limit in it, so that the client knows what would pass."""
    return BodyTooLarge(f"the body exceeds {limit} bytes; send less prefetch")
