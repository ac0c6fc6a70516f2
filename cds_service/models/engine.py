"""What an engine is: the one seam between this service and whatever runs a model.

Deadlines, concurrency limits, breakers, retries, metrics and tracing are wrappers around an engine, never branches inside
one. A caller asks ``Capabilities.lacks`` before it calls; an engine that is asked for what it lacks raises ``Unsupported``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.models.faults import Unsupported as Unsupported
from cds_service.record.facts import Fact, Person

FinishReason = Literal["stop", "length", "refusal"]


class Image(Struct, frozen=True):
    """One picture as an engine takes it: encoded bytes without any header of the study it came from."""

    data: bytes
    media_type: str = "image/png"
    label: str = ""  # words that stand right after it in the prompt: 'SLICE 3', 'current'


class Material(Struct, frozen=True, kw_only=True):
    """The facts behind a prompt, structured. For engines that compose from facts; engines that run a model read the prompt."""

    facts: Sequence[Fact]  # most important first
    person: Person
    now: datetime
    zone: ZoneInfo


class Request(Struct, frozen=True, kw_only=True):
    """One question to an engine. The answer is valid under ``schema`` or it is no answer."""

    prompt: str
    fixed: int = 0  # characters at the start of the prompt that every call of it shares: what a prefix cache may keep
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 1024
    images: tuple[Image, ...] = ()
    material: Material | None = None
    waiting: bool = False  # a clinician waits for it: goes before warm-up in every queue
    listener: Callable[[str], None] | None = None  # told each piece of text as it is made, where the engine can
    deadline: float | None = None  # moment of the event loop's clock; None: the engine's own patience
    label: str = ""  # of the prompt, 'triage@1 sha256:…': for traces


class Identity(Struct, frozen=True):
    """What answered: printed on cards, kept in audit, part of every cache key."""

    engine: str  # 'extractive', 'in-process', 'openai', 'vertex'
    model: str = ""
    revision: str = ""
    test_weights: bool = False  # they know nothing: said wherever an answer is shown

    @property
    def label(self) -> str:
        """``engine model@revision`` without empty parts."""
        named = f"{self.model}@{self.revision}" if self.model and self.revision else self.model or self.revision
        return f"{self.engine} {named}".strip()


class Usage(Struct, frozen=True):
    """Tokens as the engine counts them; 0 where it has none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Generation(Struct, frozen=True, kw_only=True):
    """One answer. A ``finish_reason`` other than stop is a fault of the answer: its text is never used."""

    text: str
    finish_reason: FinishReason
    identity: Identity
    usage: Usage = Usage()


class Scores(Struct, frozen=True, kw_only=True):
    """Log-probability of each label as the next answer, natural logarithm, not normalised over the labels."""

    logprobs: Mapping[str, float]
    identity: Identity
    usage: Usage = Usage()


class Capabilities(Struct, frozen=True, kw_only=True):
    """What an engine can do, declared before it is called."""

    schema: bool = False  # obeys a JSON Schema
    checked: bool = False  # is only told the schema, but its answers are validated: valid or no answer
    logprobs: bool = False  # can score labels
    images: bool = False
    max_images: int = 0
    context_tokens: int = 0  # prompt and answer together; 0: no limit of its own
    structured: bool = False  # composes from Request.material and does not read the prompt

    def lacks(self, request: Request, *, labels: bool = False) -> str:
        """What this request needs and the engine has not, in words; '' when it can be asked."""
        if request.schema is not None and not (self.schema or self.checked):
            return "it does not obey a schema"
        if labels and not self.logprobs:
            return "it cannot score labels"
        if len(request.images) > self.max_images:
            return f"it takes {self.max_images} images, not {len(request.images)}"
        if self.structured and request.material is None:
            return "it needs the facts themselves"
        return ""


@runtime_checkable
class Engine(Protocol):
    """Anything that turns a request into text. Cancelling the awaiting task cancels the work and frees its slot."""

    @property
    def identity(self) -> Identity:
        """What will answer."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked."""
        ...

    async def generate(self, request: Request) -> Generation:
        """One answer to one request, greedy."""
        ...

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """How likely each label is as the answer: one forward pass, no text."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """An engine that can count a text as its model will read it."""

    async def count_tokens(self, text: str) -> int:
        """Tokens of the text as a prompt, the frame of the turn included where the engine knows it. Raises Unsupported
        where the engine turns out not to count."""
        ...
