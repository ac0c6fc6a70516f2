"""One absolute deadline a request, whatever waits below it: queue, second try, connection, tokens."""

from __future__ import annotations

import asyncio

import msgspec

from cds_service.models.engine import Engine, Request
from cds_service.models.faults import EngineTimeout
from cds_service.models.wrappers.wrapper import A, Ask, Wrapper

COUNT_S = 5.0  # patience with a count of tokens: it takes milliseconds or something is wrong


class Deadline(Wrapper):
    """Cancels what is under way when the time is up. ``patience_s``: for requests that name no deadline."""

    def __init__(self, inner: Engine, patience_s: float) -> None:
        super().__init__(inner)
        self._patience_s = patience_s

    async def count_tokens(self, text: str) -> int:
        """See ``CountsTokens``; EngineTimeout when the count does not come."""
        try:
            async with asyncio.timeout(COUNT_S):
                return await super().count_tokens(text)
        except TimeoutError:
            raise EngineTimeout("the engine did not count the tokens of a prompt in time") from None

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """The answer by the deadline, else EngineTimeout."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._patience_s if request.deadline is None else request.deadline
        if deadline <= clock():
            raise EngineTimeout("no time was left to ask the engine")
        try:
            async with asyncio.timeout_at(deadline):
                return await ask(msgspec.structs.replace(request, deadline=deadline))
        except TimeoutError:
            raise EngineTimeout from None
