"""Runs the suites and counts: how many lies are caught, by class, and how many true sentences are dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field

from cds_service.grounding.statement import Reason, Statement
from cds_service.grounding.verify import verify
from tests.grounding.charts import NOW, ZONE, Chart
from tests.grounding.mutations import Lie
from tests.grounding.true_statements import TrueStatement

# Least share caught, by class of lie
THRESHOLDS = {
    "number": 0.99, "bound": 0.99, "unit": 0.99, "date": 0.99, "id": 0.99, "side": 0.97, "negation": 0.97, "tense": 0.95,
    "trend": 0.95, "name": 0.95, "person": 0.95, "patient": 0.95,
}  # fmt: skip
FALSE_DROPS = 0.02


class Rates(Struct, frozen=True):
    """Counts over one set of charts and sentences."""

    true: int
    dropped: list[tuple[TrueStatement, Reason, str]]
    lies: Counter[str]
    missed: list[Lie]
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def false_drop_rate(self) -> float:
        """Share of true sentences that were dropped."""
        return len(self.dropped) / self.true

    def caught(self, kind: str) -> float:
        """Share of the lies of a class that were dropped."""
        return 1 - sum(lie.kind == kind for lie in self.missed) / self.lies[kind]


def measure(charts: dict[str, Chart], true: Sequence[TrueStatement], lies: Sequence[Lie]) -> Rates:
    """Each sentence is checked alone, so that the share rule hides nothing."""
    dropped = []
    for each in true:
        reason = _fault(charts[each.chart], each.text, each.ids)
        if reason:
            dropped.append((each, *reason))
    missed, reasons = [], {}
    for lie in lies:
        found = _fault(charts[lie.chart], lie.text, lie.ids)
        if found:
            reasons.setdefault(lie.kind, Counter())[found[0].name] += 1
        else:
            missed.append(lie)
    return Rates(len(true), dropped, Counter(lie.kind for lie in lies), missed, reasons)


def _fault(chart: Chart, text: str, ids: Sequence[int]) -> tuple[Reason, str] | None:
    statement = Statement(text=text, fact_ids=tuple(f"F{n}" for n in ids))
    verdict = verify([statement], chart.facts, ZONE, person=chart.person, now=NOW)
    return (verdict.dropped[0].reason, verdict.dropped[0].word) if verdict.dropped else None
