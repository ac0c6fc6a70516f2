"""``medgemma-cds demo``: the service and the EHR simulator; three calls to it, and their cards."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from cds_service.commands import demo_model
from cds_service.commands.call import Ask
from cds_service.commands.calling import Caller
from cds_service.commands.embedded import demo_settings, free_port, running_service
from cds_service.commands.terminal import occasion, print_cards, print_outcome
from cds_service.errors import Unavailable
from cds_service.settings import Settings
from cds_service.web.simulator.patients import load_patients

SHOWN = (
    ("patient-view", "demo-sepsis", "patient-summary"),
    ("order-sign", "demo-aki-contrast", "order-triage"),
    ("patient-view", "demo-pneumonia", "imaging-read"),
)


async def run(*, once: bool, port: int, model: str = "") -> int:
    """Exit code 0 only if every call brought cards. ``model``: see ``demo_model.chosen``."""
    console = Console()
    overrides = demo_model.chosen(model).settings() if model else {}
    if once:
        with TemporaryDirectory(prefix="medgemma-cds-") as state:
            port = free_port()
            settings = demo_settings(port, state_dir=Path(state), **overrides)
            async with running_service(settings, port):
                return 0 if await _show(settings, console, model) else 1
    settings = demo_settings(port, **overrides)
    async with running_service(settings, port) as serving:
        cards = await _show(settings, console, model)
        _say_where(settings.public_url, console)
        await serving
    return 0 if cards else 1


async def _show(settings: Settings, console: Console, model: str) -> bool:
    """Every call at once; then, with a model, the chart opened again until its draft is there."""
    every = await _fire(settings.public_url, console)
    if not model:
        for found in await demo_model.running():
            _say(console, found.words, "cyan")
    elif why := await demo_model.unusable(settings):
        _say(console, f"The model is not used: {why}", "yellow")
    else:
        _say(console, f"Waiting for {settings.text_model} at {settings.text_base_url} …", "cyan")
        await _await_draft(settings, console)
    return every


async def _await_draft(settings: Settings, console: Console) -> None:
    base = settings.public_url
    ask = Ask(hook="patient-view", patient=SHOWN[0][1], fhir_server=f"{base}/simulator/fhir")
    async with Caller(base) as caller:
        body, why = await demo_model.until_drafted(lambda: _cards(caller, ask))
    print_cards(body, console, title=f"{occasion(ask.hook)} with {settings.text_model}")
    if why:
        _say(console, why, "yellow")


def _say(console: Console, words: str, style: str) -> None:
    console.print(f"\n{words}", style=style, highlight=False, markup=False)


async def _cards(caller: Caller, ask: Ask) -> dict[str, Any]:
    status, body = await caller.call(ask)
    if status != 200:
        raise Unavailable(f"patient-view answered HTTP {status}")
    return body


async def _fire(base: str, console: Console) -> bool:
    """Each call over HTTP, as an EHR would."""
    patients = {patient.id: patient for patient in load_patients(datetime.now(UTC))}
    every = True
    async with Caller(base) as caller:
        for hook, patient, service in SHOWN:
            ask = Ask(
                hook=hook,
                patient=patient,
                service=service,
                fhir_server=f"{base}/simulator/fhir",
                draft_orders=patients[patient].draft_orders if hook == "order-sign" else None,
            )
            status, body = await caller.call(ask)
            if status == 200:
                shown = patients[patient]
                print_cards(body, console, title=f"{occasion(hook)}: {shown.title} · {service}", who=shown.who)
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
        ("Draft reports", f"{base}/review/"),
        ("FHIR server", f"{base}/simulator/fhir"),
        ("Interface", f"{base}/openapi.json (shown by {base}/docs, whose scripts come from the internet)"),
        ("From a shell", f"{sys.argv[0]} call patient-view --patient demo-dirty --service-url {base}"),
    ):
        console.print(
            f"  {what:<16}{where}", highlight=False, soft_wrap=True
        )  # copied whole, however narrow the window
