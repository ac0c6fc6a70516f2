"""The composition root: Settings in, FastAPI application out. Nothing is wired anywhere else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from cds_service import __version__, telemetry
from cds_service.assessments.jobs import Jobs, Limits, Work
from cds_service.assessments.key import Keys
from cds_service.assessments.store import Store
from cds_service.assessments.task import Task
from cds_service.assessments.tasks import load_tasks
from cds_service.assessments.texts import KIND, Stands, Texts
from cds_service.audit import Audit, AuditFile
from cds_service.db.gateway import Gateway
from cds_service.db.token_ids import SharedTokenIds
from cds_service.drafts.archived import Archive
from cds_service.drafts.draft import Draft
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.sweep import Sweep
from cds_service.drafts.write_back import WriteBack
from cds_service.encryption import Cipher, load_cipher
from cds_service.errors import ConfigurationError
from cds_service.health import attach_health
from cds_service.hooks import cors
from cds_service.hooks.client_auth import ClientAuth
from cds_service.hooks.ledger import Ledger
from cds_service.hooks.ports import House
from cds_service.hooks.replay import ReplayStore
from cds_service.hooks.router import attach_router
from cds_service.imaging.assembly import work_of
from cds_service.imaging.viewer import Viewer
from cds_service.imaging.wiring import viewer as viewer_of
from cds_service.imaging.work import KIND as IMAGE
from cds_service.imaging.work import ImageReads
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Engine
from cds_service.models.prompting import templates
from cds_service.models.standing import Standing
from cds_service.models.summarise import Summariser
from cds_service.rules.pack import Pack, load_pack
from cds_service.services.assessed import Assessed
from cds_service.services.chart import Charts
from cds_service.services.encounter_brief import EncounterBrief
from cds_service.services.hygiene import Hygiene
from cds_service.services.imaging_read import ImagingRead
from cds_service.services.new_studies import NewStudies
from cds_service.services.order_precheck import OrderPrecheck
from cds_service.services.order_triage import OrderTriage
from cds_service.services.patient_summary import PatientSummary
from cds_service.services.service import Service
from cds_service.services.showing import Showing
from cds_service.settings import Settings, Subscription
from cds_service.switches import Switches
from cds_service.web.keys import attach_keys, signing_key
from cds_service.web.review.router import Review, attach_review
from cds_service.web.subscriptions import OnStudy, Subscriptions, attach_subscriptions
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.backend import BackendServices
from fhir_adapters.client import FhirClient
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.errors import FhirError
from fhir_adapters.outbound import Outbound

START_S = 20.0  # most the stores may take to open


class Assessments(NamedTuple):
    """A model's results as services see them, and the jobs behind them."""

    jobs: Jobs
    texts: Texts | None = None  # None for the extractive engine
    reads: ImageReads | None = None  # None without an image engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that lives as long as the application, made once. Later rooms take what they need of it from here."""

    settings: Settings
    zone: ZoneInfo
    metrics: Metrics
    cipher: Cipher
    pack: Pack
    gateway: Gateway
    hygiene: Hygiene
    audit: Audit
    switches: Switches
    replay: ReplayStore
    ledger: Ledger
    outbound: Outbound
    charts: Charts
    showing: Showing
    drafts: Drafts
    engines: engines.Engines
    engine_door: Outbound  # of engines alone: no request may name their origins
    viewer: Viewer | None = None  # None where imaging is off
    assessments: Assessments | None = None  # None where no engine runs a model


def create_app(settings: Settings, text: Stands | None = None) -> FastAPI:
    """Check, compose, return. Stores are opened when the application starts and drained when it stops."""
    settings.check()
    parts = _parts(settings)
    stands = text or parts.engines.text
    image = parts.engines.image.engine if settings.imaging and parts.engines.image is not None else None
    if stands is not None or image is not None:
        parts = replace(parts, assessments=_assessments(parts, stands, image))
    app = FastAPI(
        title="MedGemma CDS",
        version=__version__,
        summary="A CDS Hooks 2.0.1 service: rules first, checked statements, cited cards.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(parts),
        docs_url=None if settings.mode == "production" else "/docs",
        redoc_url=None,
    )
    app.add_middleware(CORSMiddleware, **cors.options(settings))
    attach_router(app, _house(parts))
    attach_health(app, parts.gateway, parts.pack, parts.metrics)
    attach_review(app, Review(parts.drafts, parts.cipher, settings.mode, parts.viewer))
    attach_keys(app, signing_key(settings))
    attach_subscriptions(app, Subscriptions(settings.subscriptions, _on_study(parts)))
    if settings.mode != "production":
        from cds_service.web.simulator.router import attach_simulator

        attach_simulator(app, base_url=settings.public_url, clock=_clock, folder=settings.state_dir / "simulator")
    return app


