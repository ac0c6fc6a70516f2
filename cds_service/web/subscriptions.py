"""``POST /subscriptions/{id}``: FHIR Subscription notifications, which trigger a re-read by id and nothing else.

R4 rest-hook (https://hl7.org/fhir/R4/subscription.html), with an empty body or a resource, and the notification Bundle of
the Subscriptions R5 Backport. Nothing of a body is used but the types and ids it names.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_service.errors import BadRequest, BodyTooLarge, CdsError, NotAllowed, Unavailable, UnknownService
from cds_service.hooks.ports import Audit
from cds_service.settings import Subscription
from fhir_adapters import json_guard
from fhir_adapters.templates import is_id

MAX_BYTES = 1024 * 1024
MOST = 100  # references of one notification
PATIENCE_S = 20.0  # with a record or a queue that takes none of them
STUDY = "ImagingStudy/"
OnStudy = Callable[[str, Subscription], Awaitable[None]]  # 'ImagingStudy/ID', '' where none is named; who told


class Subscriptions:
    """Takes notifications of the subscriptions in the settings. ``on_study`` queues a read; its failure is the sender's
    503, so that it tells us again. What is refused leaves an audit line and is counted, as a hook call's refusal does."""

    def __init__(
        self, known: Mapping[str, Subscription], on_study: OnStudy, audit: Audit, count: Callable[[str], None]
    ) -> None:
        self._known = known
        self._on_study = on_study
        self._audit = audit
        self._count = count

    async def notified(self, request: Request) -> Response:
        """200 once the re-reads are queued; 404 unknown id, 403 wrong secret, 413 too long, 400 no FHIR."""
        try:
            subscription = self._admit(request)
            await self._queue(references(await _body(request)), subscription)
        except CdsError as fault:
            self._refused(fault, request.path_params["id"])
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
            return Response(status_code=fault.status, headers=headers)
        return Response(status_code=200)

    async def _queue(self, named: list[str], subscription: Subscription) -> None:
        """Each study; one that is still due lets the others go first, then the sender is to tell us again."""
        due: Unavailable | None = None
        until = asyncio.get_running_loop().time() + PATIENCE_S
        for reference in named:
            try:
                await self._on_study(reference, subscription)
            except Unavailable as fault:
                due = fault
                if asyncio.get_running_loop().time() > until:
                    break
        if due is not None:
            raise due

    def _refused(self, fault: CdsError, own_id: str) -> None:
        """An id of ours is named, one somebody made up is not."""
        self._count(f"refused:{fault.status}")
        self._audit.write(
            "notification refused",
            service=f"subscriptions/{own_id}" if own_id in self._known else "subscriptions",
            status=fault.status,
            reason=fault.message,
            outcome="security" if isinstance(fault, NotAllowed | UnknownService) else "refused",
        )

    def _admit(self, request: Request) -> Subscription:
        subscription = self._known.get(request.path_params["id"])
        if subscription is None:
            raise UnknownService("no such subscription")
        sent = request.headers.get(subscription.header, "").encode()
        if not hmac.compare_digest(sent, subscription.secret.get_secret_value().encode()):
            raise NotAllowed("wrong secret")
        return subscription


def attach_subscriptions(app: FastAPI, subscriptions: Subscriptions) -> None:
    """The endpoint; some servers PUT the resource below it."""
    for path in ("/subscriptions/{id}", "/subscriptions/{id}/{rest:path}"):
        app.router.routes.append(Route(path, subscriptions.notified, methods=["POST", "PUT"]))


def references(body: bytes) -> list[str]:
    """The studies a notification names, each once; ``['']`` for one that names nothing; none for a heartbeat."""
    if not body.strip():
        return [""]
    try:
        json_guard.check(body)
        found = json_guard.decode(body)
    except json_guard.JsonRefused:
        raise BadRequest("not a FHIR notification") from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise BadRequest("not a FHIR notification")
    if found["resourceType"] != "Bundle":
        return _study(found)
    resources = [e.get("resource") for e in _list(found.get("entry")) if isinstance(e, dict)]
    named = [each for resource in resources if isinstance(resource, dict) for each in _named(resource)]
    return list(dict.fromkeys(named))[:MOST]


def _named(resource: dict[str, Any]) -> list[str]:
    if resource.get("resourceType") != "Parameters":
        return _study(resource)
    events = [
        p for p in _list(resource.get("parameter")) if isinstance(p, dict) and p.get("name") == "notification-event"
    ]
    parts = [part for event in events for part in _list(event.get("part")) if isinstance(part, dict)]
    focus = [part.get("valueReference") for part in parts if part.get("name") == "focus"]
    return [r for each in focus if isinstance(each, dict) and (r := _reference(each.get("reference")))]


def _study(resource: dict[str, Any]) -> list[str]:
    own_id = resource.get("id")
    return [f"{STUDY}{own_id}"] if resource.get("resourceType") == "ImagingStudy" and is_id(own_id) else []


def _reference(value: object) -> str:
    """The last two segments: where it is read is ours to know, not the sender's to say."""
    parts = value.split("/")[-2:] if isinstance(value, str) else []
    return "/".join(parts) if len(parts) == 2 and parts[0] == "ImagingStudy" and is_id(parts[1]) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise BodyTooLarge("a notification may have 1 MiB")
    return body
