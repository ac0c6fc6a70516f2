"""A result after which a newer one came that no rule and no summary may use: said beside it, by template, in a statement
as in a finding.

A value that stands alone reads as the newest. Where the source has a later one ('haemolysed, please repeat', an unknown
unit), its reader must know that there is something to look up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import structs

from cds_service.grounding.statement import Statement
from cds_service.record import wording
from cds_service.record.facts import Fact, Reading, Record, Refusal
from cds_service.rules.catalogue import Finding
from cds_service.services.not_seen import written

MEASURED = frozenset(
    {Refusal.NO_VALUE, Refusal.UNKNOWN_UNIT, Refusal.IMPLAUSIBLE, Refusal.NOT_MEASURED, Refusal.MALFORMED}
)  # something was asked for or measured, and it cannot be read


def unusable(record: Record) -> Mapping[str, Reading]:
    """By concept: the newest result that may not be used, where it is newer than every one that may."""
    found: dict[str, Reading] = {}
    for reading in record.refused:  # newest first
        concept = reading.concept
        if concept in found or reading.refusal not in MEASURED or reading.time is None:
            continue
        usable = record.readings.get(concept, ())
        if usable and usable[0].time is not None and usable[0].time < reading.time <= record.now:
            found[concept] = reading
    return found


def said(
    statements: Sequence[Statement], facts: Mapping[str, Fact], record: Record, zone: ZoneInfo
) -> Sequence[Statement]:
    """The statements, each that cites the last usable result of a concept saying that a newer one is not usable."""
    newer = unusable(record)
    if not newer:
        return statements
    return [_with_newer(each, facts, newer, record, zone) for each in statements]


def marked(findings: list[Finding], record: Record) -> list[Finding]:
    """The findings, each that rests on a concept of which a newer result is not usable knowing that result."""
    newer = unusable(record)
    return [_marked(each, newer) for each in findings] if newer else findings


def _marked(finding: Finding, newer: Mapping[str, Reading]) -> Finding:
    concepts = {fact.concept: None for part in finding.parts for fact in part.facts if isinstance(fact, Reading)}
    found = tuple(newer[concept] for concept in concepts if concept in newer)
    return structs.replace(finding, unusable=found) if found else finding


def line(readings: Sequence[Reading], zone: ZoneInfo) -> str:
    """'A newer result of Potassium is not usable (2026-11-20 07:30: no value, “haemolysed”).'; '' where there is none."""
    found = "; ".join(_one(reading, zone, alone=False) for reading in readings)
    return f"{found[0].upper()}{found[1:]}." if found else ""


def _with_newer(
    statement: Statement, facts: Mapping[str, Fact], newer: Mapping[str, Reading], record: Record, zone: ZoneInfo
) -> Statement:
    cited = [facts[i] for i in statement.fact_ids if i in facts]
    meant = [
        newer[fact.concept]
        for fact in cited
        if fact.concept in newer and fact in record.readings.get(fact.concept, ())[:1]
    ]
    if not meant:
        return statement
    alone = len({fact.concept for fact in cited}) == 1
    added = "; ".join(_one(reading, zone, alone=alone) for reading in meant)
    return structs.replace(statement, text=f"{statement.text.rstrip('.')}; {added}.")


def _one(reading: Reading, zone: ZoneInfo, *, alone: bool) -> str:
    """'a newer result is not usable (2026-11-20 07:30: no value, “haemolysed, please repeat”)'."""
    assert reading.refusal is not None  # noqa: S101 - of ``unusable``
    which = "a newer result" if alone else f"a newer result of {reading.label}"
    why = ", ".join(filter(None, (reading.refusal.value, written(reading))))
    return f"{which} is not usable ({wording.moment(reading, zone)}: {why})"
