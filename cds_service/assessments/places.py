"""Facts by their place in a stable order, not by their number: two calls number the same facts differently.

A result is kept under places and given back under the numbers of the record that asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from operator import itemgetter

import msgspec
from msgspec.structs import replace

from cds_service.assessments.task import Checked, Ranged, Subject, Task
from cds_service.grounding.statement import Statement
from cds_service.record.facts import Fact, Order

PLACE = "at "
_encode = msgspec.msgpack.Encoder().encode


def ranged(task: Task, subject: Subject) -> Ranged:
    """The facts a task offers in their stable order. Worked out once for all tasks of a call that offer the same."""
    offered = task.offered(subject)
    same = tuple(map(id, offered))  # the record keeps its facts alive
    known = subject.worked.ranged.get(same)
    if known is None:
        known = subject.worked.ranged[same] = _ranged(offered)
    return known


def _ranged(offered: Sequence[Fact]) -> Ranged:
    pairs = sorted(((_content(fact), fact) for fact in offered), key=itemgetter(0))
    digest = hashlib.sha256()
    for content, _ in pairs:  # each tells its own length; for one long piece hashlib would let go of the interpreter
        digest.update(content)
    return Ranged([fact for _, fact in pairs], digest.hexdigest())


def placed(checked: Checked, facts: Sequence[Fact]) -> Checked:
    """A result with the places of its facts for their ids. Raises KeyError for an id that is none of ``facts``."""
    return _renamed(checked, {fact.id: f"{PLACE}{n}" for n, fact in enumerate(facts)}.__getitem__)


def numbered(checked: Checked, facts: Sequence[Fact]) -> Checked:
    """A kept result with the ids its facts have in this record."""
    return _renamed(checked, lambda place: facts[int(place.removeprefix(PLACE))].id)


def _content(fact: Fact) -> bytes:
    """Everything of a fact but its number; of a draft neither its bytes nor its selection, which differ from hook to hook."""
    if isinstance(fact, Order):
        return _encode(replace(fact, number=0, raw=b"", selected=True))
    return _encode(replace(fact, number=0))


def _renamed(checked: Checked, name: Callable[[str], str]) -> Checked:
    return replace(
        checked,
        statements=[_statement(each, name) for each in checked.statements],
        facts={name(i): reference for i, reference in checked.facts.items()},
    )


def _statement(each: Statement, name: Callable[[str], str]) -> Statement:
    return replace(each, fact_ids=tuple(map(name, each.fact_ids)), contrary_ids=tuple(map(name, each.contrary_ids)))
