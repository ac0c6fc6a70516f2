"""What became of each rule's cards: fired, accepted, overridden and why. Read by ``medgemma-cds rules report``.

Fires are counted from issued cards; a card that several rules share counts for each. Clients report only what users did
with a card, never that they left it alone, so the rate is taken over answered cards. A later outcome of the same card
replaces an earlier one. A rule in shadow has no cards: its fires come from the audit trail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct, field
from sqlalchemy import Connection, select

from cds_service.db.models import audit_event, feedback, issued_card

REVIEW_FIRES = 200
REVIEW_RATE = 0.9
_YIELD = 1000

_names = msgspec.json.Decoder(list[str]).decode
_reasons = msgspec.json.Decoder(list[dict[str, str]]).decode


class _Shadow(Struct):
    shadow: list[str] = []


_shadow = msgspec.json.Decoder(_Shadow).decode


class RuleReport(Struct, kw_only=True):
    """One rule over the time asked for. ``seconds`` is the median time from card to outcome."""

    rule: str
    fired: int = 0
    shadow: int = 0
    accepted: int = 0
    overridden: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # code of the reason → n
    versions: Counter[str] = field(default_factory=Counter)
    seconds: float | None = None

    @property
    def rate(self) -> float | None:
        """Overridden among answered cards, 0 to 1; None when none was answered."""
        answered = self.accepted + self.overridden
        return self.overridden / answered if answered else None

    @property
    def review(self) -> bool:
        """Overridden so often that somebody should look at the rule (more than 90 % over 200 fires)."""
        return self.fired >= REVIEW_FIRES and (self.rate or 0.0) > REVIEW_RATE


class _Outcome(Struct):
    client: str
    outcome: str
    reasons: str
    at: int


def report(connection: Connection, since: int = 0, until: int = 2**62) -> list[RuleReport]:
    """One row a rule that fired on cards issued in [since, until) (milliseconds, UTC), most overridden first."""
    outcomes = _outcomes(connection, since)
    rows: dict[str, RuleReport] = {}
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for uuid, client, rules, issued_at in _cards(connection, since, until):
        outcome = outcomes.get(uuid)
        if outcome is not None and outcome.client != client:
            outcome = None
        for name in _names(rules):
            rule, _, version = name.partition("@")
            row = rows.setdefault(rule, RuleReport(rule=rule))
            row.fired += 1
            row.versions[version] += 1
            if outcome is not None:
                _count(row, outcome)
                waits[rule].append(max(0.0, (outcome.at - issued_at) / 1000))
    for rule, n in _shadowed(connection, since, until).items():
        rows.setdefault(rule, RuleReport(rule=rule)).shadow = n
    for rule, taken in waits.items():
        rows[rule].seconds = median(taken)
    return sorted(rows.values(), key=lambda row: (-row.overridden, -row.fired, row.rule))


def _count(row: RuleReport, outcome: _Outcome) -> None:
    if outcome.outcome == "accepted":
        row.accepted += 1
        return
    row.overridden += 1
    for reason in _reasons(outcome.reasons):
        row.reasons[reason["code"]] += 1


def _outcomes(connection: Connection, since: int) -> dict[str, _Outcome]:
    """The last outcome of each card."""
    columns = feedback.c
    statement = (
        select(columns.card, columns.client, columns.outcome, columns.reasons, columns.outcome_at)
        .where(columns.received_at >= since)
        .order_by(columns.outcome_at, columns.received_at)
    )
    return {card: _Outcome(*rest) for card, *rest in connection.execute(statement)}


def _cards(connection: Connection, since: int, until: int) -> Iterator[Any]:
    columns = issued_card.c
    statement = select(columns.uuid, columns.client, columns.rules, columns.issued_at).where(
        columns.issued_at >= since, columns.issued_at < until
    )
    yield from connection.execution_options(yield_per=_YIELD).execute(statement)


def _shadowed(connection: Connection, since: int, until: int) -> Counter[str]:
    columns = audit_event.c
    statement = select(columns.detail).where(
        columns.at >= since, columns.at < until, columns.detail.contains('"shadow"')
    )
    fired: Counter[str] = Counter()
    for (detail,) in connection.execution_options(yield_per=_YIELD).execute(statement):
        fired.update(_shadow(detail).shadow)
    return fired
