"""The rows behind jobs: what is queued, what became of it, what it works from. One short transaction each, all repeatable.

States: queued → running → done, failed (given up, with its reason) or shed (it waited too long, the engine was away, the AI
part was switched off: nothing speaks against the question itself). A key that was shed, failed a while ago, or was done and
has expired may be asked for again: its round counts up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from cds_service.db.models import assessment, assessment_job, assessment_snapshot
from cds_service.db.writer import replacing

LIVE_MS = 24 * 3600 * 1000  # a row is forgotten after a day whatever became of it
AGAIN_MS = 10 * 60 * 1000  # a failed key may be asked for again after this
OPEN = ("queued", "running")


class State(NamedTuple):
    """What is known of a key. ``sealed`` is its result where there is one."""

    state: str  # '' where nothing was ever asked
    reason: str = ""
    sealed: bytes | None = None
    expires_at: int = 0
    changed_at: int = 0


class Open(NamedTuple):
    """A job that has not ended."""

    key: str
    workflow: str  # its durable job
    task: str
    state: str


class Job(NamedTuple):
    """A job that has begun another attempt."""

    task: str
    snapshot: bytes
    queued_at: int
    attempts: int


def workflow_id(key: str, round_: int) -> str:
    """The durable job of a key. Its first round bears the key itself."""
    return key if round_ <= 1 else f"{key}.{round_}"


def key_of(workflow: str) -> str:
    """The key behind a durable job."""
    return workflow.partition(".")[0]


def look(connection: Connection, keys: Collection[str]) -> dict[str, State]:
    """Results and states of several keys."""
    job, made = assessment_job.c, assessment.c
    joined = assessment_job.outerjoin(assessment, job.key == made.key)
    query = select(job.key, job.state, job.reason, made.sealed, made.expires_at, job.changed_at).select_from(joined)
    rows = connection.execute(query.where(job.key.in_(list(keys))))
    return {key: State(state, reason, sealed, expires or 0, at) for key, state, reason, sealed, expires, at in rows}


def add(connection: Connection, key: str, task: str, snapshot: bytes, now: int) -> int:
    """Queue a key; its round, or 0 when a job of it is under way or ended lately: the caller has joined that one."""
    job = assessment_job.c
    known = connection.execute(select(job.state, job.round, job.changed_at).where(job.key == key)).one_or_none()
    if known is not None:
        made = connection.execute(select(assessment.c.expires_at).where(assessment.c.key == key)).scalar()
        failed = known.state == "failed" and now - known.changed_at >= AGAIN_MS
        expired = known.state == "done" and (made or 0) <= now
        if not (known.state == "shed" or failed or expired):
            return 0
    round_ = 1 if known is None else known.round + 1
    row = {
        "key": key, "task": task, "state": "queued", "reason": "", "attempts": 0, "round": round_,
        "queued_at": now, "changed_at": now, "expires_at": now + LIVE_MS,
    }  # fmt: skip
    dialect = connection.dialect.name
    connection.execute(replacing(assessment_job, dialect), row)
    kept = {"key": key, "sealed": snapshot, "expires_at": now + LIVE_MS}
    connection.execute(replacing(assessment_snapshot, dialect), kept)
    return int(round_)


def ended(connection: Connection, keys: Collection[str]) -> list[str]:
    """Those of some keys whose last job has ended, wherever it ran."""
    job = assessment_job.c
    query = select(job.key).where(job.key.in_(list(keys)), job.state.not_in(OPEN))
    return list(connection.execute(query).scalars())


def queued(connection: Connection, key: str) -> int:
    """The round of a job that is queued and not begun, else 0."""
    job = assessment_job.c
    query = select(job.round).where(job.key == key, job.state == "queued")
    return int(connection.execute(query).scalar() or 0)


def begin(connection: Connection, key: str, now: int) -> Job | None:
    """Another attempt; None when the job has ended already or its snapshot is gone."""
    job = assessment_job.c
    changed = {"state": "running", "attempts": job.attempts + 1, "changed_at": now}
    begun = connection.execute(update(assessment_job).where(job.key == key, job.state.in_(OPEN)).values(changed))
    if not begun.rowcount:
        return None
    kept = assessment_snapshot.c
    query = select(job.task, kept.sealed, job.queued_at, job.attempts).where(job.key == key, kept.key == job.key)
    found = connection.execute(query).one_or_none()
    return Job(*found) if found is not None else None


def finish(connection: Connection, key: str, sealed: bytes, expires_at: int, now: int) -> bool:
    """Result, state and the end of the snapshot in one: True for the one caller whose result it is."""
    if not _end(connection, key, "done", "", now):
        return False
    row = {"key": key, "sealed": sealed, "expires_at": expires_at}
    connection.execute(replacing(assessment, connection.dialect.name), row)
    return True


def bury(connection: Connection, key: str, state: str, reason: str, now: int) -> bool:
    """Give a job up for good: ``failed`` or ``shed``, with the reason in words of ours."""
    return _end(connection, key, state, reason, now)


def _end(connection: Connection, key: str, state: str, reason: str, now: int) -> bool:
    job = assessment_job.c
    values: dict[str, Any] = {"state": state, "reason": reason, "changed_at": now}
    ended = connection.execute(update(assessment_job).where(job.key == key, job.state.in_(OPEN)).values(values))
    connection.execute(delete(assessment_snapshot).where(assessment_snapshot.c.key == key))
    return bool(ended.rowcount)


def untouched(connection: Connection, before: int) -> list[Open]:
    """Open jobs that nothing has happened to since ``before``; at most 100."""
    job = assessment_job.c
    query = select(job.key, job.round, job.task, job.state)
    rows = connection.execute(query.where(job.state.in_(OPEN), job.changed_at <= before).limit(100))
    return [Open(key, workflow_id(key, round_), task, state) for key, round_, task, state in rows]


def stranded(connection: Connection, untouched: Collection[Open], now: int) -> list[Open]:
    """Those that were never begun, marked as seen: their process may have died before dbos had them."""
    found = [each for each in untouched if each.state == "queued"]
    if found:
        job = assessment_job.c
        keys = [each.key for each in found]
        connection.execute(
            update(assessment_job).where(job.key.in_(keys), job.state == "queued").values(changed_at=now)
        )
    return found


def depth(connection: Connection) -> int:
    """Jobs queued and not begun."""
    return int(connection.execute(select(func.count()).where(assessment_job.c.state == "queued")).scalar() or 0)
