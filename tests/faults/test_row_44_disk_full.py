"""Row 44: the disk or the spool is full. Cards go on, AI writes are told to stop, no audit event is lost silently."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from cds_service.db import schema
from cds_service.db.engine import open_engine
from cds_service.db.gateway import Gateway
from cds_service.db.spool import Spool
from cds_service.db.writer import Writer
from tests.db.rows import audit_row


def stored(path: Path) -> set[str]:
    reader = sqlite3.connect(path)
    found = {identity for (identity,) in reader.execute("SELECT id FROM audit_event")}
    reader.close()
    return found


def told(err: str) -> set[str]:
    """The events written to standard error as a last resort."""
    lines = [json.loads(line) for line in err.splitlines() if line.startswith('{"fate"')]
    return {line["row"]["id"] for line in lines if line["fate"] == "lost"}


async def test_row_44_what_a_full_spool_cannot_take_is_told_and_ai_writes_are_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    path = tmp_path / "cds.sqlite3"
    gateway = Gateway(f"sqlite:///{path}", tmp_path, spool_bytes=2000, count=lambda name, n: counts.update({name: n}))
    await gateway.start()
    assert gateway.keeps
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    events = {f"event-{number}" for number in range(30)}
    for identity in sorted(events):
        gateway.later("audit_event", audit_row(identity))
        await asyncio.sleep(0.02)  # several batches
    await gateway.close(grace=0.1)
    assert not gateway.keeps
    locker.execute("ROLLBACK")
    locker.close()
    again = Gateway(f"sqlite:///{path}", tmp_path)
    await again.start()
    await again.close()
    assert again.keeps
    lost = told(capsys.readouterr().err)
    assert 15 < len(lost) < 30
    assert counts["lost"] == len(lost)
    assert stored(path) | lost == events


def test_row_44_a_full_disk_is_noticed_at_the_next_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    engine = open_engine(f"sqlite:///{tmp_path / 'cds.sqlite3'}")
    schema.prepare(engine)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "full.jsonl").symlink_to("/dev/full")
    spool = Spool(tmp_path / "spool", name="full")
    writer = Writer(engine, spool, lambda name, n: counts.update({name: n}), queue=0)
    writer.later("audit_event", audit_row("event"))
    assert spool.failed
    assert told(capsys.readouterr().err) == {"event"}
    assert counts == {"lost": 1}
    spool.close()
    engine.dispose()


PROGRAM = """
import os, resource, sys, time
from pathlib import Path
from starlette.testclient import TestClient
from cds_service.app import create_app
from cds_service.settings import Settings
from tests.faults.test_row_42_database_down import patient_view

folder = Path(sys.argv[1])
with TestClient(create_app(Settings(mode="demo", state_dir=folder))) as client:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file can grow any more
    for _ in range(3):
        answer = client.post("/cds-services/patient-summary", json=patient_view())
        print(answer.status_code, answer.json()["cards"][0]["indicator"])
    for _ in range(200):
        if 'fate="lost"' in client.get("/metrics").text:
            break
        time.sleep(0.05)
    print("lost" if 'fate="lost"' in client.get("/metrics").text else "kept")
    print(client.get("/cds-services").status_code)
"""


def test_row_44_cards_go_on_while_no_file_can_grow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:5] == ["200 critical"] * 3 + ["lost", "200"]
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"fate":"lost"')]
    events = [json.loads(line["row"]["detail"])["event"] for line in lines if line["table"] == "audit_event"]
    assert events == ["hook"] * 3
    assert "demo-hyperkalaemia" not in done.stderr
