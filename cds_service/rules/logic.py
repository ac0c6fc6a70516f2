"""The logic of rules: small pure functions that declare what they may be given and which words their texts may use.

A row of the pack names a function; the loader checks the row's parameters against ``parameters`` and every ``{word}``
of its texts against ``texts``, so that a rule which starts cannot fail for want of a threshold or a template field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from cds_service.record.facts import Fact, Order
from cds_service.rules.catalogue import Finding, Rule, Scope, Severity
from cds_service.rules.situation import Situation


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the parameters a function takes. Unknown keys in a pack are refused."""


P = TypeVar("P", bound=Given)
RecordFunction = Callable[[Rule, P, Situation], Iterable[Finding]]
OrderFunction = Callable[[Rule, P, Situation, Order], Iterable[Finding]]


class Logic(Generic[P]):
    """A function of the catalogue with what it declares."""

    def __init__(
        self, name: str, scope: Scope, parameters: type[P], texts: Mapping[str, str], run: Callable[..., Any] | None
    ) -> None:
        self.name = name
        self.scope = scope
        self.parameters = parameters
        self.texts = {text: frozenset(fields.split()) for text, fields in texts.items()}
        self._run = run

    def on_record(self, rule: Rule, situation: Situation) -> Iterable[Finding]:
        """Findings about the patient."""
        return self._run(rule, rule.given, situation) if self._run else ()

    def on_order(self, rule: Rule, situation: Situation, order: Order) -> Iterable[Finding]:
        """Findings about one draft order."""
        return self._run(rule, rule.given, situation, order) if self._run else ()


def record_logic(name: str, parameters: type[P], **texts: str) -> Callable[[RecordFunction[P]], Logic[P]]:
    """Declare a function over the record. ``texts``: each text's name with the fields its template may use."""
    return lambda run: Logic(name, Scope.RECORD, parameters, texts, run)


def order_logic(name: str, parameters: type[P], **texts: str) -> Callable[[OrderFunction[P]], Logic[P]]:
    """Declare a function over the record and one draft order."""
    return lambda run: Logic(name, Scope.ORDER, parameters, texts, run)


class Tier(Enum):
    """Which of its tiers a rule speaks in."""

    ORDINARY = "ordinary"
    RAISED = "raised"
    REMARK = "remark"  # always info

    def of(self, rule: Rule) -> Severity:
        """The card indicator."""
        if self is Tier.REMARK:
            return Severity.INFO
        return (rule.raised or rule.severity) if self is Tier.RAISED else rule.severity


def conclude(
    rule: Rule,
    text: str,
    words: Mapping[str, object],
    *,
    key: str = "",
    tier: Tier = Tier.ORDINARY,
    facts: Iterable[Fact] = (),
    missing: Sequence[str] = (),
    order: Order | None = None,
    worse: float = 0.0,
    since: datetime | None = None,
    values: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding in the rule's own words: the template ``text``, and its '.detail' lines where the rule has them."""
    detail = rule.texts.get(f"{text}.detail", "")
    lines = tuple(line for line in detail.format_map(words).splitlines() if line.strip()) if detail else ()
    return Finding(
        rule=rule,
        key=f"{rule.id}:{key}" if key else rule.id,
        severity=tier.of(rule),
        summary=rule.texts[text].format_map(words),
        details=lines,
        facts=tuple(dict.fromkeys(facts)),
        missing=tuple(missing),
        order=order,
        worse=worse,
        since=since,
        values=values or {},
    )
