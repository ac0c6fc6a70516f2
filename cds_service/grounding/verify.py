"""Statements in, verdict out: kept, or dropped with the reason; too many drops, or one against a critical fact, discard the text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from cds_service.grounding.checks.order import critical_contradiction, fault
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.statement import Dropped, Statement, Verdict
from cds_service.record.facts import Fact, Person

TOLERATED = 0.2  # share of dropped statements above which nothing of the text is trusted


def verify(
    statements: Sequence[Statement],
    facts: Iterable[Fact],
    zone: ZoneInfo,
    *,
    person: Person | None = None,
    now: datetime | None = None,
    critical: Collection[str] = (),
    lasting: bool = False,
) -> Verdict:
    """Check each statement against the facts of its prompt.

    ``facts`` are those the engine was given, all of one patient. ``person`` and ``now`` allow an age, a sex, "2 days ago";
    without them such words are dropped. ``critical`` names facts (ids) the rules found critical, beside what the facts'
    own flags say. ``lasting``: the text will be shown later, so "today", "yesterday" and "2 hours ago" are dropped.
    Pure: no I/O, no clock.
    """
    desk = Desk(facts, zone, person=person, now=now, critical=critical, lasting=lasting)
    kept: list[Statement] = []
    dropped: list[Dropped] = []
    discarded = ""
    for statement in statements:
        found = fault(statement, desk)
        if found is None:
            kept.append(statement)
            continue
        reason, word = found
        dropped.append(Dropped(statement, reason, word))
        if critical_contradiction(statement, reason, desk):
            discarded = f"a critical fact was contradicted: {reason.value}"
    if not discarded and statements and len(dropped) > TOLERATED * len(statements):
        discarded = f"{len(dropped)} of {len(statements)} statements were dropped"
    return Verdict(kept=[] if discarded else kept, dropped=dropped, discarded=discarded)
