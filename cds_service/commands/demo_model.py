"""A model for the demo: what ``--model`` names, which servers run on this machine, and the wait for the first AI draft."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from cds_service.errors import ConfigurationError
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.families.variants import variant
from cds_service.services.assessed import DRAFTED
from cds_service.settings import Settings
from fhir_adapters import json_guard
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import FhirError, UnsafeAddress
from fhir_adapters.outbound import Outbound

LOOK_S = 0.2  # all of the look for running servers
DRAFT_S = 180.0  # a 27B model on a processor alone writes slowly
GRACE_S = 20.0  # a model that loads, or a probe under way, may be waited for so long
PAUSE_S = 1.0
PENDING, DISCARDED = "is being prepared", "was made and discarded"  # as services/assessed.py words them
FORMS = "ollama/MODEL, llama-server/MODEL, lmstudio/MODEL or BASE_URL#MODEL"


class Kind(Struct, frozen=True):
    """A server people run at home, at the port its makers chose. Loopback: no other host is ever looked at."""

    name: str
    title: str
    port: int
    profile: str

    @property
    def url(self) -> str:
        """Where it listens on this machine."""
        return f"http://127.0.0.1:{self.port}"


KINDS = (
    Kind("ollama", "Ollama", 11434, "ollama"),
    Kind("llama-server", "llama-server", 8080, "llama-server"),
    Kind("lmstudio", "LM Studio", 1234, "openai"),
)


class Chosen(Struct, frozen=True):
    """A model at an OpenAI-style server."""

    base_url: str
    model: str
    profile: str

    def settings(self) -> Mapping[str, Any]:
        """Overrides for the demo: text, and images where the model is known to take them."""
        server = {"engine": "openai", "base_url": self.base_url, "model": self.model, "profile": self.profile}
        known = variant(self.model)
        names = ("text", "image") if known is not None and known.images else ("text",)
        return {f"{name}_{member}": value for name in names for member, value in server.items()}


def chosen(text: str) -> Chosen:
    """What ``--model`` names; ConfigurationError lists the forms."""
    base, _, model = text.partition("#")
    if model and base.startswith(("http://", "https://")):
        try:
            port = origin_of(base).port
        except UnsafeAddress as fault:
            raise ConfigurationError(f"--model: {fault.detail}") from None
        return Chosen(base, model, next((kind.profile for kind in KINDS if kind.port == port), "openai"))
    name, _, model = text.partition("/")
    kind = next((kind for kind in KINDS if kind.name == name), None)
    if kind is None or not model:
        raise ConfigurationError(f"--model takes {FORMS}")
    return Chosen(kind.url, model, kind.profile)


class Running(Struct, frozen=True):
    """A model server found on this machine, and the model of it to try."""

    kind: Kind
    model: str

    @property
    def words(self) -> str:
        """One line that says how to use it."""
        return f"{self.kind.title} runs here with {self.model}: medgemma-cds demo --model {self.kind.name}/{self.model}"


async def running(kinds: tuple[Kind, ...] = KINDS) -> list[Running]:
    """Those that list a model within ``LOOK_S``; a MedGemma before any other."""
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: all is plain loopback, and certificates take time
    async with Outbound(Policy(operator=[kind.url for kind in kinds]), tls=no_tls) as door:
        found = await asyncio.gather(*(_look(door, kind) for kind in kinds))
    return [each for each in found if each is not None]


async def _look(door: Outbound, kind: Kind) -> Running | None:
    deadline = asyncio.get_running_loop().time() + LOOK_S
    try:
        reply = await door.request("GET", f"{kind.url}/v1/models", deadline=deadline)
        listed = [each.id for each in json_guard.decode(reply.body, _Models).data]
    except (FhirError, json_guard.JsonRefused):
        return None  # nobody there, or something else on the port
    best = sorted(listed, key=lambda name: "medgemma" not in name.lower())
    return Running(kind, best[0]) if best and reply.status == 200 else None


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


async def unusable(settings: Settings) -> str:
    """Why the text engine of the settings cannot be used, found out as doctor does; '' when it can or still loads."""
    async with engines.door(settings) as door:
        standing = engines.build(settings, door, Metrics()).text
        if standing is None:
            return "no model is configured"
        state, why = await standing.look(), standing.why
        await standing.aclose()
    return "" if state in ("ready", "loading") else why


async def until_drafted(ask: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[dict[str, Any], str]:
    """Ask until a card is the model's, as a clinician who opens the chart again: the last answer, and how it stands.

    '' when a card is AI-drafted; else words that say why none is.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        body = await ask()
        cards = body.get("cards", [])
        if any(DRAFTED in card["source"]["label"] for card in cards):
            return body, ""
        details = "\n".join(card.get("detail", "") for card in cards)
        waited = clock() - began
        if DISCARDED in details or waited > DRAFT_S:
            return body, "no AI-drafted card is shown; the card says why"
        if PENDING not in details and waited > GRACE_S:
            return body, "the model was not used; the card says why, and so does medgemma-cds doctor with its settings"
        await asyncio.sleep(PAUSE_S)
