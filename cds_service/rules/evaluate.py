"""Runs the pack over a record. Pure: the same record gives the same findings, whatever the order of its facts.

A rule that fails does not take the others with it: it becomes a finding that says it could not be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from cds_service.record.facts import Order, Record
from cds_service.rules.catalogue import Finding, Rule, Severity, Switch, Urgency
from cds_service.rules.pack import Pack
from cds_service.rules.situation import Situation


def evaluate_record(pack: Pack, record: Record, situation: Situation | None = None) -> list[Finding]:
    """Findings about the patient, worst first, one per harm; of a patient who has died, only that (fault row 50).

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
    found = absorbed(found)
    found.sort(key=_rank)
    return found


def switched_on(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of rules that may speak. Quietness is not asked: a floor must hold whoever looks."""
    return [f for f in findings if f.rule.switch is Switch.ON]


def evaluate_orders(pack: Pack, record: Record, situation: Situation | None = None) -> list[Finding]:
    """Findings about each draft order, worst first, one per draft and mechanism.

    Safety checks run whatever the state of the patient.
    """
    seen = situation or Situation(record, pack.tables)
    found: list[Finding] = []
    for order in record.orders:
        if order.do_not_perform:
            continue
        concluded: list[Finding] = []
        for rule, logic in pack.order_checks:
            try:
                concluded += logic.on_order(rule, seen, order)
            except Exception as fault:  # noqa: BLE001 - as above
                found.append(_failed(rule, order, fault))
        found += one_per_mechanism(concluded)
    found.sort(key=_rank)
    return found


def one_per_mechanism(findings: Iterable[Finding]) -> list[Finding]:
    """Findings about one draft; those of rules with the same mechanism become one, the most severe of them.

    Rules that speak and rules in shadow are never joined: what is not shown may hide nothing.
    """
    apart: list[Finding] = []
    groups: dict[tuple[str, Switch], list[Finding]] = {}
    for finding in findings:
        if finding.rule.mechanism:
            groups.setdefault((finding.rule.mechanism, finding.rule.switch), []).append(finding)
        else:
            apart.append(finding)
    return apart + [_joined(group) for group in groups.values()]


def absorbed(findings: list[Finding]) -> list[Finding]:
    """Findings about the patient, those left out that stand inside another (``Rule.absorbs``).

    One is taken in where it rests on no fact but the other's and is no more severe, so that a critical finding is never
    under a lesser one; its urgency and how long it stands pass on. Shadow and shown are never joined.
    """
    for head in [f for f in findings if f.rule.absorbs is not None and f.worse >= f.rule.absorbs.at]:
        taken = [finding for finding in findings if _inside(finding, head)]
        if taken:
            parts = (head, *taken)
            joined = replace(
                head,
                missing=tuple(dict.fromkeys(word for part in parts for word in part.missing)),
                urgency=max(part.urgency for part in parts),
                since=min((part.since for part in parts if part.since is not None), default=None),
                absorbed=tuple(taken),
            )
            findings = [joined if f is head else f for f in findings if not any(f is t for t in taken)]
    return findings


def _inside(finding: Finding, head: Finding) -> bool:
    if head.rule.absorbs is None or finding.rule.id not in head.rule.absorbs.rules or not finding.facts:
        return False
    if finding.rule.switch is not head.rule.switch or finding.severity.rank > head.severity.rank:
        return False
    own = {id(fact) for fact in head.facts}
    return all(id(fact) in own for fact in finding.facts)


def _joined(group: Sequence[Finding]) -> Finding:
    """The most severe, the pack's first of equals, with the facts and the gaps of all."""
    if len(group) == 1:
        return group[0]
    head = max(group, key=lambda finding: finding.severity.rank)
    others = tuple(finding for finding in group if finding is not head)
    return replace(
        head,
        facts=tuple(dict.fromkeys(fact for finding in (head, *others) for fact in finding.facts)),
        missing=tuple(dict.fromkeys(word for finding in (head, *others) for word in finding.missing)),
        worse=max(finding.worse for finding in group),
        absorbed=others,
    )


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
