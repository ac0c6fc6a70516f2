"""The ``openai`` engine: any server that speaks OpenAI's chat completions, asked the way its profile says.

What comes back is never trusted for being 200 (``trust.py``). Everything leaves by the one door out (``Outbound``).
"""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from cds_service.models.engine import (
    Capabilities,
    FinishReason,
    Generation,
    Identity,
    Request,
    Scores,
    Usage,
)
from cds_service.models.families.medgemma import neutralised
from cds_service.models.faults import (
    ConnectionFault,
    EngineFault,
    EngineRefused,
    EngineTimeout,
    NotAuthorized,
    NotReady,
    QueueFull,
    ServerFault,
    Truncated,
    UnknownModel,
    Unreadable,
    Unsupported,
)
from cds_service.models.remote import probing
from cds_service.models.remote.profiles import EngineProfile
from cds_service.models.remote.streamed import Joined, joined
from cds_service.models.trust import accepted
from fhir_adapters import errors, json_guard
from fhir_adapters.addresses import origin_of
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Reply

PATIENCE_S = 120.0  # of a request without a deadline, like the wrapper's
MAX_IMAGES = 85
MOST_LIKELY = 20  # tokens a server tells of at most (OpenAI's own limit)
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
_FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "refusal"}

Headers = Callable[[], Awaitable[Mapping[str, str]]]


class Likely(Struct, frozen=True):
    """One token and its log-probability."""

    token: str
    logprob: float = -math.inf
    top_logprobs: list[Likely] = field(default_factory=list)


class Logprobs(Struct, frozen=True):
    """Of each token of the answer."""

    content: list[Likely] | None = None


class Message(Struct, frozen=True):
    """The answer."""

    content: str | None = None
    refusal: str | None = None


class Choice(Struct, frozen=True):
    """One answer of several; we ask for one."""

    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Tokens(Struct, frozen=True):
    """As the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(Struct, frozen=True):
    """``chat.completion``."""

    choices: list[Choice]
    usage: Tokens | None = None


class Tokenized(Struct, frozen=True):
    """Answer of ``POST /tokenize`` (llama-server, vLLM)."""

    tokens: list[int]


class Envelope(Protocol):
    """Where a chat body goes and how it is wrapped there."""

    def url(self) -> str:
        """Absolute."""
        ...

    def wrap(self, body: Mapping[str, Any]) -> bytes:
        """The bytes to send."""
        ...

    def unwrap(self, body: bytes) -> Completion:
        """The completion in an answer; a leaf of EngineFault when it holds an error or none."""
        ...


class Plain:
    """``{base}/chat/completions`` with the bare body."""

    def __init__(self, base_url: str) -> None:
        self.base = base_url.rstrip("/")
        if self.base == str(origin_of(self.base)):
            self.base += "/v1"

    def url(self) -> str:
        """Absolute."""
        return f"{self.base}/chat/completions"

    def wrap(self, body: Mapping[str, Any]) -> bytes:
        """The bytes to send."""
        return msgspec.json.encode(body)

    def unwrap(self, body: bytes) -> Completion:
        """The completion in an answer."""
        try:
            return json_guard.decode(body, Completion)
        except json_guard.JsonRefused:
            raise Unreadable from None


class OpenAIStyle:
    """An Engine over HTTP. ``headers`` are made anew for each request (keys, tokens)."""

    def __init__(
        self,
        *,
        engine: str,
        model: str,
        profile: EngineProfile,
        envelope: Envelope,
        headers: Headers,
        outbound: Outbound,
        images: bool,
        revision: str = "",
        test_weights: bool = False,
    ) -> None:
        self.identity = Identity(engine, model, revision, test_weights)
        self._revision = revision
        self.profile = profile
        self.envelope = envelope
        self._headers = headers
        self._outbound = outbound
        self._salt = secrets.token_hex(16)
        takes_images = images and profile.images != "none"
        self.wants_images = images
        self.counts = bool(profile.tokens)  # until the probe has tried
        self.capabilities = Capabilities(
            schema=profile.schema != "prompted",
            checked=profile.schema == "prompted",
            logprobs=profile.labels != "none",
            images=takes_images,
            max_images=MAX_IMAGES if takes_images else 0,
        )

    async def generate(self, request: Request) -> Generation:
        """One answer that stands up to ``trust.accepted``."""
        body = self.body(request)
        completion = await self.ask(body | STREAMED if self.profile.stream else body, request)
        choice = _first(completion)
        usage = _usage(completion)
        return Generation(
            text=accepted(choice.message.content or "", self._finish(choice, usage, request.max_tokens), request),
            finish_reason="stop",
            identity=self.identity,
            usage=usage,
        )

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """Log-probability of each label as the next token. A label the server does not tell of is -inf."""
        if self.profile.labels == "none":
            raise Unsupported(f"{self.profile.title} gives no probabilities")
        body = {
            **self.body(msgspec.structs.replace(request, schema=None, max_tokens=1)),
            "logprobs": True,
            "top_logprobs": MOST_LIKELY,
        }
        completion = await self.ask(body, request)
        told = _first(completion).logprobs
        if told is None or not told.content:
            raise Unsupported(f"{self.profile.title} gives no probabilities")
        first = told.content[0]
        found = dict.fromkeys(labels, -math.inf)
        for likely in [*first.top_logprobs, first]:
            label = likely.token.strip()
            if label in found:  # 'B' and ' B' are two tokens of one label: the likelier stands for it
                found[label] = max(found[label], likely.logprob)
        return Scores(logprobs=found, identity=self.identity, usage=_usage(completion))

    async def count_tokens(self, text: str) -> int:
        """See ``CountsTokens``: by the server's own tokenizer. Unsupported where the server has no such route."""
        if not self.counts:
            raise Unsupported(f"{self.profile.title} does not count tokens")
        asked = {"model": self.identity.model, self.profile.tokens: neutralised(text)}
        reply = await self.send("POST", f"{origin_of(self.envelope.url())}/tokenize", msgspec.json.encode(asked))
        if reply.status != 200:
            raise _fault(reply)
        try:
            return len(json_guard.decode(reply.body, Tokenized).tokens)
        except json_guard.JsonRefused:
            raise Unreadable from None

    async def probe(self) -> None:
        """See ``Probed`` (standing.py)."""
        self.capabilities = await probing.probed(self)
        self.counts = bool(self.profile.tokens) and await probing.counts_tokens(self)

    def runs(self, digest: str) -> None:
        """What the server says its weights are: their revision, where the site names none."""
        self.identity = msgspec.structs.replace(self.identity, revision=self._revision or digest)

    async def aclose(self) -> None:
        """The door out is closed by who made it."""

    def body(self, request: Request) -> dict[str, Any]:
        """The chat body: one user turn, images first with their labels, greedy."""
        profile = self.profile
        prompt = neutralised(request.prompt)
        if request.schema is not None and profile.schema == "prompted":
            prompt += probing.told(request.schema)
        content: list[dict[str, Any]] = []
        for image in request.images:
            data = base64.b64encode(image.data).decode()
            content.append({"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"}})
            if image.label:
                content.append({"type": "text", "text": neutralised(image.label)})
        content.append({"type": "text", "text": prompt})
        made: dict[str, Any] = {
            "model": self.identity.model,
            "messages": [{"role": "user", "content": content if request.images else prompt}],
            "temperature": 0,
            profile.limit: request.max_tokens,
            **profile.extra,
        }
        if profile.salt:
            made[profile.salt] = self._salt
        if request.schema is not None:
            made |= _constraint(profile, request.schema)
        return made

    async def ask(self, body: Mapping[str, Any], request: Request) -> Completion:
        """Send a body; the completion, or an EngineFault."""
        reply = await self.send("POST", self.envelope.url(), self.envelope.wrap(body), request.deadline)
        if reply.status != 200:
            raise _fault(reply)
        return _whole(joined(reply.body)) if body.get("stream") else self.envelope.unwrap(reply.body)

    async def send(self, method: str, url: str, content: bytes = b"", deadline: float | None = None) -> Reply:
        """One request through the door; its faults as an engine's."""
        until = asyncio.get_running_loop().time() + PATIENCE_S if deadline is None else deadline
        headers = {"Accept": "application/json", **await self._headers()}
        if content:
            headers["Content-Type"] = "application/json"
        if self.profile.stream:
            headers["Connection"] = "close"  # llama-server hangs up after a stream: the next request would meet that
        try:
            return await self._outbound.request(
                method, url, deadline=until, headers=headers, content=content, where=self.identity.engine
            )
        except errors.TimedOut:
            raise EngineTimeout from None
        except errors.TooLarge:
            raise Truncated("the server sent more bytes than any answer has") from None
        except errors.Throttled as fault:
            raise QueueFull("the server asked to wait", retry_after=fault.retry_after) from None
        except (errors.UnsafeAddress, errors.Redirected, errors.WrongContentType) as fault:
            raise EngineRefused(f"the server's address cannot be used ({fault.reason})") from None
        except errors.FhirError as fault:
            raise ConnectionFault(f"no connection to the engine's server, or it broke ({fault.reason})") from None

    def _finish(self, choice: Choice, usage: Usage, limit: int) -> FinishReason:
        if choice.message.refusal:
            return "refusal"
        if self.profile.truncation == "count" and choice.finish_reason is None:
            if choice.message.content and not usage.completion_tokens:
                raise Unreadable("the server does not count tokens, so that a cut answer could not be told")
            return "length" if usage.completion_tokens >= limit else "stop"
        finish = _FINISH.get(choice.finish_reason or "")
        if finish is None:
            raise Unreadable("the server does not say why the answer ended")
        return finish


