"""A fact said in the words of its own line, as the prompt asks of a model, passes."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.grounding.evidence.evidence import Tense, supposed, tense
from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.record.facts import Fact
from cds_service.record.wording import dated, described
from tests.grounding import charts, held_out
from tests.grounding.charts import NOW, ZONE
from tests.grounding.unseen import FIRST, FOURTH, SECOND, THIRD

ALL = {**charts.CHARTS, **held_out.CHARTS, **FIRST.charts, **SECOND.charts, **THIRD.charts, **FOURTH.charts}


def lines(fact: Fact) -> Iterator[str]:
    parts, when = [part for part in described(fact, ZONE) if part], dated(fact, ZONE)
    if supposed(fact):
        parts.append(fact.note or supposed(fact))
    yield f"{', '.join([*parts, when])}."
    yield f"{when}: {', '.join(parts)}."
    yield f"{parts[0]} ({'; '.join(parts[1:])}) on {when}." if len(parts) > 1 else f"{parts[0]} on {when}."


def test_a_fact_in_the_words_of_its_own_line_is_kept() -> None:
    dropped, said = [], 0
    for chart in ALL.values():
        for fact in chart.facts:
            if tense(fact) & Tense.FAMILY or "Mother" in getattr(fact, "text", ""):
                continue  # its line calls a relative's disease active, or speaks of a relative
            for text in lines(fact):
                statement = Statement(text=text, fact_ids=(fact.id,))
                verdict = verify([statement], chart.facts, ZONE, person=chart.person, now=NOW)
                said += 1
                dropped += [(text, each.reason.name, each.word) for each in verdict.dropped]
    assert said > 1000
    assert dropped == []
