"""The simulator in an application of its own, at a fixed hour, over HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from simulator_over_http import NOW, Simulator
from starlette.testclient import TestClient

from cds_service.web.simulator.router import attach_simulator
from cds_service.web.simulator.store import Store


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    app = FastAPI()
    store = attach_simulator(app, base_url=None, clock=lambda: NOW)
    with TestClient(app) as client:
        yield Simulator(client, store)


@pytest.fixture
def listening() -> Iterator[tuple[str, Store]]:
    """The simulator on a real socket: the FHIR base and the store."""
    app = FastAPI()
    store = attach_simulator(app, base_url=None, clock=lambda: NOW)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}/simulator/fhir", store
        finally:
            server.should_exit = True
            thread.join(timeout=10)
