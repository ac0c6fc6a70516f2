"""triage: how urgent an order is. A provisional label by scores, then the rationale with its label; text alone may only raise.

Scores are not calibrated: the thresholds below decide only whether there is a label at all, never what is printed.
"""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject
from cds_service.assessments.tasks.asking import Asked, asked, checked, generated
from cds_service.models.answers import Answer
from cds_service.models.engine import Engine, Identity, Scores
from cds_service.models.faults import Unsupported
from cds_service.models.prompting.record_inputs import typed
from cds_service.models.prompting.templates import Prompt
from cds_service.record.facts import Fact

CATEGORIES = ("routine", "urgent", "asap", "stat")  # R4 request-priority, rising
LETTERS = ("A", "B", "C", "D")
# three keys in which each category has three different letters and three different places among the four
KEYS = ((0, 1, 2, 3), (2, 3, 1, 0), (3, 2, 0, 1))
OUTSIDE = (
    0.5  # share of the next token's probability outside the letters above which the model did not answer the question
)
COVER = 0.9  # the smallest set of categories that holds this much is what the scores do not rule out
WIDE = 2  # categories in that set beyond which there is no label

LOST = "no label: the model did not answer with a letter"
UNDECIDED = "no label: the scores do not tell the categories apart"
SWAYED = "the label without typed text was higher"


class Rated(Answer, forbid_unknown_fields=True):
    """The wire form of the prompt's schema."""

    code: Literal["A", "B", "C", "D"]


class Coded(Struct, forbid_unknown_fields=True):
    """The letter alone, under the part of the schema that asks for it."""

    code: Literal["A", "B", "C", "D"]


class Opinion(Struct, frozen=True):
    """A category of the scores, '' where they give none, and then why."""

    category: str
    why: str = ""


class Triage:
    """Rationale first, then the letter. Where facts carry typed text, the letter is asked again without it: the higher counts."""

    name = "triage"
    scores = False

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.label = prompt.label

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The order, then the salient facts."""
        return _offered(subject)

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """Discarded text takes its category with it: a label whose reasons contradict the record is no label."""
        key = KEYS[0]
        question = await _asked(self._prompt, engine, subject, {"key": _legend(key), "form": "json"})
        answer, identity = await generated(engine, question, Rated)
        said = [each.statement() for each in answer.statements if each.kind == "record"]
        found = checked(self.name, self._prompt, identity, subject, question.prompt.facts, said)
        if found.discarded:
            return found
        category = _category(key, answer.code)
        if _any_typed(subject):
            category = await self._raised(engine, subject, category, found.dropped)
        return replace(found, category=category)

    async def _raised(self, engine: Engine, subject: Subject, category: str, notes: dict[str, int]) -> str:
        """The higher of the category and the one given without any typed text."""
        key = KEYS[0]
        bare = await _asked(self._prompt, engine, subject, {"key": _legend(key), "form": "json"}, bare=True)
        schema = bare.request.schema or {}
        only = {**schema, "properties": {"code": schema["properties"]["code"]}, "required": ["code"]}
        short = replace(bare, request=replace(bare.request, schema=only, max_tokens=24))
        clean = _category(key, (await generated(engine, short, Coded))[0].code)
        if CATEGORIES.index(clean) > CATEGORIES.index(category):
            notes[SWAYED] = 1
            return clean
        return category


class TriageLabel:
    """The label alone, by the scores of its letters under several keys: one forward pass each, no text. Always provisional."""

    name = "triage-label"
    scores = True

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self.label = f"{prompt.label} label"

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The order, then the salient facts."""
        return _offered(subject)

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """No label where the scores are wide, contradict each other or fall outside the letters."""
        opinion, identity = await self._opinion(engine, subject, KEYS, bare=False)
        notes = {opinion.why: 1} if opinion.why else {}
        category = opinion.category
        if category and _any_typed(subject):
            clean, _ = await self._opinion(engine, subject, KEYS[:2], bare=True)
            if clean.category and CATEGORIES.index(clean.category) > CATEGORIES.index(category):
                notes[SWAYED] = 1
                category = clean.category
        return Checked(
            task=self.name, prompt=self.label, identity=identity, category=category, provisional=True, dropped=notes
        )

    async def _opinion(
        self, engine: Engine, subject: Subject, keys: Sequence[Sequence[int]], *, bare: bool
    ) -> tuple[Opinion, Identity]:
        boundary = secrets.token_hex(8)  # one for all keys: they share every byte up to the line that ends the data
        scored = [await self._scores(engine, subject, key, boundary, bare=bare) for key in keys]
        return opinion(list(zip(keys, scored, strict=True))), scored[0].identity

    async def _scores(
        self, engine: Engine, subject: Subject, key: Sequence[int], boundary: str, *, bare: bool
    ) -> Scores:
        given = {"key": _legend(key), "form": "letter", "boundary": boundary}
        question = await _asked(self._prompt, engine, subject, given, bare=bare)
        request = replace(question.request, schema=None, max_tokens=1)
        lacking = engine.capabilities.lacks(request, labels=True)
        if lacking:
            raise Unsupported(lacking)
        return await engine.score_labels(request, LETTERS)


def opinion(scored: Sequence[tuple[Sequence[int], Scores]]) -> Opinion:
    """What the scores under several keys agree on. ``key[i]`` is the category (index) of letter i."""
    totals = [0.0] * len(CATEGORIES)
    outside, firsts = 0.0, Counter[int]()
    for key, scores in scored:
        mass = [math.exp(scores.logprobs.get(letter, -math.inf)) for letter in LETTERS]
        inside = sum(mass)
        outside += max(1.0 - inside, 0.0) / len(scored)
        if inside > 0:
            by_category = {category: mass[i] / inside for i, category in enumerate(key)}
            firsts[max(by_category, key=lambda c: by_category[c])] += 1
            for category, share in by_category.items():
                totals[category] += share / len(scored)
    if outside > OUTSIDE or not any(totals):
        return Opinion("", LOST)
    best = max(range(len(totals)), key=lambda c: totals[c])
    agreed = firsts[best] * 2 > len(scored)
    if not agreed or len(_not_ruled_out(totals)) > WIDE:
        return Opinion("", UNDECIDED)
    return Opinion(CATEGORIES[best])


def _not_ruled_out(totals: Sequence[float]) -> list[int]:
    """The smallest set of categories that holds COVER of the mass."""
    held, share = [], 0.0
    for category in sorted(range(len(totals)), key=lambda c: -totals[c]):
        if share >= COVER * sum(totals):
            break
        held.append(category)
        share += totals[category]
    return held


def _offered(subject: Subject) -> Sequence[Fact]:
    order = [subject.order] if subject.order is not None else []
    return [*order, *(fact for fact in subject.selection.facts if fact is not subject.order)]


async def _asked(
    prompt: Prompt, engine: Engine, subject: Subject, given: Mapping[str, Any], *, bare: bool = False
) -> Asked:
    if subject.order is None:
        raise ValueError("triage needs the order it is about (Subject.order)")
    return await asked(prompt, engine, subject, facts=_offered(subject), more=given, bare=bare)


def _any_typed(subject: Subject) -> bool:
    return any(typed(fact) for fact in _offered(subject))


def _legend(key: Sequence[int]) -> str:
    return ", ".join(f"{letter} = {CATEGORIES[category]}" for letter, category in zip(LETTERS, key, strict=True))


def _category(key: Sequence[int], code: str) -> str:
    return CATEGORIES[key[LETTERS.index(code)]]
