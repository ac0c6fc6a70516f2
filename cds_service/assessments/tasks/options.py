"""order-review and considerations: options with reasons. Each is a hypothesis whose name stands in its own field; none directs."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.tasks.asking import asked, checked, generated
from cds_service.grounding.checks.guarded import spelt_out
from cds_service.grounding.evidence.evidence import name_words, standing
from cds_service.grounding.language.lexicon import SHORT_FORMS, stem
from cds_service.grounding.statement import Statement
from cds_service.models.answers import Answer
from cds_service.models.engine import Engine
from cds_service.models.prompting.templates import Prompt
from cds_service.record.facts import Allergy, Fact
from cds_service.rules.allergies import conflicts
from cds_service.rules.drugs import DrugTable

ALLERGEN = "names what the patient is allergic to"
RECORDED = "is on record already"


class Options:
    """One prompt that asks for hypotheses, about an order or about the patient."""

    scores = False

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.name = prompt.name
        self.label = prompt.label
        self._about_order = "order" in prompt.inputs

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The salient facts, after the order where it is about one."""
        order = [subject.order] if self._about_order and subject.order is not None else []
        return [*order, *(fact for fact in subject.selection.facts if fact is not subject.order)]

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """One question, one answer; options that a recorded allergy or an entry of the record rules out are dropped."""
        if self._about_order and subject.order is None:
            raise ValueError(f"{self.name} needs the order it is about (Subject.order)")
        question = await asked(self._prompt, engine, subject, facts=self.offered(subject))
        answer, identity = await generated(engine, question, Answer)
        said = [each.statement() for each in answer.statements if each.kind == "hypothesis"]
        found = checked(self.name, self._prompt, identity, subject, question.prompt.facts, said)
        reasons = {id(each): _against(each, subject) for each in found.statements}
        dropped = Counter(found.dropped) + Counter(filter(None, reasons.values()))
        kept = [each for each in found.statements if not reasons[id(each)]]
        cited = {i for each in kept for i in (*each.fact_ids, *each.contrary_ids)}
        facts = {i: reference for i, reference in found.facts.items() if i in cited}
        return replace(found, statements=kept, facts=facts, dropped=dict(dropped))


def _against(option: Statement, subject: Subject) -> str:
    """Why an option may not be offered to this patient; '' when it may. The whole record counts, not the prompt's part."""
    drugs = _drugs_named(option.name)
    words = spelt_out({stem(word) for word in option.name.lower().replace("-", " ").split()})
    for allergy in _standing_allergies(subject):
        allergen = name_words(allergy)
        if allergen and allergen <= words and option.topic != "diagnosis":
            return ALLERGEN
        if drugs and conflicts(_table(), _table().allergen(allergy.label, allergy.codes), drugs, allergy):
            return ALLERGEN
    if option.topic in ("diagnosis", "treatment") and any(_named(name_words(f), words) for f in _recorded(subject)):
        return RECORDED
    return ""


def _named(name: frozenset[str], words: set[str]) -> bool:
    return name <= words and len(words - name) <= len(words & SHORT_FORMS.keys())


def _standing_allergies(subject: Subject) -> Iterator[Allergy]:
    return (allergy for allergy in subject.record.allergies if standing(allergy))


def _recorded(subject: Subject) -> Iterator[Fact]:
    yield from (problem for problem in subject.record.problems if standing(problem))
    yield from (drug for drug in subject.record.medications if standing(drug))


def _drugs_named(name: str) -> frozenset[str]:
    """Drugs and whole classes of drugs a name stands for."""
    table = _table()
    classes = table.allergen(name).classes
    return table.match(name).ingredients.union(*(table.classes[each].members for each in classes))


@lru_cache(maxsize=1)
def _table() -> DrugTable:
    raw = files("cds_service.rules").joinpath("drugs.toml").read_text(encoding="utf-8")
    return DrugTable(tomllib.loads(raw))
