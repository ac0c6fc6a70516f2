"""The command ``medgemma-cds``. Each command imports the rooms it needs, so that all start at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from cds_service.commands.calc import calc
from cds_service.errors import CdsError
from cds_service.rules.catalogue import Switch

app = typer.Typer(
    name="medgemma-cds",
    help="CDS Hooks service that answers an electronic health record with checked, cited cards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

rules = typer.Typer(help="List, switch and report the rules.", no_args_is_help=True, rich_markup_mode=None)
services = typer.Typer(help="List and switch the CDS services.", no_args_is_help=True, rich_markup_mode=None)

Config = Annotated[Path | None, typer.Option(help="TOML file with settings; the environment (CDS_…) wins over it.")]
PORTS = 65535
State = Annotated[Switch, typer.Argument(help="What it becomes.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(fault: CdsError | OSError) -> typer.Exit:
    """One clear line on stderr, exit code 1."""
    message = str(fault)
    if isinstance(fault, OSError) and fault.filename and fault.strerror:
        message = f"{fault.filename}: {fault.strerror}"  # without its number
    typer.secho(f"medgemma-cds: {message}", fg="red", err=True)
    return typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=PORTS)] = 8000,
    config: Config = None,
) -> None:
    """Run the service."""
    from cds_service.serve import run
    from cds_service.settings_loading import load

    try:
        run(load(config), host, port)
    except CdsError as error:
        raise fail(error) from None


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after printing; exit 0 only if cards came.")] = False,
    port: Annotated[
        int, typer.Option(help="Port to listen on; with --once a free one is picked.", min=1, max=PORTS)
    ] = 8000,
    model: Annotated[
        str, typer.Option(help="ollama/MODEL, llama-server/MODEL, lmstudio/MODEL or BASE_URL#MODEL drafts too.")
    ] = "",
) -> None:
    """Run the service with an EHR simulator and print some cards.

    Three calls for demo patients: a chart is opened, an order signed, a radiograph looked for. Then it stays up.
    """
    from cds_service.commands.demo import run

    try:
        raise typer.Exit(asyncio.run(run(once=once, port=port, model=model)))
    except CdsError as error:
        raise fail(error) from None


@app.command()
def call(
    hook: Annotated[str, typer.Argument(help="patient-view, order-select, order-sign or encounter-start.")],
    patient: Annotated[str, typer.Option(help="Patient id.")],
    fhir: Annotated[str, typer.Option(help="FHIR server the prefetch is read from and the service may ask.")] = "",
    service: Annotated[str, typer.Option(help="Service id, where several serve the hook.")] = "",
    service_url: Annotated[
        str, typer.Option(help="Base URL of the service; without it one is started for the call if none runs.")
    ] = "",
    encounter: Annotated[str, typer.Option(help="Encounter id of the context.")] = "",
    user: Annotated[str, typer.Option(help="User reference of the context.")] = "",
    orders: Annotated[Path | None, typer.Option(help="FHIR JSON file: a Bundle, one order or a list.")] = None,
    select: Annotated[str, typer.Option(help="Comma list of selected orders (order-select).")] = "",
    bundle: Annotated[Path | None, typer.Option(help="Bundle file the prefetch is read from.")] = None,
    no_prefetch: Annotated[
        bool, typer.Option("--no-prefetch", help="Send no prefetch: the service must fetch.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the response body unchanged.")] = False,
) -> None:
    """Act as a CDS client: build a request, send it, print the cards."""
    from cds_service.commands.call import DEFAULT_USER, Ask
    from cds_service.commands.calling import run

    ask = Ask(
        hook=hook,
        patient=patient.removeprefix("Patient/"),
        service=service,
        encounter=encounter.removeprefix("Encounter/"),
        orders=orders,
        select=tuple(part.strip() for part in select.split(",") if part.strip()),
        fhir_server=fhir.rstrip("/"),
        user=user or DEFAULT_USER,
    )
    try:
        code = asyncio.run(run(ask, service_url=service_url, bundle=bundle, prefetch=not no_prefetch, as_json=as_json))
    except (CdsError, OSError) as error:
        raise fail(error) from None
    raise typer.Exit(code)


@app.command()
def doctor(config: Config = None) -> None:
    """Check the settings and all they name; say what to mend.

    Keys, rule pack, prompts, engines, database, FHIR servers, image archive, collector of traces. Exit code 1 with a fault.
    """
    from cds_service.commands.doctor import run
    from cds_service.settings_loading import load

    try:
        raise typer.Exit(asyncio.run(run(load(config))))
    except CdsError as error:
        raise fail(error) from None


@app.command()
def image(
    source: Annotated[str, typer.Argument(help="DICOM file, folder of one series, or DICOMweb URL of an instance.")],
    frame: Annotated[int | None, typer.Option(help="Frame of a multi-frame object, counted from 1.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the picture is written; of a volume NAME-1, NAME-2 …")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what the image model would see of a DICOM object.

    Exactly that picture, with every step taken. Exit code 3 when it is refused.
    """
    from cds_service.commands.image import run
    from cds_service.settings_loading import load

    try:
        raise typer.Exit(asyncio.run(run(load(config), source, frame=frame, out=out, as_json=as_json)))
    except (CdsError, OSError) as error:
        raise fail(error) from None


