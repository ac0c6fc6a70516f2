"""Row 41: killed between the record's yes and our own commit. The replay finds what is there: one report, one Provenance."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import uvicorn
from fastapi import FastAPI

from cds_service.web.simulator.router import attach_simulator
from cds_service.web.simulator.store import Store
from tests.faults.filing_process import accept, resumed


@pytest.fixture
def record() -> Iterator[tuple[str, Store]]:
    app = FastAPI()
    store = attach_simulator(app, base_url=None, clock=lambda: datetime.now(UTC))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/simulator/fhir", store
        server.should_exit = True
        thread.join(timeout=10)


def kept(store: Store, kind: str, mark: str) -> int:
    rows = store.compartment(kind).rows.values()
    return sum(mark in msgspec.json.encode(msgspec.json.decode(row.body)).decode() for row in rows)


@pytest.mark.parametrize("deaths", [1, pytest.param(10, marks=pytest.mark.long)])
def test_row_41_a_process_killed_after_the_record_took_it_leaves_one_report_and_one_provenance(
    record: tuple[str, Store], tmp_path: Path, deaths: int
) -> None:
    base, store = record
    for _ in range(deaths):
        died = subprocess.run([sys.executable, "-m", "tests.faults.filing_process", base, str(tmp_path)], check=False)
        assert died.returncode == -signal.SIGKILL
        time.sleep(0.6)  # the claim of the dead process runs out
    draft = asyncio.run(accept(base, tmp_path, killed=False))
    assert (draft.filed, draft.fault) == ("preliminary", "")
    assert kept(store, "DiagnosticReport", draft.identifier) == 1
    assert kept(store, "Provenance", draft.report) == 1


def test_row_41_replicas_that_start_after_the_death_finish_the_write_once_and_nobody_is_asked(
    record: tuple[str, Store], tmp_path: Path
) -> None:
    base, store = record
    died = subprocess.run([sys.executable, "-m", "tests.faults.filing_process", base, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    time.sleep(0.6)
    done, draft = asyncio.run(resumed(base, tmp_path, replicas=3))
    assert (done, draft.settled, draft.filed) == (1, True, "preliminary")
    assert kept(store, "DiagnosticReport", draft.identifier) == 1
    assert kept(store, "Provenance", draft.report) == 1
