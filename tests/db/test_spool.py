"""The spool: what the database did not take is kept, bounded, and stored once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cds_service.db.spool import Spool
from tests.db.rows import audit_row

Rows = list[tuple[str, dict[str, Any]]]


def events(*identities: str) -> Rows:
    return [("audit_event", audit_row(identity)) for identity in identities]


def replayed(spool: Spool) -> list[str]:
    found: list[str] = []
    spool.replay(lambda rows: found.extend(row["id"] for _, row in rows))
    return found


def test_rows_come_back_in_order_and_only_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.append(events("a", "b"))
    assert spool.append(events("c"))
    assert spool.size > 0
    assert replayed(spool) == ["a", "b", "c"]
    assert (replayed(spool), spool.size, list(tmp_path.iterdir())) == ([], 0, [])


def test_rows_stay_when_they_could_not_be_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(events("a"))

    def refuse(_rows: Rows) -> None:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        spool.replay(refuse)
    spool.append(events("b"))
    assert replayed(spool) == ["a", "b"]


def test_beyond_its_limit_nothing_is_kept_and_it_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=1000)
    kept = spool.append(events(*[f"event-{number}" for number in range(20)]))
    assert 0 < kept < 20
    assert spool.failed
    assert spool.size <= 1000
    assert spool.append(events("beyond")) == 0
    assert replayed(spool) == [f"event-{number}" for number in range(kept)]
    assert not spool.failed
    assert spool.append(events("again")) == 1


def test_files_of_a_process_that_died_are_taken_over_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    living = Spool(tmp_path)
    living.append(events("living"))
    program = (
        "import os, sys; from pathlib import Path; from cds_service.db.spool import Spool;"
        f"s = Spool(Path({str(tmp_path)!r})); s.append([('audit_event', {audit_row('dead')!r})]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert replayed(Spool(tmp_path)) == ["dead"]
    assert replayed(living) == ["living"]


def test_a_line_that_was_cut_is_passed_over_and_its_neighbours_are_read(tmp_path: Path) -> None:
    whole = json.dumps(["audit_event", audit_row("whole")])
    spoilt = whole[:30].encode() + b"\xe9" + whole[31:].encode()
    (tmp_path / "left.jsonl").write_bytes(
        b"\n".join([whole[:40].encode(), spoilt, whole.encode(), whole[:25].encode()])
    )
    assert replayed(Spool(tmp_path)) == ["whole"]


def test_bytes_survive(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([("feedback", {"comment": b"\x00\xff sealed"})])
    found: Rows = []
    spool.replay(found.extend)
    assert found == [("feedback", {"comment": "AP8gc2VhbGVk"})]


def test_its_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(events("a"))
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    spool.close()
