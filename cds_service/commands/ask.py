"""``medgemma-cds ask``: a clinician's question over one record, answered by the text model outside a hook and printed.

The record is gathered as ``call`` gathers it. Stores nothing and writes nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Raw, Struct
from rich.console import Console

from cds_service import telemetry
from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.tasks import load_tasks
from cds_service.commands.calling import from_bundle, service_at_hand
from cds_service.commands.loading import ready
from cds_service.commands.operating import require_ai
from cds_service.errors import BadRequest, ConfigurationError, Unavailable
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.faults import EngineFault
from cds_service.models.prompting.templates import load as load_prompts
from cds_service.record import salience, wording
from cds_service.record.build import build
from cds_service.record.facts import Record
from cds_service.rules.evaluate import evaluate_record, switched_on
from cds_service.rules.pack import load_pack
from cds_service.services import templates
from cds_service.services.assessed import DRAFTED
from cds_service.services.chart import require_patient
from cds_service.services.cited import facts_of
from cds_service.services.not_seen import not_seen
from cds_service.settings import Settings
from fhir_adapters.addresses import Policy, origin_of
from fhir_adapters.client import FhirClient
from fhir_adapters.errors import UnsafeAddress
from fhir_adapters.gather import gather
from fhir_adapters.outbound import Outbound
from fhir_adapters.templates import resolve

SERVICE, TASK = "patient-summary", "question"  # the widest prefetch; the prompt
BUDGET = 120  # facts offered; the prompt's own budget of tokens may hold fewer
DISCARDED = 3  # exit code
GATHER_S = 30.0


class Cited(Struct, frozen=True):
    """A fact an answer stands on: its line as cards print it (name, value, date), and its resource."""

    fact: str
    resource: str


class Said(Struct, frozen=True):
    """One checked statement."""

    text: str
    facts: list[Cited]


class Reply(Struct, frozen=True, kw_only=True):
    """What is printed. ``statements`` empty and ``discarded`` '': the record does not say."""

    question: str
    statements: list[Said]
    dropped: Mapping[str, int]  # by reason
    discarded: str
    not_seen: list[str]
    model: str
    prompt: str
    test_weights: bool


async def run(settings: Settings, question: str, patient: str, *, fhir: str, bundle: Path | None, as_json: bool) -> int:
    """Exit code: 0 with an answer, "the record does not say" included; 3 when the answer was discarded.

    Raises CdsError for a record that cannot be gathered, an engine that cannot be asked, and where the AI part is not on.
    """
    if not question.strip():
        raise BadRequest("a question is needed")
    if fhir and bundle:
        raise BadRequest("name one of --fhir URL and --bundle FILE")
    telemetry.configure(settings.mode)  # to standard error: what is printed is the answer alone
    await require_ai(settings)
    async with AsyncExitStack() as closing:
        door = await closing.enter_async_context(engines.door(settings))
        made = engines.build(settings, door, Metrics())
        closing.push_async_callback(made.aclose)
        if made.text is None:
            raise ConfigurationError(
                "no model is configured, and without one a question cannot be answered: set CDS_TEXT_ENGINE and CDS_TEXT_MODEL"
            )
        if not (fhir or bundle):
            fhir = f"{await closing.enter_async_context(service_at_hand())}/simulator/fhir"
        subject = await _subject(settings, question, patient, fhir, bundle)
        try:
            checked = await load_tasks(load_prompts())[TASK].run(await ready(made.text, "the text model"), subject)
        except EngineFault as fault:
            raise Unavailable(f"the model gave no usable answer ({fault.reason}): {fault.message}") from None
    reply = _reply(checked, subject)
    if as_json:
        sys.stdout.write(msgspec.json.encode(reply).decode() + "\n")
    else:
        _print(reply, Console())
    return DISCARDED if reply.discarded else 0


async def _subject(settings: Settings, question: str, patient: str, fhir: str, bundle: Path | None) -> Subject:
    """The record, the facts offered, and what the rules found: their facts are the ones an answer may not contradict."""
    record = await _record(settings, patient, fhir, bundle)
    pack = load_pack(settings.site_rules)
    return Subject(
        record=record,
        selection=salience.rank(record, BUDGET),
        findings=switched_on(evaluate_record(pack, record)),
        zone=ZoneInfo(settings.timezone),
        question=question,
        waiting=True,
    )


async def _record(settings: Settings, patient: str, fhir: str, bundle: Path | None) -> Record:
    """Every prefetch query of the summary, answered by the FHIR server or out of the file."""
    queries = _queries(patient)
    deadline = asyncio.get_running_loop().time() + GATHER_S
    if bundle is not None:
        query = from_bundle(bundle)
        found = {key: await query(path) for key, path in queries.items()}
        prefetch = {key: Raw(body) for key, body in found.items() if body is not None}
        retrieved = await gather(prefetch, queries, None, deadline)
    else:
        async with Outbound(_policy(fhir)) as outbound:
            retrieved = await gather({}, queries, FhirClient(outbound, fhir), deadline)
    require_patient(retrieved, patient)
    expected = templates.expected(SERVICE)
    zone = ZoneInfo(settings.timezone)
    return await asyncio.to_thread(
        build, patient, retrieved, datetime.now(UTC), expected=expected, zone=zone, units=settings.units
    )


def _policy(fhir: str) -> Policy:
    try:
        return Policy(operator=[str(origin_of(fhir))])
    except UnsafeAddress as fault:
        raise BadRequest(f"--fhir: {fault.detail}") from None


def _queries(patient: str) -> dict[str, str]:
    """The templates a patient alone fills. Raises BadRequest for what is no FHIR id."""
    every = templates.prefetch(SERVICE)
    alone = {key: path for key, path in every.items() if "{{context.encounterId}}" not in path}
    try:
        return {key: resolve(path, {"patientId": patient}) for key, path in alone.items()}
    except ValueError as fault:
        raise BadRequest(f"--patient: {fault}") from None


def _reply(checked: Checked, subject: Subject) -> Reply:
    facts = facts_of(subject.record)
    return Reply(
        question=subject.question,
        statements=[
            Said(each.text, [Cited(wording.line(facts[i], subject.zone), facts[i].reference) for i in each.fact_ids])
            for each in checked.statements
        ],
        dropped=checked.dropped,
        discarded=checked.discarded,
        not_seen=not_seen(subject.record),
        model=checked.identity.label,
        prompt=checked.prompt,
        test_weights=checked.identity.test_weights,
    )


def _print(reply: Reply, console: Console) -> None:
    """As text: nothing of a record is markup."""

    def say(line: str, style: str = "") -> None:
        console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)

    say(f"{DRAFTED} · {reply.model} · {reply.prompt}", "bold")
    if reply.test_weights:
        say("These are test weights: they know nothing.", "bold red")
    if reply.discarded:
        say(f"The answer was discarded, it did not agree with the record: {reply.discarded}.", "yellow")
    elif not reply.statements:
        say("The record does not say.")
    for statement in reply.statements:
        say(f"- {statement.text}")
        for cited in statement.facts:
            say(f"    {cited.fact}", "dim")
    if reply.dropped:
        dropped = "; ".join(f"{count} × {reason}" for reason, count in reply.dropped.items())
        say(f"Statements that were dropped: {dropped}", "yellow")
    for line in reply.not_seen:
        say(f"Not seen: {line}", "dim")
