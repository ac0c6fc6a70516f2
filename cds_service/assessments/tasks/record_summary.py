"""record-summary: what matters in the record of a chart, as statements about it."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.tasks.asking import asked, checked, generated
from cds_service.models.answers import Answer
from cds_service.models.engine import Engine
from cds_service.models.prompting.templates import Prompt
from cds_service.record.facts import Fact


class RecordSummary:
    """Every statement is a record statement; nothing is supposed."""

    name = "record-summary"
    scores = False

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.label = prompt.label

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The salient facts."""
        return subject.selection.facts

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """One question, one answer, each statement checked."""
        question = await asked(self._prompt, engine, subject, facts=self.offered(subject), composes=True)
        answer, identity = await generated(engine, question, Answer)
        said = [each.statement() for each in answer.statements if each.kind == "record"]
        return checked(self.name, self._prompt, identity, subject, question.prompt.facts, said)
