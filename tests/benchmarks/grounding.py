"""Grounding of 30 statements: CPU of one text, strings of the record seen before and not."""

from __future__ import annotations

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from tests.grounding.charts import ACUTE, NOW, ZONE
from tests.grounding.true_statements import WRITTEN

STATEMENTS = [
    Statement(text=each.text, fact_ids=tuple(f"F{n}" for n in each.ids)) for each in WRITTEN if each.chart == "acute"
][:30]


def check() -> None:
    """All of them, none dropped: the longest way through the checks."""
    verdict = verify(STATEMENTS, ACUTE.facts, ZONE, person=ACUTE.person, now=NOW)
    assert len(verdict.kept) == len(STATEMENTS) == 30
