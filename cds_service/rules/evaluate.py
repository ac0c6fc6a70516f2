"""Runs the pack over a record. Pure: the same record gives the same findings, whatever the order of its facts.

A rule that fails does not take the others with it: it becomes a finding that says it could not be checked.
"""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.record.facts import Order, Record
from cds_service.rules.catalogue import Finding, Rule, Severity, Urgency
from cds_service.rules.pack import Pack
from cds_service.rules.situation import Situation


def evaluate_record(pack: Pack, record: Record, situation: Situation | None = None) -> list[Finding]:
    """Findings about the patient, worst first; of a patient who has died, only that (fault row 50).

    Findings of rules in shadow are among them, with ``rule.switch`` saying so; rules that are off are not run.
    """
    seen = situation or Situation(record, pack.tables)
    found: list[Finding] = []
    for rule, logic in pack.after_death if record.person.deceased else pack.record_checks:
        try:
            concluded = list(logic.on_record(rule, seen))
        except Exception as fault:  # noqa: BLE001 - one rule's fault must not silence the others; it is said instead
            concluded = [_failed(rule, None, fault)]
        for finding in concluded:
            urgency = pack.urgency(finding)
            found.append(finding if urgency is Urgency.ROUTINE else replace(finding, urgency=urgency))
    found.sort(key=_rank)
    return found


def evaluate_orders(pack: Pack, record: Record, situation: Situation | None = None) -> list[Finding]:
    """Findings about each draft order, worst first. Safety checks run whatever the state of the patient."""
    seen = situation or Situation(record, pack.tables)
    found: list[Finding] = []
    for order in record.orders:
        if order.do_not_perform:
            continue
        for rule, logic in pack.order_checks:
            try:
                found += logic.on_order(rule, seen, order)
            except Exception as fault:  # noqa: BLE001 - as above
                found.append(_failed(rule, order, fault))
    found.sort(key=_rank)
    return found


def _failed(rule: Rule, order: Order | None, fault: Exception) -> Finding:
    return Finding(
        rule=rule,
        key=f"{rule.id}:failed",
        severity=Severity.WARNING,
        summary=f"Not checked: {rule.title}",
        details=("This rule could not be run on this record. Its silence says nothing.",),
        order=order,
        worse=-1.0,  # asks for no urgency
        values={"fault": type(fault).__name__},
    )


def _rank(finding: Finding) -> tuple[int, int, float, str]:
    """Severity, urgency, value; the key makes the order independent of the record's."""
    return (-finding.severity.rank, -finding.urgency, -finding.worse, finding.key)
