"""The frame of a wrapper: an Engine around an Engine, with one place through which both questions pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cds_service.models.engine import Capabilities, CountsTokens, Engine, Generation, Identity, Request, Scores
from cds_service.models.faults import Unsupported

A = TypeVar("A", Generation, Scores)
Ask = Callable[[Request], Awaitable[A]]


class Wrapper:
    """Passes everything on. A subclass overrides ``through``."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner

    @property
    def identity(self) -> Identity:
        """What will answer."""
        return self.inner.identity

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked."""
        return self.inner.capabilities

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``."""
        return await self.through(request, self.inner.generate)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """See ``Engine``."""
        return await self.through(request, lambda asked: self.inner.score_labels(asked, labels))

    async def count_tokens(self, text: str) -> int:
        """See ``CountsTokens``: takes no slot. Unsupported where the engine inside does not count."""
        if not isinstance(self.inner, CountsTokens):
            raise Unsupported("it does not count tokens")
        return await self.inner.count_tokens(text)

    async def through(self, request: Request, ask: Ask[A]) -> A:
        """Ask the inner engine."""
        return await ask(request)


class Checking(Wrapper):
    """Refuses what the engine's capabilities do not list, before a slot is taken."""

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``."""
        self._refuse(self.capabilities.lacks(request))
        return await self.inner.generate(request)

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """See ``Engine``."""
        self._refuse(self.capabilities.lacks(request, labels=True))
        return await self.inner.score_labels(request, labels)

    def _refuse(self, lack: str) -> None:
        if lack:
            raise Unsupported(f"{self.identity.label} cannot be asked: {lack}")
