"""``medgemma-cds demo``: the service and the EHR simulator, a patient-view and an order-sign over HTTP, their cards."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from rich.console import Console

from cds_service.app import create_app
from cds_service.call import Ask
from cds_service.calling import Caller
from cds_service.errors import ConfigurationError
from cds_service.serve import server
from cds_service.settings import Settings
from cds_service.settings import load as load_settings
from cds_service.terminal import print_cards, print_outcome
from cds_service.web.simulator.patients import load_patients

HOST = "127.0.0.1"
SHOWN = (("patient-view", "demo-sepsis"), ("order-sign", "demo-aki-contrast"))
START_S = 20.0


async def run(*, once: bool, port: int) -> int:
    """Exit code 0 only if both hooks brought cards."""
    console = Console()
    if once:
        with TemporaryDirectory(prefix="medgemma-cds-") as state:
            async with embedded(Path(state)) as url:
                return 0 if await _fire(url, console) else 1
    settings = load_settings(mode="demo", public_url=f"http://{HOST}:{port}", imaging=True)
    async with _running(settings, port) as serving:
        cards = await _fire(settings.public_url, console)
        _say_where(settings.public_url, console)
        await serving
    return 0 if cards else 1


@asynccontextmanager
async def embedded(state_dir: Path) -> AsyncIterator[str]:
    """A demo service on a free port for as long as the context lasts; its URL."""
    port = _free_port()
    url = f"http://{HOST}:{port}"
    async with _running(load_settings(mode="demo", public_url=url, imaging=True, state_dir=state_dir), port):
        yield url


@asynccontextmanager
async def _running(settings: Settings, port: int) -> AsyncIterator[asyncio.Task[None]]:
    running = server(create_app(settings), HOST, port)
    serving = asyncio.create_task(running.serve())
    try:
        await _started(running, serving, port)
        yield serving
    finally:
        running.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def _started(running: uvicorn.Server, serving: asyncio.Task[None], port: int) -> None:
    async with asyncio.timeout(START_S):
        while not running.started:
            if serving.done():
                raise ConfigurationError(f"the service did not start: is port {port} in use? Choose one with PORT=")
            await asyncio.sleep(0.01)


async def _fire(base: str, console: Console) -> bool:
    """Both hooks over HTTP, as an EHR would."""
    patients = {patient.id: patient for patient in load_patients(datetime.now(UTC))}
    every = True
    async with Caller(base) as caller:
        for hook, patient in SHOWN:
            ask = Ask(
                hook=hook,
                patient=patient,
                fhir_server=f"{base}/simulator/fhir",
                draft_orders=patients[patient].draft_orders if hook == "order-sign" else None,
            )
            status, body = await caller.call(ask)
            if status == 200:
                print_cards(body, console, title=f"{hook} · {patients[patient].title}")
            else:
                print_outcome(status, body, console)
            every = every and status == 200 and bool(body.get("cards"))
    return every


def _say_where(base: str, console: Console) -> None:
    console.print()
    console.print("The service is up; stop it with Ctrl-C.", style="bold")
    for what, where in (
        ("Patients to try", f"{base}/simulator/"),
        ("CDS services", f"{base}/cds-services"),
        ("FHIR server", f"{base}/simulator/fhir"),
        ("Interface", f"{base}/docs"),
    ):
        console.print(f"  {what:<16}{where}", highlight=False)
    console.print(
        f"  {'From here':<16}medgemma-cds call patient-view --patient demo-dirty --fhir {base}/simulator/fhir",
        highlight=False,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
