"""``medgemma-cds read``: a read of one study or file outside a hook, printed; kept as a draft where that is asked for."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from cds_service import telemetry
from cds_service.commands.loading import ready
from cds_service.errors import ConfigurationError
from cds_service.imaging import catalogue
from cds_service.imaging.patient_check import PatientCheck
from cds_service.imaging.read import Read
from cds_service.imaging.reading import Reader
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import Viewer
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.engine import Engine
from cds_service.models.faults import EngineFault
from cds_service.models.prompting import templates
from cds_service.models.standing import Standing
from cds_service.services.imaging_read import NOTICE
from cds_service.settings import Settings
from cds_service.wiring.viewing import viewer
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.outbound import Outbound

REFUSED = 3  # exit code
FETCH_S = 120.0
STYLE = {"present": "bold yellow", "uncertain": "yellow", "absent": "dim"}


class Asked(Struct, frozen=True, kw_only=True):
    """What the command was given."""

    study: str = ""
    file: Path | None = None
    ask: str = ""
    patient: str = ""
    draft: bool = False
    write: bool = False
    client: str = ""


async def run(settings: Settings, asked: Asked, *, as_json: bool) -> int:
    """Exit code: 0, or 3 when no read is made of the images. Raises ConfigurationError."""
    _check(settings, asked)
    telemetry.configure(settings.mode)  # to standard error: what is printed is the read alone
    if not asked.patient:
        return await _alone(settings, asked, as_json)
    from cds_service.commands.read_for_record import opened

    async with opened(settings, write=asked.write) as house:
        wanted = await house.order(asked.study, asked.patient, asked.client) if asked.study else None
        whose = wanted.expected if wanted else await house.whose(asked.patient)
        if house.parts.viewer is None or house.parts.engines.image is None:
            raise ConfigurationError("no image model is configured")
        archive = await house.archive(wanted) if wanted else ""
        seen = await _see(house.parts.viewer, asked, house.check(whose), archive)
        if isinstance(seen, Refused):
            house.refused(seen.code)
        read = await _read(house.parts.engines.image, seen, asked, as_json)
        if isinstance(read, int):
            return read
        code = _print(read, as_json)
        if asked.draft and wanted is not None:
            draft, address = await house.keep(read, wanted)
            stands = f", in the record as {draft.filed} ({draft.report})" if draft.filed else ""
            sys.stderr.write(f"draft {draft.state}{stands}: {address}\n")
            if draft.fault:
                raise ConfigurationError(f"the draft is kept but was not filed: {draft.fault}")
        return code


def _check(settings: Settings, asked: Asked) -> None:
    if bool(asked.study) == (asked.file is not None):
        raise ConfigurationError("name one of --study UID and --file PATH")
    if asked.draft and (not asked.patient or not asked.study or asked.ask):
        raise ConfigurationError("a draft needs --study and --patient, and no question")
    settings.refuse_test_weights()
    if settings.image_engine == "none":
        raise ConfigurationError("no image model is configured: set CDS_IMAGE_ENGINE and CDS_IMAGE_MODEL")


async def _alone(settings: Settings, asked: Asked, as_json: bool) -> int:
    """Without a record: nothing is compared, nothing stored."""
    async with AsyncExitStack() as closing:
        door = await closing.enter_async_context(engines.door(settings))
        policy = Policy(operator=[str(origin_of(settings.dicomweb_url))] if settings.dicomweb_url else [])
        looking = viewer(settings, await closing.enter_async_context(Outbound(policy)))
        closing.push_async_callback(looking.aclose)
        seen = await _see(looking, asked, None)
        if isinstance(seen, Refused):
            return _refused(seen.reason, as_json)
        made = engines.build(settings, door, Metrics())
        closing.push_async_callback(made.aclose)
        if made.image is None:
            raise ConfigurationError("no image model is configured")
        read = await _read(made.image, seen, asked, as_json)
        return read if isinstance(read, int) else _print(read, as_json)


async def _see(looking: Viewer, asked: Asked, check: PatientCheck | None, archive: str = "") -> Seen | Refused:
    if asked.file is not None:
        return await looking.file(asked.file, patient_check=check)
    deadline = asyncio.get_running_loop().time() + FETCH_S
    return await looking.study(asked.study, patient_check=check, deadline=deadline, archive=archive)


async def _read(standing: Standing, seen: Seen | Refused, asked: Asked, as_json: bool) -> Read | int:
    """The read, or the exit code where it ends otherwise: a refusal, or a question that was answered."""
    if isinstance(seen, Refused):
        return _refused(seen.reason, as_json)
    engine, reader = await ready(standing, "the image model"), Reader(templates.load(), catalogue.load())
    try:
        if asked.ask:
            return await _answer(reader, engine, seen, asked.ask, as_json)
        read = await reader.read(engine, seen)
    except EngineFault as fault:
        raise ConfigurationError(f"the image model could not be asked: {fault.message}") from fault
    return _refused(read.refused, as_json) if read.refused else read


async def _answer(reader: Reader, engine: Engine, seen: Seen, ask: str, as_json: bool) -> int:
    reply = await reader.ask(engine, seen, ask)
    if isinstance(reply, Refused):
        return _refused(reply.reason, as_json)
    if reply.fault:
        return _refused(f"the answer was discarded: {reply.fault}", as_json)
    if as_json:
        sys.stdout.write(msgspec.json.encode(reply).decode() + "\n")
        return 0
    console = Console()
    console.print(f"{NOTICE} {engine.identity.label}, in the model's own words:", style="bold", markup=False)
    for line in filter(None, (reply.answer, reply.not_visible and f"Not visible: {reply.not_visible}")):
        console.print(line, markup=False)
    return 0


def _refused(reason: str, as_json: bool) -> int:
    sys.stdout.write(msgspec.json.encode({"refused": reason}).decode() + "\n" if as_json else f"refused: {reason}\n")
    return REFUSED


def _print(read: Read, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(msgspec.json.encode(read).decode() + "\n")
        return 0
    console = Console()
    console.print(f"{NOTICE} {read.identity.label if read.identity else ''}", style="bold", markup=False)
    table = Table("region", "finding", "state", "place")
    for finding in read.findings:
        table.add_row(finding.region, finding.name, finding.state, finding.location, style=STYLE[finding.state])
    console.print(table)
    whose = ", ".join(read.compared) or "nothing: whose images these are was not compared with a record"
    for line in (*read.impression, *read.limits, f"Agrees with the record: {whose}."):
        console.print(f"- {line}", markup=False)
    return 0
