"""``medgemma-cds doctor``: looks at everything the service depends on and says what to do about each fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from shutil import disk_usage
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import text

from cds_service import tracing
from cds_service.commands import doctor_clients as clients
from cds_service.commands import doctor_servers as servers
from cds_service.commands.doctor_servers import PATIENCE_S, Check
from cds_service.commands.loading import settled
from cds_service.db.gateway import Gateway
from cds_service.db.spool import LIMIT_BYTES
from cds_service.encryption import load_cipher
from cds_service.errors import CdsError
from cds_service.hooks.clients import profiles
from cds_service.imaging import checking
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.families.variants import variant
from cds_service.models.prompting import templates
from cds_service.models.standing import Standing
from cds_service.rules.pack import load_pack
from cds_service.settings import Settings
from cds_service.wiring.outside import policy
from fhir_adapters.addresses import origin_of
from fhir_adapters.outbound import Outbound

__all__ = ["Check", "checks_of", "run"]
STYLE = {"ok": "green", "note": "yellow", "fault": "bold red"}


async def run(settings: Settings) -> int:
    """Print every check; 0 when there is no fault."""
    checks = [check async for check in checks_of(settings)]
    table = Table(title=f"medgemma-cds doctor · mode {settings.mode}", title_justify="left")
    for column in ("what", "state", "says"):
        table.add_column(column)
    for check in checks:
        table.add_row(Text(check.what), Text(check.state, style=STYLE[check.state]), Text(check.say))  # never as markup
    Console().print(table)
    return int(any(check.state == "fault" for check in checks))


async def checks_of(settings: Settings) -> AsyncIterator[Check]:
    """Configuration first, then what needs a connection."""
    for look in (
        _mode, _public_address, _time_zone, _state_folder, _encryption_key, _rule_pack, _prompts, _client_profiles,
        clients.client_keys, clients.browser_origins, _engines, _drafts, _structured_reports,
    ):  # fmt: skip
        yield _guarded(look, settings)
    async for check in _engine_checks(settings):
        yield check
    yield await _waited("database", _database(settings))
    addresses = _guarded(_addresses, settings)
    yield addresses
    if addresses.state == "ok":
        for asked in (servers.checks_of, clients.checks_of):
            async for check in asked(settings):
                yield check
        if settings.imaging:
            async for check in _imaging(settings):
                yield check
    yield await _waited("traces", _traces(settings))


def _guarded(look: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return look(settings)
    except CdsError as fault:
        return Check(look.__name__.strip("_").replace("_", " "), "fault", fault.message)


async def _waited(what: str, check: Awaitable[Check]) -> Check:
    try:
        return await check
    except CdsError as fault:
        return Check(what, "fault", fault.message)


def _mode(settings: Settings) -> Check:
    settings.check()
    if settings.mode == "production":
        return Check("mode", "ok", f"production; trusted: {', '.join(sorted(settings.clients))}")
    return Check("mode", "note", f"{settings.mode}: unauthenticated clients and any browser origin are accepted")


def _public_address(settings: Settings) -> Check:
    """A token's aud is compared with it: what clients call must be what is written there."""
    if settings.mode == "production" and not settings.public_url.startswith("https://"):
        say = f"{settings.public_url}: set CDS_PUBLIC_URL to the https address that clients call, else their tokens are refused"
        return Check("public address", "fault", say)
    return Check("public address", "ok", settings.public_url)


def _time_zone(settings: Settings) -> Check:
    try:
        ZoneInfo(settings.timezone)
    except (KeyError, ValueError):
        return Check("time zone", "fault", f"'{settings.timezone}' is unknown: set CDS_TIMEZONE to an IANA zone")
    return Check("time zone", "ok", settings.timezone)


def _state_folder(settings: Settings) -> Check:
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        free = disk_usage(settings.state_dir).free
        probe = settings.state_dir / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as fault:
        return Check(
            "state folder", "fault", f"{settings.state_dir}: {fault.strerror}; set CDS_STATE_DIR to a writable one"
        )
    if free < LIMIT_BYTES:
        say = f"{free // 2**20} MiB free: the audit trail of a database that is down would be lost; make room"
        return Check("state folder", "fault", f"{settings.state_dir}: {say}")
    return Check("state folder", "ok", str(settings.state_dir))


def _encryption_key(settings: Settings) -> Check:
    load_cipher(settings)
    given = bool(settings.encryption_key.get_secret_value())
    return Check("encryption key", "ok", "from CDS_ENCRYPTION_KEY" if given else "made in the state folder; back it up")


def _rule_pack(settings: Settings) -> Check:
    pack = load_pack(settings.site_rules)
    if settings.site_rules is None:
        return Check(
            "rule pack", "note", f"{len(pack.rules)} rules as shipped; have a clinician sign yours (CDS_SITE_RULES)"
        )
    return Check("rule pack", "ok", f"{len(pack.rules)} rules with {settings.site_rules}, {pack.hash[:19]}")


