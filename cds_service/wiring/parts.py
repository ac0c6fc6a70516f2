"""Everything that lives as long as the application, made once and opened by nobody here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cds_service import telemetry, tracing
from cds_service.audit import Audit, AuditFile
from cds_service.db.gateway import Gateway
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.encryption import Cipher, load_cipher
from cds_service.errors import ConfigurationError
from cds_service.hooks.ledger import Ledger
from cds_service.hooks.replay import ReplayStore
from cds_service.imaging.viewer import Viewer
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.rules.pack import Pack, load_pack
from cds_service.services.chart import Charts
from cds_service.services.hygiene import Hygiene
from cds_service.services.showing import Showing
from cds_service.settings import Settings
from cds_service.switches import Switches
from cds_service.tracing import Tracing
from cds_service.wiring.drafting import drafts
from cds_service.wiring.outside import dicomweb_url, policy
from cds_service.wiring.viewing import viewer as viewer_of
from fhir_adapters.outbound import Outbound


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
    tracing: Tracing
    viewer: Viewer | None = None  # None where imaging is off


def parts_of(settings: Settings) -> Parts:
    """Make every part, open none: who uses one starts and closes it. ConfigurationError where the settings cannot hold."""
    settings.check()
    metrics = Metrics()
    telemetry.configure(settings.mode, withheld=metrics.count)
    _make(settings.state_dir)
    zone, cipher, pack = _zone(settings), load_cipher(settings), load_pack(settings.site_rules)
    gateway = Gateway(settings.database, settings.state_dir, count=metrics.rows, keep_days=settings.keep_days)
    if settings.audit_file is not None:
        gateway.tap("audit_event", AuditFile(settings.audit_file).write)
    metrics.watch(gateway)
    metrics.watch_breaker("database", gateway.breaker)
    traces = tracing.of(settings, metrics.count)
    onward = dict.fromkeys(settings.traceparent_to, traces.headers) if traces.on else {}
    engine_door = engines.door(settings, onward.get("engines"))
    outbound = Outbound(policy(settings), added=onward.get("records"))
    hygiene, switches = Hygiene(gateway, cipher), Switches(gateway)
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
        drafts=drafts(settings, DraftStore(gateway, cipher), cipher, outbound, audit, pack, metrics.count),
        switches=switches,
        replay=ReplayStore(gateway, cipher, window_s=settings.retry_window_s, count=metrics.count),
        ledger=Ledger(gateway, cipher, hygiene, pack=pack.hash, count=metrics.count),
        outbound=outbound,
        charts=Charts(outbound, pack, switches, units=settings.units, zone=zone, tracing=traces, count=metrics.count),
        showing=Showing(hygiene, pack.override_reasons, zone),
        engines=engines.build(settings, engine_door, metrics, traces),
        engine_door=engine_door,
        tracing=traces,
        viewer=viewer_of(settings, outbound, dicomweb_url(settings)) if settings.imaging else None,
    )


def _make(state_dir: Path) -> None:
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ConfigurationError(f"CDS_STATE_DIR {state_dir} cannot be made: {fault.strerror}") from None
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise ConfigurationError(f"CDS_STATE_DIR {state_dir} cannot be written to by the service's user")


def _zone(settings: Settings) -> ZoneInfo:
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(
            f"CDS_TIMEZONE '{settings.timezone}' is not an IANA zone; write one like Europe/Berlin"
        ) from None