def parts_of(settings: Settings) -> Parts:
    """The same parts for a command that serves nothing. Whoever asks opens and closes what they use."""
    settings.check()
    return _parts(settings)


def _parts(settings: Settings) -> Parts:
    """Make every part, open none."""
    metrics = Metrics()
    telemetry.configure(settings.mode, withheld=metrics.count)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    zone, cipher, pack = _zone(settings), load_cipher(settings), load_pack(settings.site_rules)
    gateway = Gateway(settings.database, settings.state_dir, count=metrics.rows, keep_days=settings.keep_days)
    if settings.audit_file is not None:
        gateway.tap("audit_event", AuditFile(settings.audit_file).write)
    metrics.watch(gateway)
    metrics.watch_breaker("database", gateway.breaker)
    engine_door = engines.door(settings)
    hygiene, switches, outbound = Hygiene(gateway, cipher), Switches(gateway), Outbound(_policy(settings))
    audit = Audit(gateway, cipher, pack=pack.hash, withheld=metrics.count)
    return Parts(
        settings=settings,
        zone=zone,
        metrics=metrics,
        cipher=cipher,
        pack=pack,
        gateway=gateway,
        hygiene=hygiene,
        audit=audit,
        drafts=_drafts(settings, DraftStore(gateway, cipher), cipher, outbound, audit, pack, metrics.count),
        switches=switches,
        replay=ReplayStore(gateway, cipher, window_s=settings.retry_window_s, count=metrics.count),
        ledger=Ledger(gateway, cipher, hygiene, pack=pack.hash, count=metrics.count),
        outbound=outbound,
        charts=Charts(outbound, pack, switches, units=settings.units),
        showing=Showing(hygiene, pack.override_reasons, zone),
        engines=engines.build(settings, engine_door, metrics),
        engine_door=engine_door,
        viewer=viewer_of(settings, outbound, _dicomweb(settings)) if settings.imaging else None,
    )


