"""The routes of CDS Hooks 2.0.1 (https://cds-hooks.hl7.org/2.0/). They translate; serving.py does the work.

Routes read the ASGI request themselves and answer bytes: no body model, no dependencies, no second encoder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cds_service.hooks import openapi, outcomes
from cds_service.hooks.admission import Shares
from cds_service.hooks.ports import House
from cds_service.hooks.serving import Serving
from cds_service.services.service import Service
from cds_service.tracing import Tracing

PREFIX = "/cds-services"
TAGS = ["CDS Hooks"]
ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Endpoint = Callable[[Request], Awaitable[Response]]


class BytesRoute(APIRoute):
    """A documented route whose endpoint takes the request and returns the response, without FastAPI's solving."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The endpoint itself."""
        handler: Endpoint = self.endpoint
        return handler


def attach_router(app: FastAPI, house: House, shares: Shares | None = None) -> None:
    """Add discovery, and invocation and feedback of each service; anything else below the prefix gets its error.

    ``shares`` limits the calls of each client; None: a generous default in production, no limit elsewhere.
    """
    serving = Serving(house, shares)

    # https://cds-hooks.hl7.org/2.0/#discovery
    async def discover(_request: Request) -> Response:
        return serving.discover()

    _add(app, PREFIX, discover, "GET", openapi.discovery())
    for service in house.services.values():
        _attach_service(app, serving, service, house.tracing)

    known = {f"{PREFIX}/{name}" for name in house.services}
    known |= {f"{path}/feedback" for path in known}

    async def otherwise(request: Request) -> Response:
        path = request.url.path.rstrip("/")
        if path == PREFIX:
            return serving.discover() if request.method == "GET" else outcomes.method_not_allowed("GET")
        return outcomes.method_not_allowed("POST") if path in known else serving.unknown(path)

    for path in (PREFIX, PREFIX + "/{rest:path}"):
        app.router.add_api_route(
            path, otherwise, methods=ANY, include_in_schema=False, route_class_override=BytesRoute, response_model=None
        )


def _attach_service(app: FastAPI, serving: Serving, service: Service, tracing: Tracing) -> None:
    # https://cds-hooks.hl7.org/2.0/#calling-a-cds-service
    async def invoke(request: Request) -> Response:
        return await serving.invoke(request, service)

    async def traced(request: Request) -> Response:
        with tracing.call(service.id, service.hook, request.headers.get("traceparent", "")) as span:
            answer = await invoke(request)
            status = answer.status_code
            span.set(status=status, outcome="refused" if status >= 400 else None)
            if status >= 500:
                span.failed(str(status))
        return answer

    # https://cds-hooks.hl7.org/2.0/#feedback
    async def take_feedback(request: Request) -> Response:
        return await serving.take_feedback(request, service)

    _add(app, f"{PREFIX}/{service.id}", traced if tracing.on else invoke, "POST", openapi.invocation(service))
    _add(app, f"{PREFIX}/{service.id}/feedback", take_feedback, "POST", openapi.feedback(service))


def _add(app: FastAPI, path: str, endpoint: Endpoint, method: str, described: dict[str, Any]) -> None:
    app.router.add_api_route(
        path,
        endpoint,
        methods=[method],
        tags=list(TAGS),
        response_class=Response,
        response_model=None,
        route_class_override=BytesRoute,
        **described,
    )
