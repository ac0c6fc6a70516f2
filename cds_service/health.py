"""Liveness, readiness and metrics.

Readiness looks at the database and the rule pack alone: losing a model or its jobs degrades the service, it does not
unready it. How the jobs stand is told all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.hooks.router import BytesRoute
from cds_service.metrics import Metrics
from cds_service.rules.pack import Pack

PATIENCE_S = 1.0


def attach_health(
    app: FastAPI, gateway: Gateway, pack: Pack, metrics: Metrics, jobs: Callable[[], str] | None = None
) -> None:
    """``GET /healthz``, ``GET /readyz``, ``GET /metrics``. ``jobs``: why a model's jobs do not run yet, None without any."""

    async def healthz(_request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(_request: Request) -> Response:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        database = "ok"
        try:
            await gateway.check(deadline=deadline)
        except DatabaseUnavailable as fault:
            database = fault.message
        state = {
            "database": database,
            "keeps": gateway.keeps,  # false: the spool is full, and what happens could not be recorded
            "rules": len(pack.rules),
            "rule_pack": pack.hash,
        }
        if jobs is not None:
            state["jobs"] = jobs() or "ok"
        ready = database == "ok" and bool(pack.rules)
        return Response(msgspec.json.encode(state), 200 if ready else 503, media_type="application/json")

    async def exposition(_request: Request) -> Response:
        body, content_type = metrics.exposition()
        return Response(body, headers={"Content-Type": content_type})

    for path, endpoint, summary in (
        ("/healthz", healthz, "The process lives"),
        ("/readyz", readyz, "The database answers and the rule pack is loaded"),
        ("/metrics", exposition, "Prometheus metrics"),
    ):
        app.router.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            tags=["Operation"],
            summary=summary,
            response_model=None,
            route_class_override=BytesRoute,
        )
