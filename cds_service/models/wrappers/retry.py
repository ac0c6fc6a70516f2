"""One second try after a connection fault, and after nothing else: an answer that came late or bad would come so again."""

from __future__ import annotations

import asyncio
import random

from cds_service.models.engine import Request
from cds_service.models.faults import ConnectionFault
from cds_service.models.wrappers.wrapper import A, Ask, Wrapper

PAUSE_S = (0.05, 0.15)


class Retry(Wrapper):
    """Tries once more after a short random pause, if the deadline leaves time for it."""

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """The answer of the first or the second try."""
        try:
            return await ask(request)
        except ConnectionFault:
            pause = random.uniform(*PAUSE_S)
            if request.deadline is not None and asyncio.get_running_loop().time() + pause >= request.deadline:
                raise
        await asyncio.sleep(pause)
        return await ask(request)
