"""The engines of the settings, each with its standing. Nothing here waits for one: an engine may come later, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from cds_service.errors import ConfigurationError
from cds_service.metrics import Metrics
from cds_service.models.engine import Capabilities, Identity
from cds_service.models.families.variants import variant
from cds_service.models.faults import EngineRefused, NotReady
from cds_service.models.in_process.engine import InProcess
from cds_service.models.in_process.wire import Load
from cds_service.models.openai import OpenAIStyle, Plain
from cds_service.models.profiles import profile
from cds_service.models.standing import Bounds, Probed, Standing
from cds_service.settings import Settings
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import UnsafeAddress
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Limits

Name = Literal["text", "image"]
NEVER = 10**9  # failures: our own breaker watches engines, the door's would be a second one
LIMITS = Limits(max_bytes=4 * 1024 * 1024, per_origin=64, failures_to_open=NEVER)


class Engines:
    """``text`` is None for the extractive engine, ``image`` for none."""

    def __init__(self, text: Standing | None, image: Standing | None) -> None:
        self.text = text
        self.image = image

    async def start(self) -> None:
        """Begin to probe; returns at once."""
        for standing in self._all():
            await standing.start()

    async def aclose(self) -> None:
        """Stop probing, end workers."""
        await asyncio.gather(*(standing.aclose() for standing in self._all()))

    def _all(self) -> list[Standing]:
        return [standing for standing in (self.text, self.image) if standing is not None]


def build(settings: Settings, outbound: Outbound, metrics: Metrics) -> Engines:
    """Made, not started. ``ConfigurationError`` names the setting that is wrong."""

    def standing(name: Name) -> Standing | None:
        bare = _bare(settings, name, outbound)
        return None if bare is None else Standing(bare, name, metrics, Bounds())

    return Engines(standing("text"), standing("image"))


def door(settings: Settings) -> Outbound:
    """The door out for engines alone: no request may name these origins, and an engine that hangs fills no other's pool."""
    bases = [base for base in (settings.text_base_url, settings.image_base_url) if base.startswith(("http:", "https:"))]
    try:
        return Outbound(Policy(operator=[str(origin_of(base)) for base in bases]), limits=LIMITS)
    except UnsafeAddress as fault:
        raise ConfigurationError(f"CDS_TEXT_BASE_URL or CDS_IMAGE_BASE_URL: {fault.detail}") from None


def _bare(settings: Settings, name: Name, outbound: Outbound) -> Probed | None:
    """The engine itself, as the settings name it."""
    kind = settings.text_engine if name == "text" else settings.image_engine
    model = settings.text_model if name == "text" else settings.image_model
    if kind in ("extractive", "none"):
        return None
    known = variant(model)
    if known is not None and name == "image" and not known.images:
        raise ConfigurationError(f"CDS_IMAGE_MODEL '{model}' takes no images; use google/medgemma-1.5-4b-it")
    if kind == "in-process":
        return Local(InProcess(Load(model=model), images=name == "image"))
    if kind == "vertex":
        raise ConfigurationError(f"CDS_{name.upper()}_ENGINE=vertex: use openai with profile vertex-openai")
    return _over_http(settings, name, model, outbound)


def _over_http(settings: Settings, name: Name, model: str, outbound: Outbound) -> OpenAIStyle:
    text = name == "text"
    base = settings.text_base_url if text else settings.image_base_url
    key = (settings.text_api_key if text else settings.image_api_key).get_secret_value()
    if not base:
        raise ConfigurationError(f"CDS_{name.upper()}_BASE_URL is missing: the address of the OpenAI-style server")

    async def headers() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    return OpenAIStyle(
        engine="openai",
        model=model,
        profile=profile(settings.text_profile if text else settings.image_profile),
        envelope=Plain(base),
        headers=headers,
        outbound=outbound,
        images=not text,
    )


class Local:
    """The in-process engine as something that can be probed: started with the first look, in a worker of its own."""

    def __init__(self, inner: InProcess) -> None:
        self._inner = inner
        self.generate = inner.generate
        self.score_labels = inner.score_labels

    @property
    def identity(self) -> Identity:
        """What will answer."""
        return self._inner.identity

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked."""
        return self._inner.capabilities

    async def probe(self) -> None:
        """Loaded, still loading, or failed for good."""
        await self._inner.start()
        if self._inner.state == "failed":
            raise EngineRefused(self._inner.why)
        if self._inner.state != "ready":
            raise NotReady(f"loading {self._inner.identity.model}: {self._inner.stage.stage or 'starting'}")

    async def aclose(self) -> None:
        """End the worker."""
        await self._inner.aclose()