def _lifespan(parts: Parts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            deadline = asyncio.get_running_loop().time() + START_S
            await parts.gateway.start()
            closing.push_async_callback(parts.gateway.close)
            closing.push_async_callback(parts.outbound.aclose)
            closing.push_async_callback(parts.engine_door.aclose)
            closing.push_async_callback(parts.engines.aclose)
            closing.push_async_callback(parts.ledger.close)
            closing.push_async_callback(parts.switches.close)
            if parts.viewer is not None:
                closing.push_async_callback(parts.viewer.aclose)
            if parts.assessments is not None:
                closing.push_async_callback(parts.assessments.jobs.close)
            await asyncio.gather(
                parts.replay.load(deadline),
                parts.hygiene.start(deadline),
                parts.switches.start(deadline),
                parts.engines.start(),
            )
            if parts.assessments is not None:
                parts.assessments.jobs.start()
            sweep = Sweep(parts.drafts, told=parts.metrics.drafts_kept, count=parts.metrics.count)
            sweep.start()
            closing.push_async_callback(sweep.aclose)
            yield

    return lifespan


def _house(parts: Parts) -> House:
    """What the CDS Hooks routes need."""
    token_ids = SharedTokenIds(parts.gateway, parts.cipher) if parts.gateway.shared else None
    return House(
        settings=parts.settings,
        services={s.id: s for s in _services(parts)},
        clients=ClientAuth(parts.settings, _fetch_json(parts.outbound), shared=token_ids),
        replay=parts.replay,
        ledger=parts.ledger,
        audit=parts.audit,
        metrics=parts.metrics,
        switches=parts.switches,
        clock=_clock,
    )


def _services(parts: Parts) -> list[Service]:
    """The menu, in the order of the discovery document. ``imaging-read`` only where imaging is on (DESIGN §4)."""
    charts, showing, settings = parts.charts, parts.showing, parts.settings
    made = parts.assessments
    assessed = _assessed(parts)
    menu: list[Service] = [
        PatientSummary(charts, showing, Summariser(templates.load()), assessed),
        OrderPrecheck(charts, showing, assessed),
        OrderTriage(charts, showing, assessed),
        EncounterBrief(charts, showing),
    ]
    if settings.imaging:
        menu.append(ImagingRead(charts, showing, settings, made.reads if made else None, lambda: parts.switches.ai))
    return menu


def _assessed(parts: Parts) -> Assessed | None:
    """A model's texts as services ask for them; None where no model words any."""
    made = parts.assessments
    if made is None or made.texts is None:
        return None
    return Assessed(made.texts, parts.zone, labels=parts.settings.triage_label == "on")


def _assessments(parts: Parts, text: Stands | None, image: Engine | None) -> Assessments:
    """What keeps and makes a model's results. dbos is imported when the jobs start, in the background."""
    settings, gateway, count = parts.settings, parts.gateway, parts.metrics.count
    store, prompts = Store(parts.cipher, ttl_s=settings.assessment_ttl_s, count=count), templates.load()
    tasks = load_tasks(prompts)
    works: dict[str, Work] = {}
    viewer, texts, reader = parts.viewer, None, None
    if text is not None:
        texts = Texts(text, tasks, store, Keys(parts.cipher), parts.switches, lambda: parts.charts.pack)
        works[KIND] = texts.make
    if image is not None and viewer is not None:
        reader, works[IMAGE] = work_of(
            viewer, prompts, image, parts.drafts, count=count,
            security=lambda code: parts.audit.write("images refused", outcome="refused", notes=[code]),
        )  # fmt: skip
    jobs = Jobs(
        gateway,
        store,
        works,
        url=settings.database if gateway.shared else f"sqlite:///{settings.state_dir / 'jobs.sqlite3'}",
        limits=Limits(slots=settings.job_slots, depth=settings.job_depth, age_s=settings.job_age_s),
        count=count,
        ended=lambda _key, task, state, reason: parts.audit.write(
            "assessment", state=state, notes=[task, reason], **_made_by(task, tasks, text, image)
        ),
    )
    if texts is not None:
        texts.use(jobs)
    reads = (
        ImageReads(parts.cipher, store, jobs, parts.drafts, reader, image, lambda: _not_ready(parts.engines.image))
        if reader and image
        else None
    )
    return Assessments(jobs=jobs, texts=texts, reads=reads)


def _made_by(job: str, tasks: Mapping[str, Task], text: Stands | None, image: Engine | None) -> dict[str, Any]:
    """The prompt and the engine of a job, for its audit line."""
    task = tasks.get(job.partition(":")[2])
    engine = text.engine if task is not None and text is not None else image
    prompts = [task.label] if task is not None else []
    return {"prompts": prompts, "engines": [engine.identity.label] if engine is not None else []}


def _not_ready(standing: Standing | None) -> str:
    """Why an engine cannot be asked yet, '' when it can."""
    if standing is None or standing.state == "ready":
        return ""
    return f"the image model is {standing.state}"


def _dicomweb(settings: Settings) -> str:
    """The archive of the settings; in demo and sandbox the simulator's where none is named."""
    simulated = "" if settings.mode == "production" else f"{settings.public_url.rstrip('/')}/simulator/dicomweb"
    return settings.dicomweb_url or simulated


def _drafts(
    settings: Settings,
    store: DraftStore,
    cipher: Cipher,
    outbound: Outbound,
    audit: Audit,
    pack: Pack,
    count: Callable[[str], None],
) -> Drafts:
    """Drafts, written to the server of the settings; in demo and sandbox to the simulator."""
    record = record_access(settings, outbound)

    def audited(event: str, draft: Draft) -> None:
        by = draft.person.reference if draft.person else ""
        audit.write(
            event,
            client=draft.tenant.partition("\n")[0],
            patient=draft.patient,
            user=by,
            state=draft.filed or draft.state,
        )

    configuration = {"software": __version__, "rule-pack": pack.hash}
    return Drafts(
        store,
        cipher,
        WriteBack(record.connect, configuration, spend=record.spend),
        file_unreviewed=settings.file_unreviewed_drafts,
        archive=_archive(settings, outbound),
        count=count,
        audit=audited,
    )


def _archive(settings: Settings, outbound: Outbound) -> Archive | None:
    """Where DICOM SRs of accepted drafts go; None where none are wanted."""
    if not settings.structured_reports:
        return None
    if not settings.dicomweb_url:
        raise ConfigurationError("CDS_STRUCTURED_REPORTS needs an archive to store them in: set CDS_DICOMWEB_URL")
    authorization = settings.dicomweb_authorization.get_secret_value()
    return Archive(DicomWeb(outbound, settings.dicomweb_url, authorization))


class Record(NamedTuple):
    """Our own access to the FHIR server: ``connect`` until a deadline, ``spend`` a token it no longer takes."""

    connect: Callable[[float], Awaitable[FhirClient]] | None  # None where there is no server
    spend: Callable[[], None] | None  # None where no token is asked for


def record_access(settings: Settings, outbound: Outbound) -> Record:
    """The FHIR server of our own access: of the settings, in demo and sandbox the simulator; None where there is none."""
    simulated = "" if settings.mode == "production" else f"{settings.public_url.rstrip('/')}/simulator/fhir"
    base = settings.write_fhir_url or simulated
    backend = _backend(settings, outbound, base)

    async def connect(deadline: float) -> FhirClient:
        return FhirClient(outbound, base, await backend.bearer(deadline=deadline) if backend else None)

    return Record(connect if base else None, backend.spend if backend else None)


def _backend(settings: Settings, outbound: Outbound, base: str) -> BackendServices | None:
    """Our own credentials at the FHIR server drafts go to; None where no client id is set."""
    if not settings.fhir_client_id:
        return None
    key = signing_key(settings)
    if key is None:
        raise ConfigurationError("CDS_FHIR_CLIENT_ID needs a key to sign with: set CDS_SIGNING_KEY_FILE")
    token_url, scope = settings.fhir_token_url, settings.fhir_scope
    return BackendServices(outbound, base, client_id=settings.fhir_client_id, key=key, token_url=token_url, scope=scope)


def _on_study(parts: Parts) -> OnStudy:
    """What a notified study leads to: the read a hook call of that client would ask for."""
    settings, made = parts.settings, parts.assessments
    for own_id, known in settings.subscriptions.items():
        if known.client and known.client not in settings.clients:
            raise ConfigurationError(
                f"[subscriptions.{own_id}] names the client '{known.client}', which [clients] lacks"
            )
    connect = record_access(settings, parts.outbound).connect
    studies = NewStudies(connect, made.reads if made else None, _clock, lambda: parts.switches.ai)

    async def queue(reference: str, subscription: Subscription) -> None:
        issuer = settings.clients[subscription.client].issuer if subscription.client else ""
        await studies(reference, f"{issuer}\n{subscription.tenant}" if issuer else "")

    return queue


def _policy(settings: Settings) -> Policy:
    """What the operator wrote may be http or private; a client's own FHIR origins get the full policy (DESIGN §5.8)."""
    operator = [
        *settings.fhir_allow,
        *filter(None, [settings.write_fhir_url, settings.dicomweb_url]),
        *(c.jwks_url for c in settings.clients.values() if c.jwks_url),
    ]
    if settings.mode != "production":
        operator.append(settings.public_url)  # the simulator
    clients = [origin for client in settings.clients.values() for origin in client.fhir_origins]
    return Policy(
        operator=[entry if "*" in entry else str(origin_of(entry)) for entry in operator],
        request=[str(origin_of(entry)) for entry in clients],
    )


def _fetch_json(outbound: Outbound) -> Callable[[str, float], Awaitable[object | None]]:
    async def fetch(url: str, deadline: float) -> object | None:
        try:
            reply = await outbound.request("GET", url, deadline=deadline, headers={"Accept": "application/json"})
            return msgspec.json.decode(reply.body) if reply.status == 200 else None
        except (FhirError, msgspec.DecodeError):
            return None

    return fetch


def _zone(settings: Settings) -> ZoneInfo:
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(
            f"CDS_TIMEZONE '{settings.timezone}' is not an IANA zone; write one like Europe/Berlin"
        ) from None


def _clock() -> datetime:
    return datetime.now(UTC)


def heavy_modules() -> list[str]:
    """Modules that must never be loaded into the web process; a test reads this from a running service."""
    return sorted({"torch", "numpy", "pydicom", "gdcm", "alembic", "transformers"} & set(sys.modules))
