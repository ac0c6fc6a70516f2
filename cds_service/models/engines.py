"""The engines of the settings, each with its standing. Nothing here waits for one: an engine may come later, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

from cds_service.errors import ConfigurationError
from cds_service.metrics import Metrics
from cds_service.models.families.variants import variant
from cds_service.models.in_process.engine import InProcess, from_settings
from cds_service.models.remote import vertex
from cds_service.models.remote.google_token import GoogleToken
from cds_service.models.remote.openai import Envelope, Headers, OpenAIStyle, Plain
from cds_service.models.remote.profiles import EngineProfile, profile
from cds_service.models.standing import Bounds, Probed, Standing
from cds_service.settings import Settings
from cds_service.tracing import OFF, Tracing
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.errors import UnsafeAddress
from fhir_adapters.outbound import Added, Outbound
from fhir_adapters.server import Limits

Name = Literal["text", "image"]
SPARE = 4  # requests at once beside those of CDS_JOB_SLOTS: what a clinician waits for is made past the queue of jobs
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


def build(settings: Settings, outbound: Outbound, metrics: Metrics, tracing: Tracing = OFF) -> Engines:
    """Made, not started. ``ConfigurationError`` names the setting that is wrong."""

    def standing(name: Name) -> Standing | None:
        bare = _bare(settings, name, outbound)
        return (
            None if bare is None else Standing(bare, name, metrics, Bounds(slots=settings.job_slots + SPARE), tracing)
        )

    return Engines(standing("text"), standing("image"))


def door(settings: Settings, added: Added | None = None) -> Outbound:
    """The door out for engines alone: no request may name these origins, and an engine that hangs fills no other's pool."""
    bases = [_base(base) for base in (settings.text_base_url, settings.image_base_url) if base]
    try:
        return Outbound(Policy(operator=[str(origin_of(base)) for base in bases]), limits=LIMITS, added=added)
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
        return _in_process(settings, name, model)
    return _over_http(settings, name, model, outbound)


def _in_process(settings: Settings, name: Name, model: str) -> InProcess:
    """Started by its first probe, in a worker of its own; on a terminal a bar says how far the loading is."""
    from cds_service.models.in_process.bar import Bar

    return from_settings(settings, name, Bar(model))


def _over_http(settings: Settings, name: Name, model: str, outbound: Outbound) -> OpenAIStyle:
    text = name == "text"
    kind = settings.text_engine if text else settings.image_engine
    base = settings.text_base_url if text else settings.image_base_url
    key = (settings.text_api_key if text else settings.image_api_key).get_secret_value()
    if not base:
        raise ConfigurationError(f"CDS_{name.upper()}_BASE_URL is missing: the address of the model's server")
    how = _profile(kind, settings.text_profile if text else settings.image_profile)
    return OpenAIStyle(
        engine=kind,
        model=model,
        profile=how,
        envelope=_envelope(how, base),
        headers=GoogleToken().headers if how.google and not key else _fixed(key),
        outbound=outbound,
        images=not text,
        revision=settings.text_revision if text else settings.image_revision,
        test_weights=not text and settings.image_test_weights,
    )


def _profile(kind: str, name: str) -> EngineProfile:
    """Engine vertex takes the profile vertex where none of its own was chosen."""
    if kind == "vertex" and name == Settings.model_fields["text_profile"].default:
        name = "vertex"
    how = profile(name)
    if kind == "vertex" and not how.google:
        raise ConfigurationError(f"engine vertex takes the profile vertex, vertex-raw or vertex-openai, not '{name}'")
    return how


def _envelope(how: EngineProfile, base: str) -> Envelope:
    if how.route != "chat":
        return vertex.Predicting(base, how.route)
    return vertex.openai_route(base) if how.google else Plain(base)


def _base(address: str) -> str:
    """An absolute URL: as given, or of the Vertex AI endpoint that a resource name names."""
    return address if address.startswith(("http:", "https:")) else vertex.endpoint(address).origin


def _fixed(key: str) -> Headers:
    async def headers() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    return headers
