"""dbos: launched in the background, again when that fails, asked from threads of ours, and stopped whole.

It is imported only here and never sees the application's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from cds_service.db.threads import Threads
from cds_service.telemetry import log

T = TypeVar("T")
Attempt = Callable[[str, bool], Awaitable[str]]
STARTING = "jobs are still starting"
UNOPENED = "the database of the jobs cannot be opened"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
PATIENCE_S = 15.0  # with a launch that is under way when the application stops
_log = log(__name__)


class Durable:
    """The one dbos of a process. ``module`` is ``assessments/workflow.py`` once it is launched."""

    def __init__(self, url: str, executor: str, slots: int, count: Callable[[str, int], None]) -> None:
        self._launch_of = (url, executor, slots)
        self._count = count
        self._threads = Threads(2, 256, "jobs")
        self._launching: Future[ModuleType] | None = None
        self.module: ModuleType | None = None
        self.why = STARTING  # why nothing can be queued yet, '' once it can

    async def launch(self, run: Attempt) -> ModuleType:
        """Launched at last: what fails (its database is down or unreadable) is tried again with growing pauses."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                self._launching = self._threads.submit(partial(_launch, *self._launch_of, run))
                self.module = await asyncio.wrap_future(self._launching)
            except Exception as fault:  # noqa: BLE001 - its database fails in ways of its own; until then jobs are refused with UNOPENED
                self.why = UNOPENED
                self._count("assessment_jobs:not started", 1)
                _log.error("jobs could not be started", fault=type(fault).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                self.why = ""
                return self.module

    async def call(self, call: Callable[[], T]) -> T:
        """Something of dbos that blocks, in a thread of ours."""
        return await asyncio.wrap_future(self._threads.submit(call))

    async def close(self) -> None:
        """Stop, also what is being launched at this very moment: no thread of dbos outlives the application."""
        self.module, self.why = None, STARTING
        launching = self._launching
        if launching is not None:
            await asyncio.wait([asyncio.wrap_future(launching)], timeout=PATIENCE_S)
            if not launching.done():
                _log.warning("jobs were still starting and were left behind")
            elif not launching.cancelled() and launching.exception() is None:
                await self.call(launching.result().stop)
        self._threads.close()


def _launch(url: str, executor: str, slots: int, run: Attempt) -> ModuleType:
    workflow = import_module("cds_service.assessments.workflow")
    workflow.launch(url, executor, run, slots)
    return workflow
