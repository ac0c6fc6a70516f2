"""What a server can really do, found out before it is used: a tiny schema, an image, two labels, its models, its context."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from cds_service.models.engine import Capabilities, Generation, Identity, Image, Request, Scores
from cds_service.models.faults import (
    BadAnswer,
    EngineFault,
    EngineRefused,
    IgnoresSchema,
    ImageDropped,
    NotReady,
    ServerFault,
    UnknownModel,
    Unsupported,
)
from cds_service.models.remote.profiles import EngineProfile
from fhir_adapters import json_guard
from fhir_adapters.addresses import origin_of
from fhir_adapters.server import Reply

P = TypeVar("P", bound=msgspec.Struct)
DIGITS = 12  # of a digest of weights, as Ollama's own list prints it
LISTED = 5  # model ids a message names
# one grey pixel: what it shows does not matter, only that it costs tokens
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


class Server(Protocol):
    """What is probed: ``OpenAIStyle``."""

    identity: Identity
    profile: EngineProfile
    capabilities: Capabilities
    wants_images: bool
    envelope: Any

    async def send(self, method: str, url: str, content: bytes = b"", deadline: float | None = None) -> Reply:
        """One plain request."""
        ...

    async def generate(self, request: Request) -> Generation:
        """An answer."""
        ...

    async def score_labels(self, request: Request, labels: Sequence[str]) -> Scores:
        """Scores."""
        ...

    async def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        ...

    def runs(self, digest: str) -> None:
        """The weights behind the model's name."""
        ...


async def probed(server: Server) -> Capabilities:
    """What the server showed that it can. Raises what ``Probed.probe`` (standing.py) says."""
    await _healthy(server)
    listed = await _lists_model(server)
    await _obeys_schema(server)
    if server.wants_images:
        await _sees_images(server)
    logprobs = await _scores_labels(server)
    context = await _context(server) or await _loaded(server) or listed
    return msgspec.structs.replace(server.capabilities, logprobs=logprobs, context_tokens=context)


async def counts_tokens(server: Server) -> bool:
    """Counting is a bonus too: without it prompts are fitted by an estimate. A gateway may well hide the route."""
    try:
        return await server.count_tokens("Potassium 6.1 mmol/L") > 0
    except EngineFault:
        return False


def told(schema: Mapping[str, Any]) -> str:
    """A schema in words, for servers that cannot be given one."""
    text = msgspec.json.encode(schema).decode()
    return f"\n\nAnswer with one compact JSON object under this JSON Schema and with nothing else:\n{text}"


async def _healthy(server: Server) -> None:
    if not server.profile.health:
        return
    reply = await server.send("GET", f"{origin_of(server.envelope.url())}{server.profile.health}")
    if reply.status == 503:
        raise NotReady("the server is still loading its model")
    if reply.status >= 500:
        raise ServerFault(f"the server says it is not healthy (HTTP {reply.status}); see its log")


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None  # vLLM, SGLang: tokens of prompt and answer together


class _Models(msgspec.Struct):
    data: list[_Model] = []


class _Generation(msgspec.Struct):
    n_ctx: int = 0  # of one slot


class _Loaded(msgspec.Struct):
    name: str
    context_length: int = 0
    digest: str = ""


class _Running(msgspec.Struct):
    models: list[_Loaded] = []


class _Props(msgspec.Struct):
    default_generation_settings: _Generation = msgspec.field(default_factory=_Generation)


async def _lists_model(server: Server) -> int:
    """The context the list states for the model, 0 for none. A server that keeps no list, or another one, is not refused."""
    if server.profile.models != "exact":
        return 0
    listed = (await _told(server, server.envelope.url().removesuffix("/chat/completions") + "/models", _Models)).data
    wanted = server.identity.model
    known = [model for model in listed if model.id in _names(wanted)]
    if listed and not known:
        names = ", ".join(model.id for model in listed[:LISTED])
        raise UnknownModel(f"the server does not serve '{wanted}'; it lists {names}")
    return max(known[0].max_model_len or 0, 0) if known else 0


async def _context(server: Server) -> int:
    """The context of one slot, where the server has a page that says so; else 0: unknown."""
    if not server.profile.props:
        return 0
    props = await _told(server, f"{origin_of(server.envelope.url())}{server.profile.props}", _Props)
    return max(props.default_generation_settings.n_ctx, 0)


async def _loaded(server: Server) -> int:
    """The context the model was loaded with (it is loaded: it has just answered), which this server cuts longer prompts
    to without a word; 0: unknown. Notes the digest of its weights too."""
    if not server.profile.running:
        return 0
    running = await _told(server, f"{origin_of(server.envelope.url())}{server.profile.running}", _Running)
    for model in running.models:
        if model.name in _names(server.identity.model):
            server.runs(model.digest[:DIGITS])
            return max(model.context_length, 0)
    return 0


async def _told(server: Server, url: str, page: type[P]) -> P:
    """What a page of the server says; an empty one where the server has none, or another one."""
    reply = await server.send("GET", url)
    if reply.status != 200:
        return page()
    try:
        return json_guard.decode(reply.body, page)
    except json_guard.JsonRefused:
        return page()


def _names(model: str) -> tuple[str, str]:
    """How a server may list a model: Ollama adds the tag that stands for none."""
    return model, f"{model}:latest"


async def _obeys_schema(server: Server) -> None:
    """A schema that admits one random word alone, which the prompt does not hold: no free text passes by chance."""
    word = secrets.token_hex(4)
    schema = {
        "type": "object",
        "properties": {
            "word": {"type": "string", "enum": [word]},
            "number": {"type": "integer", "minimum": 3, "maximum": 7},
        },
        "required": ["word", "number"],
        "additionalProperties": False,
    }
    try:
        await server.generate(Request(prompt="Name a word and a number.", schema=schema, max_tokens=96))
    except BadAnswer as fault:
        raise IgnoresSchema(
            f"the server answers without regard to the schema ({fault.reason}); {server.profile.hint}"
        ) from None


async def _sees_images(server: Server) -> None:
    """The same prompt costs more tokens with an image, or the image was dropped."""
    schema = {
        "type": "object",
        "properties": {"seen": {"type": "boolean"}},
        "required": ["seen"],
        "additionalProperties": False,
    }
    request = Request(prompt="Is there an image?", schema=schema, max_tokens=32)
    without = await server.generate(request)
    shown = await server.generate(msgspec.structs.replace(request, images=(Image(PIXEL),)))
    if shown.usage.prompt_tokens <= without.usage.prompt_tokens:
        raise EngineRefused(str(ImageDropped()))


async def _scores_labels(server: Server) -> bool:
    """Labels are a bonus: a server without them still writes."""
    if server.profile.labels == "none":
        return False
    try:
        await server.score_labels(Request(prompt="Answer A or B.", max_tokens=1), ("A", "B"))
    except (Unsupported, EngineRefused, BadAnswer):
        return False
    return True
