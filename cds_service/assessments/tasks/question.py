"""question: what a clinician asks of one record, answered from it or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.tasks.asking import asked, checked, generated
from cds_service.models.answers import Answer
from cds_service.models.engine import Engine
from cds_service.models.prompting.templates import Prompt
from cds_service.record.facts import Fact


class Found(Answer, forbid_unknown_fields=True):
    """The wire form of the prompt's schema."""

    found: Literal["yes", "no"]


class Question:
    """ "The record does not say" is an answer; so is an answer of which nothing agreed with the record."""

    name = "question"
    scores = False

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.label = prompt.label

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The salient facts."""
        return subject.selection.facts

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """One question, one answer, each statement checked."""
        if not subject.question.strip():
            raise ValueError("a question is needed (Subject.question)")
        more = {"question": subject.question}
        question = await asked(self._prompt, engine, subject, facts=self.offered(subject), more=more)
        answer, identity = await generated(engine, question, Found)
        said = (
            [each.statement() for each in answer.statements if each.kind == "record"] if answer.found == "yes" else []
        )
        found = checked(self.name, self._prompt, identity, subject, question.prompt.facts, said)
        return replace(found, silent=not found.statements and not found.discarded)
