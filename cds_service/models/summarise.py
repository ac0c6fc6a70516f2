"""Facts to checked statements, the whole synchronous path of a hook: select, word, verify."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.grounding.evidence.source import source
from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.models.engine import Material, Request
from cds_service.models.extractive import LABEL, Extractive, compose
from cds_service.models.prompting.record_inputs import inputs
from cds_service.models.prompting.templates import Prompt, Prompts
from cds_service.record.facts import Fact, Record
from cds_service.record.salience import Selection

PROMPT = "record-summary"
WITHHELD = "text of the record that may not be shown"


class Summary(Struct, frozen=True, kw_only=True):
    """Checked statements and who worded them. ``discarded`` says why nothing is shown, else ''."""

    statements: list[Statement]
    dropped: Counter[str]  # drop reasons, and texts withheld; never words of the record
    prompt: str  # 'record-summary@1 sha256:…'
    engine: str  # 'extractive 1'
    label: str  # what a card says of it
    facts: Sequence[Fact]  # what the fact ids of the statements stand for
    discarded: str = ""


def summarise(
    record: Record, selection: Selection, zone: ZoneInfo, prompt: Prompt, critical: Collection[str] = ()
) -> Summary:
    """The extractive summary of a record, verified. Pure and synchronous: no I/O, no clock but ``record.now``.

    The extractive engine composes from the facts, so the prompt is not rendered here; its version and hash are reported
    all the same, because its schema bounds the statements. ``request`` renders it for engines that read.
    ``critical`` names facts (ids) the rules found critical.
    """
    facts = selection.facts
    composed = compose(Material(facts=facts, person=record.person, now=record.now, zone=zone))
    verdict = verify(composed, facts, zone, person=record.person, now=record.now, critical=critical)
    dropped = verdict.reasons
    withheld = sum(not source(fact.label).quotable for fact in facts)
    if withheld:
        dropped[WITHHELD] = withheld
    return Summary(
        statements=verdict.kept,
        dropped=dropped,
        prompt=prompt.label,
        engine=Extractive.identity.label,
        label=LABEL,
        facts=facts,
        discarded=verdict.discarded,
    )


def request(record: Record, selection: Selection, zone: ZoneInfo, prompt: Prompt) -> tuple[Request, str]:
    """The rendered prompt as a Request any engine can take, and the boundary that must not come back in the answer."""
    rendered = prompt.render(**inputs(record, selection, zone))
    asked = Request(
        prompt=rendered.text,
        fixed=rendered.fixed,
        schema=rendered.schema,
        max_tokens=rendered.output_tokens,
        material=Material(facts=selection.facts, person=record.person, now=record.now, zone=zone),
    )
    return asked, rendered.boundary


class Summariser:
    """``summarise`` with its prompt looked up once."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompt = prompts[PROMPT]

    def summarise(
        self, record: Record, selection: Selection, zone: ZoneInfo, critical: Collection[str] = ()
    ) -> Summary:
        """See ``summarise``."""
        return summarise(record, selection, zone, self._prompt, critical)
