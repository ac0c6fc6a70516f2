"""How a checked statement is printed: its words, then the resources it stands on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from zoneinfo import ZoneInfo

from cds_service.grounding.statement import Statement
from cds_service.hooks.markdown import escape
from cds_service.record import wording
from cds_service.record.facts import Fact, Record

Facts = Mapping[str, Fact]  # by the ids statements cite


def facts_of(record: Record, cited: Collection[str] | None = None) -> Facts:
    """The facts of a record by their ids; with ``cited`` those alone."""
    if cited is None:
        return {fact.id: fact for fact in record.facts()}
    numbers = {int(i[1:]): i for i in cited}
    return {numbers[fact.number]: fact for fact in record.facts() if fact.number in numbers}


def statement(said: Statement, facts: Facts) -> str:
    """'Potassium was 7.1 mmol/L. (Observation/k1)' in Markdown, every character of the record's text escaped."""
    return f"{escape(said.text)} *({escape(references(said.fact_ids, facts))})*"


def references(ids: Iterable[str], facts: Facts) -> str:
    """The resources behind fact ids, each once."""
    return ", ".join(dict.fromkeys(facts[i].reference for i in ids if i in facts))


def lines(ids: Iterable[str], facts: Facts, zone: ZoneInfo) -> str:
    """The facts behind ids, as cards print them."""
    return "; ".join(dict.fromkeys(wording.line(facts[i], zone) for i in ids if i in facts))
