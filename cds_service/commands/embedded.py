"""A demo service in this process, for as long as somebody needs it: settings of the demo, started, waited for, stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from cds_service.app import create_app
from cds_service.serve import require_free, server, told_why
from cds_service.settings import Settings
from cds_service.settings_loading import load as load_settings

HOST = "127.0.0.1"
START_S = 20.0


@asynccontextmanager
async def embedded(state_dir: Path) -> AsyncIterator[str]:
    """A demo service on a free port for as long as the context lasts; its URL."""
    port = free_port()
    settings = demo_settings(port, state_dir=state_dir)
    async with running_service(settings, port):
        yield settings.public_url


def demo_settings(port: int, **overrides: Any) -> Settings:
    """The demo's settings for a port of this machine; the environment may add to them. ConfigurationError as ``load``."""
    return load_settings(mode="demo", public_url=f"http://{HOST}:{port}", imaging=True, **overrides)


@asynccontextmanager
async def running_service(settings: Settings, port: int) -> AsyncIterator[asyncio.Task[None]]:
    """The service once it answers, as the task it runs in. ConfigurationError says why it does not start."""
    app = create_app(settings)
    require_free(HOST, port, "choose another with --port, or make demo PORT=…")
    running = server(app, HOST, port)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the cards are what is to be read
    serving = asyncio.create_task(_serve(app, running))
    try:
        await _started(running, serving)
        yield serving
    finally:
        running.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def _serve(app: FastAPI, running: uvicorn.Server) -> None:
    with told_why(app):
        await running.serve()


async def _started(running: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_S):
        while not running.started:
            if serving.done():
                serving.result()  # raises what kept it from starting
            await asyncio.sleep(0.01)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