def _prompts(_settings: Settings) -> Check:
    return Check(
        "prompts", "ok", ", ".join(f"{prompt.name}@{prompt.version}" for prompt in templates.load().by_name.values())
    )


def _client_profiles(settings: Settings) -> Check:
    known = profiles.choose(settings.clients)
    return Check("client profiles", "ok", f"{', '.join(sorted(known.named))}")


def _engines(settings: Settings) -> Check:
    image = settings.image_engine if settings.imaging else "imaging is off"
    return Check("engines", "ok", f"text: {settings.text_engine}; images: {image}")


def _drafts(settings: Settings) -> Check:
    if settings.file_unreviewed_drafts:
        say = "partial reports are written before a person has looked; CDS_FILE_UNREVIEWED_DRAFTS=false stops that"
        return Check("drafts", "note", say)
    if settings.mode == "production" and not settings.write_fhir_url:
        return Check("drafts", "note", "taken drafts are written nowhere; set CDS_WRITE_FHIR_URL")
    return Check("drafts", "ok", "nothing is written to the record before a person takes it")


def _structured_reports(settings: Settings) -> Check:
    if not settings.structured_reports:
        return Check("structured reports", "ok", "none are stored in the archive")
    if not settings.dicomweb_url:
        return Check("structured reports", "fault", "there is no archive to store them in: set CDS_DICOMWEB_URL")
    return Check("structured reports", "ok", f"of accepted drafts, stored at {origin_of(settings.dicomweb_url)}")


def _addresses(settings: Settings) -> Check:
    allowed = sorted(str(origin) for origin in policy(settings).operator)
    return Check("addresses", "ok", f"may be called, by the settings: {', '.join(allowed) or 'none'}")


async def _engine_checks(settings: Settings) -> AsyncIterator[Check]:
    """Each engine of the settings, probed once as the service would."""
    try:
        door = engines.door(settings)
        built = engines.build(settings, door, Metrics())
    except CdsError as fault:
        yield Check("engine settings", "fault", fault.message)
        return
    async with door:
        try:
            for standing in filter(None, (built.text, built.image)):
                yield await _engine(standing)
        finally:
            await built.aclose()


async def _engine(standing: Standing) -> Check:
    """How it stands; of a model for text also why it should not answer over records, where its makers' figures say so."""
    what, here = f"{standing.name} engine", standing.engine.identity.engine == "in-process"
    state = await (settled(standing) if here else standing.look())  # a model of this process loads for doctor alone
    identity = standing.engine.identity
    if state != "ready":
        return Check(what, "note" if state == "loading" else "fault", f"{state}: {standing.why}")
    known = variant(identity.model)
    warning = known.record_warning if known is not None and standing.name == "text" else ""
    if warning:
        return Check(what, "note", f"{identity.label} is ready, but {warning}")
    context = standing.engine.capabilities.context_tokens
    return Check(what, "ok", f"{identity.label} is ready" + (f", context {context:,} tokens" if context else ""))


async def _database(settings: Settings) -> Check:
    gateway = Gateway(settings.database, settings.state_dir)
    await gateway.start()
    try:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        await gateway.run(lambda connection: connection.execute(text("SELECT 1")).scalar(), deadline=deadline)
    finally:
        await gateway.close()
    return Check("database", "ok", gateway.engine.url.render_as_string(hide_password=True))


async def _imaging(settings: Settings) -> AsyncIterator[Check]:
    """The decode workers, and the archive that images come from."""
    well, say = await checking.decoders(settings)
    yield Check("image decoders", "ok" if well else "fault", say)
    base = settings.dicomweb_url
    if not base:
        yield Check("image archive", "note", "none is configured, so no image is read: set CDS_DICOMWEB_URL")
        return
    async with Outbound(policy(settings)) as outbound:
        well, say = await checking.archive(outbound, base, settings.dicomweb_authorization.get_secret_value())
    yield Check("image archive", "ok" if well else "fault", say)


async def _traces(settings: Settings) -> Check:
    """Whether the collector takes a connection; what it does with spans is between it and the SDK."""
    collector = tracing.collector(settings)
    if collector is None:
        return Check("traces", "ok", "none are sent; CDS_OTLP_ENDPOINT would name a collector")
    if not tracing.installed():
        return Check("traces", "fault", "none are sent: pip install 'medgemma-cds[otel]'")
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(collector.host, collector.port)
    except (OSError, TimeoutError) as fault:
        say = f"nobody answers at {collector} ({type(fault).__name__}): spans are lost, calls are not; check CDS_OTLP_ENDPOINT"
        return Check("traces", "fault", say)
    writer.close()
    return Check("traces", "ok", f"sent to {collector}, which answers")
