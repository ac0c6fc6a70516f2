"""Calls that ask the same at the same time share one answer: a client that retries early gets the first one's cards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from cds_service.errors import Unavailable


class Flights:
    """Answers being made, by question."""

    def __init__(self) -> None:
        self._open: dict[Hashable, asyncio.Future[bytes]] = {}

    async def share(self, question: Hashable, answer: Callable[[], Awaitable[bytes]]) -> bytes:
        """The bytes of ``answer``, made once for all callers that ask ``question`` meanwhile; so are its errors."""
        flying = self._open.get(question)
        if flying is not None:
            return await asyncio.shield(flying)
        future = self._open[question] = asyncio.get_running_loop().create_future()
        try:
            made = await answer()
        except BaseException as error:
            told = error if isinstance(error, Exception) else Unavailable("the first call was broken off")
            future.set_exception(told)
            future.exception()  # nobody may be waiting for it
            raise
        else:
            future.set_result(made)
            return made
        finally:
            del self._open[question]
