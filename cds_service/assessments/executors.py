"""Which processes run jobs: each beats in a small table; work begun by one that has gone silent is taken over."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select, update

from cds_service.assessments.rows import OPEN
from cds_service.db.models import assessment_job, executor
from cds_service.db.writer import replacing

BEAT_S = 5.0
STALE_S = 20.0  # silent this long: dead; its work is elsewhere within STALE_S + BEAT_S and a poll of the queue
FORGET_MS = 24 * 3600 * 1000


def ahead(connection: Connection, now: int) -> int:
    """Milliseconds by which a shared database's clock is ahead of ``now``: hosts whose clocks differ must agree who is dead."""
    if connection.dialect.name != "postgresql":
        return 0
    seconds = connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    return int(seconds * 1000) - now


def beat(connection: Connection, identity: str, now: int) -> None:
    """This process is alive."""
    connection.execute(replacing(executor, connection.dialect.name), {"id": identity, "beat_at": now})
    connection.execute(delete(executor).where(executor.c.beat_at < now - FORGET_MS))


def leave(connection: Connection, identity: str) -> None:
    """This process ends: what it leaves unfinished may be taken over at once."""
    connection.execute(delete(executor).where(executor.c.id == identity))


def alive(connection: Connection, now: int, stale_ms: int) -> set[str]:
    """Executors that beat lately."""
    rows = connection.execute(select(executor.c.id).where(executor.c.beat_at > now - stale_ms))
    return {identity for (identity,) in rows}


def claim(connection: Connection, key: str, now: int, stale_ms: int) -> bool:
    """True for the one process that may take this job over now; its others see that it moved."""
    job = assessment_job.c
    untouched = job.changed_at <= now - stale_ms
    claimed = connection.execute(
        update(assessment_job).where(job.key == key, job.state.in_(OPEN), untouched).values(changed_at=now)
    )
    return bool(claimed.rowcount)
