"""So many requests at once, so many waiting, none waiting too long; a waiting clinician goes before warm-up."""

from __future__ import annotations

import asyncio
from collections import deque

from cds_service.models.engine import Engine, Request
from cds_service.models.faults import QueueFull
from cds_service.models.wrappers.wrapper import A, Ask, Wrapper

Turn = asyncio.Future[None]


class Limit(Wrapper):
    """A bounded queue with two ranks, first in first out within each, and an age beyond which a request is shed."""

    def __init__(self, inner: Engine, *, slots: int, queue: int, oldest_s: float) -> None:
        super().__init__(inner)
        self._slots = self._free = slots
        self._bound = queue
        self._oldest_s = oldest_s
        self._urgent: deque[Turn] = deque()
        self._warming: deque[Turn] = deque()

    @property
    def depth(self) -> int:
        """Requests waiting."""
        return len(self._urgent) + len(self._warming)

    @property
    def busy(self) -> int:
        """Requests under way."""
        return self._slots - self._free

    def ahead(self) -> float:
        """How many rounds of all slots pass before a waiting clinician's request begins; 0 when a slot is free."""
        return 0.0 if self._free else (len(self._urgent) + 1) / self._slots

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """Wait for a slot, then ask. QueueFull when there is no room or the wait grew too long."""
        await self._enter(waiting=request.waiting)
        try:
            return await ask(request)
        finally:
            self._leave()

    async def _enter(self, *, waiting: bool) -> None:
        if self._free:
            self._free -= 1
            return
        self._make_room(waiting=waiting)
        line = self._urgent if waiting else self._warming
        turn: Turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self._oldest_s):
                await turn
        except BaseException as fault:
            self._withdraw(line, turn)
            if isinstance(fault, TimeoutError):
                raise QueueFull("the request waited too long for the engine and was shed") from None
            raise

    def _make_room(self, *, waiting: bool) -> None:
        """At the bound a waiting clinician's request takes the place of the newest warm-up."""
        if self.depth < self._bound:
            return
        while waiting and self._warming:
            shed = self._warming.pop()
            if not shed.done():
                shed.set_exception(QueueFull("shed for a request a clinician waits for"))
                return
        raise QueueFull

    def _withdraw(self, line: deque[Turn], turn: Turn) -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._leave()  # the slot was handed over while the caller went away
        elif turn in line:
            line.remove(turn)

    def _leave(self) -> None:
        for line in (self._urgent, self._warming):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)  # the slot passes on
                    return
        self._free += 1
