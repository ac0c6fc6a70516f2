"""A suggested priority for draft orders: the rules' urgency floor, never lower than the order's own (DESIGN §5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Raw

from cds_service.hooks.markdown import escape
from cds_service.hooks.protocol import Action, Card, Coding, Source, decode_as_written
from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Severity, Urgency
from cds_service.services import layout


def raised(order: Order, priority: str) -> Raw:
    """The whole order with only ``priority`` changed: numbers as written, empty members pruned (checklist G4, T2)."""
    resource = decode_as_written(order.raw)
    resource["priority"] = priority
    return Raw(msgspec.json.encode(_pruned(resource)))


def _pruned(value: Any) -> Any:
    """Without nulls and empty values: a client may send them, an answer may not hold them."""
    if isinstance(value, dict):
        kept = {key: _pruned(member) for key, member in value.items()}
        return {key: member for key, member in kept.items() if not _empty(member)}
    if isinstance(value, list):
        return [member for member in map(_pruned, value) if not _empty(member)]
    return value


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, dict, list)) and not value)


def card(floors: Sequence[tuple[Order, str, Urgency, Sequence[Finding]]], sheet: layout.Sheet) -> layout.Laid | None:
    """One card for all priority suggestions; None when no order is below its floor."""
    if not floors:
        return None
    suggestions = []
    for order, priority, _, _ in floors:
        before = order.priority or "routine (not stated)"
        suggestions.append(
            layout.suggestion(
                layout.fit(f"Set priority {priority}: {order.label}", 100),
                Action(
                    type="update",
                    description=layout.fit(f"Change the priority of {order.label} from {before} to {priority}", 200),
                    resource=raised(order, priority),
                ),
            )
        )
    findings = list({id(f): f for _, _, _, supporting in floors for f in supporting}.values())
    first = floors[0]
    labels = [order.label for order, *_ in floors]
    names = labels[0] if len(labels) == 1 else f"{len(labels)} orders ({'; '.join(labels)})"
    uuid = str(uuid4())
    laid = layout.Laid(
        Card(
            uuid=uuid,
            summary=layout.fit(
                f"Consider priority {first[1]} for {names}: {_why(findings)}", sheet.profile.summary_length
            ),
            indicator="warning" if any(f.severity is Severity.CRITICAL for f in findings) else "info",
            source=Source(
                label=layout.LABEL,
                topic=Coding(code="orderpriority", system=layout.RULE_SYSTEM, display="Suggested order priority"),
            ),
            detail=_detail(floors, findings, sheet),
            overrideReasons=layout.overrides(("already-known", "not-applicable", "disagree"), sheet),
        ),
        layout.issued(sheet, uuid, findings, "info"),
    )
    return layout.with_suggestions(laid, suggestions, sheet)


def _why(findings: Sequence[Finding]) -> str:
    return "; ".join(f.summary.rstrip(".") for f in findings)


def _detail(
    floors: Sequence[tuple[Order, str, Urgency, Sequence[Finding]]], findings: Sequence[Finding], sheet: layout.Sheet
) -> str:
    rows = ["| Order | Priority now | Suggested at least |", "| --- | --- | --- |"]
    rows += [
        f"| {escape(order.label)} | {order.priority or 'not stated'} | {priority} |" for order, priority, *_ in floors
    ]
    reasons = "\n\n".join(
        f"**{escape(finding.summary)}**\n\n{layout.block(finding, sheet.zone)}" for finding in findings
    )
    return (
        "\n".join(rows)
        + "\n\nThe suggestion is a floor computed by rules from the findings below. It never lowers a priority; "
        "the order is otherwise unchanged.\n\n" + reasons
    )