@app.command()
def read(
    study: Annotated[str, typer.Option(help="Study Instance UID on the DICOMweb server of the settings.")] = "",
    file: Annotated[Path | None, typer.Option(help="DICOM file, or folder with the files of one series.")] = None,
    ask: Annotated[str, typer.Option(help="A question about the image in place of the read.")] = "",
    patient: Annotated[
        str, typer.Option(help="Id of the patient the images must be of, compared with the record.")
    ] = "",
    draft: Annotated[bool, typer.Option("--draft", help="Keep the read as a draft for review.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Also file the draft, unreviewed, as partial.")] = False,
    client: Annotated[str, typer.Option(help="The [clients.NAME] whose hook calls see the draft.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read one study with the image model.

    Prints the read; --draft keeps it. Exit code 3 when no read is made.
    """
    from cds_service.commands.read import Asked, run
    from cds_service.settings_loading import load

    asked = Asked(study=study, file=file, ask=ask, patient=patient, draft=draft or write, write=write, client=client)
    try:
        raise typer.Exit(asyncio.run(run(load(config), asked, as_json=as_json)))
    except (CdsError, OSError) as error:
        raise fail(error) from None


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know of this record.")],
    patient: Annotated[str, typer.Option(help="Patient id.")],
    fhir: Annotated[str, typer.Option(help="FHIR server the record is read from; else the demo's simulator.")] = "",
    bundle: Annotated[Path | None, typer.Option(help="Bundle file the record is read from.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from one record with the text model.

    Each statement is checked. Exit code 3 when the answer is discarded.
    """
    from cds_service.commands.ask import run
    from cds_service.settings_loading import load

    who, base = patient.removeprefix("Patient/"), fhir.rstrip("/")
    try:
        raise typer.Exit(asyncio.run(run(load(config), question, who, fhir=base, bundle=bundle, as_json=as_json)))
    except (CdsError, OSError) as error:
        raise fail(error) from None


@app.command(name="version")
def version() -> None:
    """Print the version."""
    from cds_service import __version__

    sys.stdout.write(f"medgemma-cds {__version__}\n")


@rules.command("list")
def list_rules(config: Config = None, as_json: AsJson = False) -> None:
    """Every rule of the pack with its version, severity and switch."""
    _operate("list_rules", config, as_json)


@rules.command("set")
def set_rule(
    rule: Annotated[str, typer.Argument(help="Its id, as `rules list` prints it.")], state: State, config: Config = None
) -> None:
    """Switch a rule off, to shadow or on. In shadow it is computed and audited, not shown."""
    _operate("set_rule", config, rule, state)


@rules.command("report")
def report_rules(
    days: Annotated[int, typer.Option(help="How far back.")] = 30, config: Config = None, as_json: AsJson = False
) -> None:
    """What became of each rule's cards. Fired, accepted, overridden, reasons."""
    _operate("report_rules", config, days, as_json)


@services.command("list")
def list_services(config: Config = None, as_json: AsJson = False) -> None:
    """Every service with its switch."""
    _operate("list_services", config, as_json)


@services.command("set")
def set_service(
    service: Annotated[str, typer.Argument(help="Its id, as `services list` prints it.")],
    state: State,
    config: Config = None,
) -> None:
    """Switch a service off, to shadow or on. Off answers 404; in shadow it is computed and audited, without cards."""
    _operate("set_service", config, service, state)


@app.command()
def ai(state: State, config: Config = None) -> None:
    """Switch all that a model does off, to shadow or on. In shadow it is made and audited, not shown."""
    _operate("set_ai", config, state)


def _operate(name: str, config: Path | None, *arguments: object) -> None:
    from cds_service.commands import operating
    from cds_service.settings_loading import load

    try:
        getattr(operating, name)(load(config), *arguments)
    except CdsError as error:
        raise fail(error) from None


app.command(name="calc")(calc)
app.add_typer(rules, name="rules")
app.add_typer(services, name="services")
