"""A prompt put to an engine and its answer checked: what every text task does in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject
from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.models.answers import answer
from cds_service.models.engine import Engine, Identity, Material, Request
from cds_service.models.faults import Unsupported
from cds_service.models.prompting.fitting import Fitted, fitted
from cds_service.models.prompting.record_inputs import inputs
from cds_service.models.prompting.templates import Prompt, PromptTooLong
from cds_service.record.facts import Fact
from cds_service.record.salience import Selection

A = TypeVar("A", bound=Struct)


class Asked(Struct, frozen=True, kw_only=True):
    """One question as it goes to an engine."""

    prompt: Fitted
    request: Request


async def asked(
    prompt: Prompt,
    engine: Engine,
    subject: Subject,
    *,
    facts: Sequence[Fact],
    more: Mapping[str, Any] | None = None,
    bare: bool = False,
    composes: bool = False,
) -> Asked:
    """The request for these facts, within the budget. ``more``: inputs beside those of the record; ``bare``: no free text;
    ``composes``: an engine that composes from facts can answer it too.

    The order in question, where there is one, stands on a line of its own and may be cited. Raises Unsupported when the
    prompt does not fit the engine even without a fact.
    """
    order = [subject.order] if subject.order is not None and "order" in prompt.inputs else []
    listed = [fact for fact in facts if fact is not subject.order]

    def variables(held: Selection) -> dict[str, Any]:
        given = inputs(subject.record, held, subject.zone, order=subject.order if order else None, bare=bare)
        return {**given, **(more or {})}

    try:
        prompted = await fitted(prompt, engine, Selection(listed, subject.selection.left_out), variables)
    except PromptTooLong as fault:
        raise Unsupported(f"{fault}; use an engine with a longer context") from fault
    held = [*order, *prompted.facts]
    return Asked(
        prompt=replace(prompted, facts=held),
        request=Request(
            prompt=prompted.text,
            fixed=prompted.fixed,
            schema=prompted.schema,
            max_tokens=prompted.output_tokens,
            material=Material(facts=held, person=subject.record.person, now=subject.record.now, zone=subject.zone)
            if composes
            else None,
            waiting=subject.waiting,
            label=prompt.label,
        ),
    )


async def generated(engine: Engine, question: Asked, wire: type[A]) -> tuple[A, Identity]:
    """The answer under the schema, and what gave it. Raises what ``models/faults.py`` lists."""
    lacking = engine.capabilities.lacks(question.request)
    if lacking:
        raise Unsupported(lacking)
    generation = await engine.generate(question.request)
    return answer(generation, wire, question.prompt.boundary), generation.identity


def checked(
    task: str, prompt: Prompt, identity: Identity, subject: Subject, facts: Sequence[Fact], said: Sequence[Statement]
) -> Checked:
    """What may be shown of some statements: each against the facts of its prompt, the rules' facts as the critical ones."""
    verdict = verify(
        said,
        facts,
        subject.zone,
        person=subject.record.person,
        now=subject.record.now,
        critical={fact.id for finding in subject.findings for fact in finding.facts},
        lasting=True,
    )
    cited = {i for s in verdict.kept for i in (*s.fact_ids, *s.contrary_ids)}
    return Checked(
        task=task,
        prompt=prompt.label,
        identity=identity,
        statements=verdict.kept,
        facts={fact.id: fact.reference for fact in facts if fact.id in cited},
        dropped=dict(verdict.reasons),
        discarded=verdict.discarded,
    )
