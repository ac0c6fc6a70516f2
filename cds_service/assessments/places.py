"""Facts by their place in a stable order, not by their number: two calls number the same facts differently.

A result is kept under places and given back under the numbers of the record that asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from cds_service.assessments.task import Checked, Subject, Task
from cds_service.grounding.statement import Statement
from cds_service.models.prompting.record_inputs import fact_line, order_line
from cds_service.record.facts import Fact, Order


def ranged(task: Task, subject: Subject) -> list[tuple[str, Fact]]:
    """What the prompt would hold of each fact, without its number, and the fact; in the order of these lines."""
    lines = [(_line(fact, subject).partition(" · ")[2], fact) for fact in task.offered(subject)]
    return sorted(lines, key=lambda pair: pair[0])


def placed(checked: Checked, facts: Sequence[Fact]) -> Checked:
    """A result with the places of its facts for their ids. Raises KeyError for an id that is none of ``facts``."""
    return _renamed(checked, {fact.id: _place(n) for n, fact in enumerate(facts)})


def numbered(checked: Checked, facts: Sequence[Fact]) -> Checked:
    """A kept result with the ids its facts have in this record."""
    return _renamed(checked, {_place(n): fact.id for n, fact in enumerate(facts)})


def _place(n: int) -> str:
    return f"at {n}"


def _line(fact: Fact, subject: Subject) -> str:
    if isinstance(fact, Order) and fact is subject.order:
        return order_line(fact, subject.zone)
    known = subject.lines.get(id(fact))  # the record keeps its facts alive
    if known is None:
        known = subject.lines[id(fact)] = fact_line(fact, subject.zone)
    return known


def _renamed(checked: Checked, names: Mapping[str, str]) -> Checked:
    return replace(
        checked,
        statements=[_statement(each, names) for each in checked.statements],
        facts={names[i]: reference for i, reference in checked.facts.items()},
    )


def _statement(each: Statement, names: Mapping[str, str]) -> Statement:
    return replace(
        each,
        fact_ids=tuple(names[i] for i in each.fact_ids),
        contrary_ids=tuple(names[i] for i in each.contrary_ids),
    )
