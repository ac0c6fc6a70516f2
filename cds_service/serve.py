"""Runs the service under uvicorn: database first, then one process on the fast loop."""

from __future__ import annotations

import gc

import uvicorn
from fastapi import FastAPI

from cds_service.settings import Settings

COLLECT_AFTER = (20_000, 20, 20)  # young objects before a pass: a call makes some thousand, nearly all free of cycles
GRACE_S = 10  # a hook call ends within its deadline; this bounds everything else on shutdown


def server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """A configured server. No access log: its lines would hold query strings; audit and metrics say what happened."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )
    return uvicorn.Server(config)


def run(settings: Settings, host: str, port: int) -> None:
    """Compose and serve until stopped."""
    from cds_service.app import create_app

    app = create_app(settings)
    spare_the_collector()
    server(app, host, port).run()


def spare_the_collector() -> None:
    """Everything made so far lives as long as the process: the collector need not walk it on each pass."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
