"""What goes on behind the drafts: writes of processes that died are finished, and drafts are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from cds_service import telemetry
from cds_service.drafts.drafts import Drafts

EVERY_S = 15.0

log = telemetry.log(__name__)


class Sweep:
    """Once at the start, then every ``every_s`` seconds. A round that fails is logged, counted, and the next one comes."""

    def __init__(
        self,
        drafts: Drafts,
        *,
        told: Callable[[Mapping[str, int]], None] = lambda _by_state: None,
        count: Callable[[str], None] = lambda _name: None,
        every_s: float = EVERY_S,
    ) -> None:
        self._drafts, self._told, self._count, self._every_s = drafts, told, count, every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop. A write under way is left to the next process, which looks in the record first."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                if resumed := await self._drafts.resume():
                    log.info("unfinished drafts were resumed", count=resumed)
                self._told(await self._drafts.by_state())
            except Exception as error:  # noqa: BLE001 - one bad round must not end them all
                self._count("drafts:sweep failed")
                log.warning("drafts could not be swept", error=type(error).__name__)
            await asyncio.sleep(self._every_s)
