"""What a job works from: the record as the call saw it, whole enough to build the same prompt again. Never a token.

It is sealed before it is stored. Findings are not part of it: the same pack concludes them again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from cds_service.assessments.task import Subject
from cds_service.record.facts import Record
from cds_service.record.salience import Selection
from cds_service.rules.evaluate import evaluate_record, switched_on
from cds_service.rules.pack import Pack


class Snapshot(Struct, frozen=True, kw_only=True):
    """One question over one record. Facts are named by their numbers, which the record fixes."""

    tenant: str
    task: str
    record: Record
    facts: list[int]  # the selection, most important first
    left_out: Counter[str]
    zone: str
    order: int = 0  # the draft in question; 0: none
    question: str = ""
    waiting: bool = False


def of(tenant: str, task: str, subject: Subject) -> Snapshot:
    """The snapshot of a subject."""
    return Snapshot(
        tenant=tenant,
        task=task,
        record=subject.record,
        facts=[fact.number for fact in subject.selection.facts],
        left_out=subject.selection.left_out,
        zone=subject.zone.key,
        order=subject.order.number if subject.order is not None else 0,
        question=subject.question,
        waiting=subject.waiting,
    )


def subject(snapshot: Snapshot, pack: Pack) -> Subject:
    """The subject again: the same facts in the same order, the findings concluded anew. Raises KeyError for a foreign number."""
    record = snapshot.record
    facts = {fact.number: fact for fact in record.facts()}
    orders = {order.number: order for order in record.orders}
    return Subject(
        record=record,
        selection=Selection([facts[number] for number in snapshot.facts], snapshot.left_out),
        findings=switched_on(evaluate_record(pack, record)),
        zone=ZoneInfo(snapshot.zone),
        order=orders[snapshot.order] if snapshot.order else None,
        question=snapshot.question,
        waiting=snapshot.waiting,
    )


def _counter(kind: type, value: Any) -> Any:
    """msgspec reads a Counter as the plain dict it was written as."""
    if (get_origin(kind) or kind) is Counter:
        return Counter(value)
    raise NotImplementedError(kind.__name__)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Snapshot, dec_hook=_counter).decode
