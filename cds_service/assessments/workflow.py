"""The durable job itself. Imports dbos, so it is imported only where a model engine is configured, off the event loop.

dbos stores ids and words of ours alone: the workflow's input is its id, its output how it ended. A process killed in
the middle is followed by another attempt; what an attempt does is idempotent (``work.Attempts``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

NAME = "medgemma-cds"
VERSION = "assessments-1"  # raised when the steps below change; what a job does to its record is part of its key
QUEUE = "assessments"
HURRIED = "assessments-hurried"  # no limit: what is in it is waited for
POLL_S = 0.5
HURRIED_POLL_S = 0.25
UNHURRIED_POLL_S = 2.0  # while no model is quick enough for a call to wait: each look costs some milliseconds of CPU
BACKOFF_S = (0.5, 2.0, 8.0, 30.0)  # pauses between attempts; one attempt more than pauses
AGAIN = "again"
OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
OURS: Any = "always_update"  # the pace of a queue is kept in the database: that of this code counts
STOP_S = 5.0
MOST_RECOVERIES = 100

Attempt = Callable[[str, bool], Awaitable[str]]
_attempt: Attempt | None = None


@DBOS.step(name="attempt")
async def attempt(workflow: str, last: bool) -> str:
    """One attempt: how it ended, or ``again``."""
    if _attempt is None:
        raise RuntimeError("the assessments are not started")
    return await _attempt(workflow, last)


@DBOS.workflow(name="assess", max_recovery_attempts=MOST_RECOVERIES)
async def assess(workflow: str) -> str:
    """Attempts with growing pauses until one ends the job."""
    for pause in BACKOFF_S:
        ended = await attempt(workflow, False)
        if ended != AGAIN:
            return ended
        await DBOS.sleep_async(pause)
    return await attempt(workflow, True)


def launch(url: str, executor: str, run: Attempt, slots: int) -> None:
    """Start dbos in this process. Blocks (imports, migrations); a fixed ``executor`` takes up its own unfinished work."""
    global _attempt
    _attempt = run
    config: Any = {
        "name": NAME,
        "system_database_url": url,
        "executor_id": executor,
        "application_version": VERSION,
        "log_level": "ERROR",
    }
    try:
        DBOS(config=config)
        _quiet()
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=slots, polling_interval_sec=POLL_S, on_conflict=OURS)
        pace(True)
    except BaseException:
        stop()  # half launched it would refuse to be launched again
        raise


def pace(quick: bool) -> None:
    """How often dbos looks for jobs that are waited for. It reads the pace anew at each look."""
    every = HURRIED_POLL_S if quick else UNHURRIED_POLL_S
    DBOS.register_queue(HURRIED, polling_interval_sec=every, on_conflict=OURS)


def enqueue(workflow: str, priority: int) -> None:
    """Queue a job; the same id again is the same job. Lower ``priority`` goes first."""
    with SetWorkflowID(workflow), SetEnqueueOptions(priority=priority):
        DBOS.enqueue_workflow(QUEUE, assess, workflow)


def start(workflow: str) -> None:
    """Run a job past those that wait: somebody waits for it.

    By a queue all the same: dbos ends a job started directly for good when the process is told to stop, and takes up
    again only what came from a queue.
    """
    with SetWorkflowID(workflow):
        DBOS.enqueue_workflow(HURRIED, assess, workflow)


def hurry(workflow: str) -> None:
    """Take a job that waits in the queue past it: somebody waits for it now. One that has begun is left alone."""
    status = DBOS.get_workflow_status(workflow)
    if status is not None and status.status == "ENQUEUED":
        DBOS.resume_workflow(workflow, queue_name=HURRIED)


def ended(workflows: Sequence[str]) -> set[str]:
    """Those that dbos will not take up again, whatever became of them."""
    found = DBOS.list_workflows(workflow_ids=list(workflows), load_input=False, load_output=False)
    return {status.workflow_id for status in found if status.status in OVER}


def unfinished() -> Sequence[tuple[str, str]]:
    """(workflow id, executor) of every job that some process has begun and not ended."""
    found = DBOS.list_workflows(status="PENDING", name="assess", load_input=False, load_output=False)
    return [(status.workflow_id, status.executor_id or "") for status in found]


def resume(workflows: Sequence[str]) -> None:
    """Take jobs of a dead process over: they are queued again and continue at their unfinished step."""
    DBOS.resume_workflows(list(workflows), queue_name=QUEUE)


def stop() -> None:
    """Let go without waiting: what is unfinished stays so and is taken up again."""
    global _attempt
    DBOS.destroy(workflow_completion_timeout_sec=0)
    _attempt = None
    for thread in threading.enumerate():  # dbos does not wait for those that run its steps
        if thread.name.startswith("dbos-executor"):
            thread.join(STOP_S)


def _quiet() -> None:
    """dbos adds a handler of its own and logs a link to its vendor's console: its records go through ours, errors only."""
    logger = logging.getLogger("dbos")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.ERROR)
