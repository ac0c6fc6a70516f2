"""A prompt that fits: facts are dropped from the tail until the engine's own count, or a careful estimate, is within budget.

What was dropped is said in the prompt itself ("left out for length"), never silently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cds_service.models.engine import CountsTokens, Engine
from cds_service.models.faults import Unsupported
from cds_service.models.prompting.templates import Prompt, PromptTooLong, Rendered, estimated
from cds_service.record.facts import Fact
from cds_service.record.salience import Selection, kind_of

_ROUNDS = 8  # each re-counts; the estimate of the first is rarely off by more than a fact or two
_MARGIN = 24  # tokens an engine's chat template may add

Variables = Callable[[Selection], Mapping[str, Any]]


class Fitted(Rendered, frozen=True, kw_only=True):
    """A rendered prompt within budget and the facts it holds, so the ids that may be cited."""

    facts: Sequence[Fact]


async def fitted(prompt: Prompt, engine: Engine, selection: Selection, variables: Variables) -> Fitted:
    """The prompt with as many of the facts, most important first, as the budget allows.

    ``variables`` gives the inputs and enums of the prompt for a selection. Raises PromptTooLong when the prompt does not
    fit without any fact.
    """
    limit = _limit(prompt, engine)
    kept = list(selection.facts)
    for _ in range(_ROUNDS):
        held = Selection(kept, left_out(selection, kept))
        rendered = prompt.render(count=_uncounted, **variables(held))
        tokens = await _count(engine, rendered.text)
        if tokens <= limit:
            values = {name: getattr(rendered, name) for name in Rendered.__struct_fields__}
            return Fitted(**{**values, "tokens": tokens}, facts=kept)
        if not kept:
            break
        kept = kept[: _fewer(rendered.text, len(kept), tokens, limit)]
    raise PromptTooLong(f"prompt {prompt.name}: {tokens} tokens without a fact to spare, {limit} allowed")


def left_out(selection: Selection, kept: Sequence[Fact]) -> Counter[str]:
    """What the selection left out already, and what was dropped from its tail."""
    counted = Counter(selection.left_out)
    counted.update(kind_of(fact) for fact in selection.facts[len(kept) :])
    return counted


def _limit(prompt: Prompt, engine: Engine) -> int:
    context = engine.capabilities.context_tokens
    return min(prompt.prompt_tokens, context - prompt.output_tokens - _MARGIN) if context else prompt.prompt_tokens


def _uncounted(_: str) -> int:
    return 0


async def _count(engine: Engine, text: str) -> int:
    if isinstance(engine, CountsTokens):
        try:
            return await engine.count_tokens(text)
        except Unsupported:  # a wrapper cannot know before it asks
            return estimated(text)
    return estimated(text)


def _fewer(text: str, facts: int, tokens: int, limit: int) -> int:
    """How many facts to try next: the excess at the mean length of a fact line, at least one fewer."""
    lines = sum(1 for line in text.splitlines() if line.startswith("F") and " · " in line) or facts
    length = sum(len(line) for line in text.splitlines() if line.startswith("F") and " · " in line) or len(text)
    per_fact = max(tokens * length / len(text) / lines, 1.0)
    return max(min(facts - 1, facts - int((tokens - limit) / per_fact)), 0)
