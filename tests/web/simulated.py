"""The simulator on a real socket, for tests in any room and for the processes they kill."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from cds_service.web.simulator.router import attach_simulator
from cds_service.web.simulator.store import Store


@contextmanager
def simulated(folder: Path | None = None) -> Iterator[tuple[str, Store]]:
    """The FHIR base (DICOMweb stands beside it) and the store. ``folder``: where its images are kept."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = FastAPI()
        store = attach_simulator(app, base_url=origin, clock=lambda: datetime.now(UTC), folder=folder)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.02)
            yield f"{origin}/simulator/fhir", store
        finally:
            server.should_exit = True
            thread.join(timeout=10)
