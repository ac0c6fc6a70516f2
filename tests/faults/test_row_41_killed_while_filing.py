"""Row 41: killed between claim, write and our own commit. The replay finds what is there: one report, Provenance, AuditEvent."""

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

from cds_service.drafts.draft import Draft
from cds_service.web.simulator.router import attach_simulator
from cds_service.web.simulator.store import Store
from tests.faults.filing_process import decide, resumed


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


def killed(base: str, folder: Path, moment: str, decision: str = "accept") -> None:
    command = [sys.executable, "-m", "tests.faults.filing_process", base, str(folder), moment, decision]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    time.sleep(0.6)  # the claim of the dead process runs out


def written(store: Store, draft: Draft) -> dict[str, int]:
    """How many of each resource the record holds of this draft, by how they are tied to its report."""
    count = {kind: kept(store, kind, draft.report) for kind in ("Provenance", "AuditEvent", "Task")}
    machines = [kept(store, "Device", name) for name in devices(store, draft.report)]
    return {"DiagnosticReport": kept(store, "DiagnosticReport", draft.identifier), **count, "Device": sum(machines)}


def devices(store: Store, report: str) -> set[str]:
    """Identifiers of the devices named by the report's Provenance."""
    found = set()
    for row in store.compartment("Provenance").rows.values():
        body = msgspec.json.decode(row.body)
        if report in str(body["target"]):
            machines = [r for agent in body["agent"] if (r := agent["who"]["reference"]).startswith("Device/")]
            for own_id in (each.partition("/")[2] for each in machines):
                machine = msgspec.json.decode(store.compartment("Device").rows[own_id].body)
                found.add(machine["identifier"][0]["value"])
    return found


ONCE = {"DiagnosticReport": 1, "Provenance": 1, "AuditEvent": 1, "Task": 1, "Device": 1}


@pytest.mark.parametrize(
    "moments", [("claimed", "sent"), pytest.param(("claimed", *("written",) * 10), marks=pytest.mark.long)]
)
def test_row_41_a_draft_whose_process_is_killed_at_one_step_of_filing_after_another_leaves_one_of_each(
    record: tuple[str, Store], tmp_path: Path, moments: tuple[str, ...]
) -> None:
    base, store = record
    for moment in moments:
        killed(base, tmp_path, moment)
    draft = asyncio.run(decide(base, tmp_path))
    assert (draft.filed, draft.fault) == ("preliminary", "")
    assert written(store, draft) == ONCE
    again = asyncio.run(decide(base, tmp_path))
    assert again.settled
    assert written(store, again) == ONCE


def test_row_41_a_process_killed_while_it_withdraws_leaves_one_withdrawal(
    record: tuple[str, Store], tmp_path: Path
) -> None:
    base, store = record
    asyncio.run(decide(base, tmp_path))
    killed(base, tmp_path, "sent", "reject")
    draft = asyncio.run(decide(base, tmp_path, "reject"))
    assert (draft.filed, draft.fault) == ("entered-in-error", "")
    assert written(store, draft) == {
        **ONCE,
        "Provenance": 2,
        "AuditEvent": 2,
    }  # one for the filing, one for the withdrawal


def test_row_41_replicas_that_start_after_the_death_finish_the_write_once_and_nobody_is_asked(
    record: tuple[str, Store], tmp_path: Path
) -> None:
    base, store = record
    killed(base, tmp_path, "written")
    done, draft = asyncio.run(resumed(base, tmp_path, replicas=3))
    assert (done, draft.settled, draft.filed) == (1, True, "preliminary")
    assert written(store, draft) == ONCE
