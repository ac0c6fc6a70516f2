"""The composition root: Settings in, FastAPI application out. Nothing is wired anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware

from cds_service import __version__
from cds_service.assessments.texts import Stands
from cds_service.db.token_ids import OwnTokenIds, SharedTokenIds
from cds_service.drafts.sweep import Sweep
from cds_service.errors import ConfigurationError
from cds_service.health import attach_health
from cds_service.hooks import cors
from cds_service.hooks.clients.auth import ClientAuth
from cds_service.hooks.ports import House
from cds_service.hooks.router import attach_router
from cds_service.models.prompting import templates
from cds_service.models.summarise import Summariser
from cds_service.services.assessed import Assessed
from cds_service.services.encounter_brief import EncounterBrief
from cds_service.services.imaging_read import ImagingRead
from cds_service.services.new_studies import NewStudies
from cds_service.services.order_precheck import OrderPrecheck
from cds_service.services.order_triage import OrderTriage
from cds_service.services.patient_summary import PatientSummary
from cds_service.services.service import Service
from cds_service.settings import Settings, Subscription
from cds_service.web import preparing
from cds_service.web.keys import attach_keys, signing_key
from cds_service.web.review.router import Review, attach_review, none_made
from cds_service.web.subscriptions import OnStudy, Subscriptions, attach_subscriptions
from cds_service.wiring.assessing import Assessments, assessments
from cds_service.wiring.outside import json_fetcher
from cds_service.wiring.own_access import record_access
from cds_service.wiring.parts import Parts, parts_of

START_S = 20.0  # most the stores may take to open
# Off whatever OTEL_… and FASTAPI_… variables say: it writes URLs and texts of exceptions. Ours is tracing.py.
FRAMEWORK_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)


def create_app(settings: Settings, text: Stands | None = None) -> FastAPI:
    """Check, compose, return. Stores are opened when the application starts and drained when it stops."""
    parts = parts_of(settings)
    made = assessments(parts, text or parts.engines.text)
    token_ids = _token_ids(parts)
    fetch = json_fetcher(parts.outbound, parts.metrics.count)
    clients = ClientAuth(settings, fetch, stored=token_ids)
    app = FastAPI(
        title="MedGemma CDS",
        version=__version__,
        summary="A CDS Hooks 2.0.1 service: rules first, checked statements, cited cards.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(parts, made, clients, token_ids),
        docs_url=None if settings.mode == "production" else "/docs",
        redoc_url=None,
        telemetry=FRAMEWORK_TELEMETRY,
    )
    app.add_middleware(CORSMiddleware, **cors.options(settings))
    attach_router(app, _house(parts, made, clients))
    attach_health(app, parts.gateway, parts.pack, parts.metrics, made.jobs.standing if made is not None else None)
    why = none_made(imaging=settings.imaging, engine=settings.image_engine)
    attach_review(app, Review(parts.drafts, parts.cipher, settings.mode, parts.viewer, none_made=why))
    attach_keys(app, signing_key(settings))
    told = Subscriptions(settings.subscriptions, _on_study(parts, made), parts.audit, parts.metrics.count)
    attach_subscriptions(app, told)
    if settings.mode != "production":
        if made is not None:
            preparing.attach_preparing(app, made.jobs.look)
        from cds_service.web.simulator.router import attach_simulator

        attach_simulator(app, base_url=settings.public_url, clock=_clock, folder=settings.state_dir / "simulator")
    return app


def _lifespan(
    parts: Parts, made: Assessments | None, clients: ClientAuth, token_ids: OwnTokenIds | SharedTokenIds
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            deadline = asyncio.get_running_loop().time() + START_S
            parts.tracing.start()
            closing.push_async_callback(parts.tracing.aclose)
            await parts.gateway.start()
            closing.push_async_callback(parts.gateway.close)
            closing.push_async_callback(parts.outbound.aclose)
            clients.warm()
            closing.push_async_callback(parts.engine_door.aclose)
            closing.push_async_callback(parts.engines.aclose)
            closing.push_async_callback(parts.ledger.close)
            closing.push_async_callback(parts.switches.close)
            if parts.viewer is not None:
                closing.push_async_callback(parts.viewer.aclose)
            if made is not None:
                closing.push_async_callback(made.jobs.close)
            await asyncio.gather(
                parts.replay.load(deadline),
                token_ids.load(deadline),
                parts.hygiene.start(deadline),
                parts.switches.start(deadline),
                parts.engines.start(),
            )
            if made is not None:
                made.jobs.start()
            sweep = Sweep(parts.drafts, told=parts.metrics.drafts_kept, count=parts.metrics.count)
            sweep.start()
            closing.push_async_callback(sweep.aclose)
            yield

    return lifespan


def _token_ids(parts: Parts) -> OwnTokenIds | SharedTokenIds:
    kind = SharedTokenIds if parts.gateway.shared else OwnTokenIds
    return kind(parts.gateway, parts.cipher)


def _house(parts: Parts, made: Assessments | None, clients: ClientAuth) -> House:
    """What the CDS Hooks routes need."""
    return House(
        settings=parts.settings,
        services={s.id: s for s in _services(parts, made)},
        clients=clients,
        replay=parts.replay,
        ledger=parts.ledger,
        audit=parts.audit,
        metrics=parts.metrics,
        switches=parts.switches,
        clock=_clock,
        tracing=parts.tracing,
    )


def _services(parts: Parts, made: Assessments | None) -> list[Service]:
    """The menu, in the order of the discovery document. ``imaging-read`` only where imaging is on."""
    charts, showing, settings = parts.charts, parts.showing, parts.settings
    assessed = _assessed(parts, made)
    menu: list[Service] = [
        PatientSummary(charts, showing, Summariser(templates.load()), assessed),
        OrderPrecheck(charts, showing, assessed),
        OrderTriage(charts, showing, assessed),
        EncounterBrief(charts, showing, assessed),
    ]
    if settings.imaging:
        menu.append(ImagingRead(charts, showing, settings, made.reads if made else None, lambda: parts.switches.ai))
    return menu


def _assessed(parts: Parts, made: Assessments | None) -> Assessed | None:
    """A model's texts as services ask for them; None where no model words any."""
    if made is None or made.texts is None:
        return None
    settings = parts.settings
    pages = f"{settings.public_url.rstrip('/')}{preparing.PATH}" if settings.mode != "production" else ""
    return Assessed(made.texts, parts.zone, labels=settings.triage_label == "on", pages=pages)


def _on_study(parts: Parts, made: Assessments | None) -> OnStudy:
    """What a notified study leads to: the read a hook call of that client would ask for."""
    settings = parts.settings
    for own_id, known in settings.subscriptions.items():
        if known.client and known.client not in settings.clients:
            raise ConfigurationError(
                f"[subscriptions.{own_id}] names the client '{known.client}', which [clients] lacks"
            )
    connect = record_access(settings, parts.outbound).connect
    studies = NewStudies(connect, made.reads if made else None, _clock, lambda: parts.switches.ai, parts.zone)

    async def queue(reference: str, subscription: Subscription) -> None:
        issuer = settings.clients[subscription.client].issuer if subscription.client else ""
        await studies(reference, f"{issuer}\n{subscription.tenant}" if issuer else "")

    return queue


def _clock() -> datetime:
    return datetime.now(UTC)
