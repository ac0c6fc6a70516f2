"""``kill -9`` in the middle of a read: the next start finishes it, and the record holds one report, one Provenance, one Task."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_service.web.simulator.store import Store
from tests.web.simulated import simulated

ROOT = Path(__file__).resolve().parents[2]
UNREVIEWED = "partial"


@contextmanager
def process(base: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.faults.reading_process", base, str(folder)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def until(running: subprocess.Popen[str], *words: str) -> str:
    assert running.stdout is not None
    while (line := running.stdout.readline().strip()) not in words:
        assert line or running.poll() is None, "the process ended by itself"
    return line


def ours(store: Store, kind: str, mark: str) -> list[str]:
    bodies = [row.body.decode() for row in store.compartment(kind).rows.values()]
    return [body for body in bodies if mark in body]


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_a_read_killed_again_and_again_ends_as_one_report_one_provenance_and_one_task(
    tmp_path: Path, kills: int
) -> None:
    chance = random.Random(kills)
    with simulated(tmp_path / "images") as (base, store):
        for _ in range(kills):
            with process(base, tmp_path) as running:
                until(running, "ready", "drafted")
                time.sleep(chance.random() * 1.5)
        with process(base, tmp_path) as running:
            until(running, "drafted")
            time.sleep(0.5)
        reports = [r for r in map(json.loads, ours(store, "DiagnosticReport", "")) if r["status"] == UNREVIEWED]
        mine = [r for r in reports if r["subject"]["reference"] == "Patient/demo-pneumonia"]
        assert len(mine) == 1
        assert len(ours(store, "Provenance", f"DiagnosticReport/{mine[0]['id']}")) == 1
        assert len(ours(store, "Task", f"DiagnosticReport/{mine[0]['id']}")) == 1