def _constraint(profile: EngineProfile, schema: Mapping[str, Any]) -> dict[str, Any]:
    match profile.schema:
        case "json_schema":
            wrapped = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": wrapped}}
        case "structured_outputs":
            return {"structured_outputs": {"json": schema}}
        case "json_object":
            return {"response_format": {"type": "json_object", "schema": schema}}
        case "prompted":
            return {}


def _whole(stream: Joined) -> Completion:
    """A stream that ended, as the completion it stands for."""
    counted = stream.usage
    usage = Tokens(counted.prompt_tokens, counted.completion_tokens) if counted else None
    return Completion([Choice(Message(stream.content, stream.refusal or None), stream.finish_reason)], usage)


def _first(completion: Completion) -> Choice:
    if not completion.choices:
        raise Unreadable("the server answered without a choice")
    return completion.choices[0]


def _usage(completion: Completion) -> Usage:
    tokens = completion.usage or Tokens()
    return Usage(tokens.prompt_tokens, tokens.completion_tokens)


def _fault(reply: Reply) -> EngineFault:
    """An HTTP status other than 200. The server's words are not repeated: they may quote the prompt."""
    status = reply.status
    if status in (401, 403):
        return NotAuthorized(f"the server refuses our key (HTTP {status}); set the API key")
    if status == 404:
        return UnknownModel("the server has no such model or route (HTTP 404); check the model id and the base URL")
    if status == 429:
        return QueueFull("the server is full (HTTP 429)")
    if status == 503:
        return NotReady("the server is loading its model or overloaded (HTTP 503)")
    if status >= 500:
        return ServerFault(f"the server failed (HTTP {status}); see its log")
    return EngineRefused(
        f"the server does not accept the request (HTTP {status}); check the profile, and that "
        "prompt and answer fit the context it was started with"
    )
