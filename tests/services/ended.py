"""What became of the jobs behind a service, by its database: to wait for, instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from cds_service.assessments.rows import OPEN
from cds_service.db.engine import open_engine
from cds_service.db.models import assessment_job

PATIENCE_S = 60.0  # of a machine that does much else meanwhile


def until(found: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Return once ``found`` says so."""
    limit = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.05)


def ended(folder: Path, *tasks: str, each: int = 1) -> bool:
    """Whether at least ``each`` jobs of every task (``triage``, ``record-summary``, …) have ended, and none is open."""
    engine = open_engine(f"sqlite:///{folder / 'cds.sqlite3'}")
    with engine.connect() as connection:
        rows = connection.execute(select(assessment_job.c.task, assessment_job.c.state)).all()
    engine.dispose()
    states = {task: [row.state for row in rows if row.task == f"text:{task}"] for task in tasks}
    return all(len(found) >= each and not {*found} & {*OPEN} for found in states.values())
