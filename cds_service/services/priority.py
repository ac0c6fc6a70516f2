"""The card of suggested priorities: the rules' urgency floor, or the model's category above it, each said to be whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from cds_service.hooks.markdown import escape, fit
from cds_service.hooks.protocol import Action, Card, Coding, Source, Suggestion, decode_as_written
from cds_service.randomness import uuid4
from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Severity
from cds_service.services import assessed, cited, layout
from cds_service.services.raising import Suggested
from cds_service.services.service import IssuedCard

SUGGESTS = "AI suggests"
ROOM_FOR_NAMES = 40  # characters of the orders' names in a headline


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


def card(suggested: Sequence[Suggested], sheet: layout.Sheet, facts: cited.Facts) -> layout.Laid | None:
    """One card for all priority suggestions; None when there is none. ``facts``: the record's, for what a model cites."""
    if not suggested:
        return None
    findings = list({id(f): f for each in suggested for f in each.findings}.values())
    uuid = uuid4()
    laid = layout.Laid(
        Card(
            uuid=uuid,
            summary=_summary(suggested, findings, sheet.profile.summary_length),
            indicator="warning" if any(f.severity is Severity.CRITICAL for f in findings) else "info",
            source=Source(
                label=_label(suggested),
                topic=Coding(code="orderpriority", system=layout.RULE_SYSTEM, display="Suggested order priority"),
            ),
            detail=_detail(suggested, findings, sheet, facts),
            overrideReasons=layout.overrides(("already-known", "not-applicable", "disagree"), sheet),
        ),
        _issued(suggested, layout.issued(sheet, uuid, findings, "info")),
    )
    return layout.with_suggestions(laid, [_suggestion(each) for each in suggested], sheet)


def _said(code: str) -> str:
    """A request-priority as people read it: FHIR ranks asap above urgent, and many read it the other way round."""
    return "asap (above urgent)" if code == "asap" else code


def _suggestion(each: Suggested) -> Suggestion:
    order, before, after = each.order, each.order.priority or "routine (not stated)", _said(each.priority)
    mark = f"{SUGGESTS}: set" if each.model is not None else "Set"
    return layout.suggestion(
        fit(f"{mark} priority {after}: {order.label}", 100),
        Action(
            type="update",
            description=fit(f"Change the priority of {order.label} from {before} to {after}", 200),
            resource=raised(order, each.priority),
        ),
    )


def _summary(suggested: Sequence[Suggested], findings: Sequence[Finding], limit: int) -> str:
    first = suggested[0]
    labels = [each.order.label for each in suggested]
    names = labels[0] if len(labels) == 1 else f"{len(labels)} orders ({layout.fit_list(labels, ROOM_FOR_NAMES)})"
    if first.model is None:
        return layout.fit_list(_why(findings), limit, f"Consider priority {_said(first.priority)} for {names}: ")
    said = f"{SUGGESTS} priority {_said(first.priority)} for {names} ({assessed.DRAFTED})"
    if not first.floor:
        return fit(said, limit)
    return layout.fit_list(_why(first.findings), limit, f"{said}; rules ask for at least {_said(first.floor)}: ")


def _label(suggested: Sequence[Suggested]) -> str:
    labels = list(dict.fromkeys(assessed.label(each.model) for each in suggested if each.model is not None))
    if not labels:
        return layout.LABEL
    by_rules = any(each.floor for each in suggested)
    return f"{layout.LABEL}; {'; '.join(labels)}" if by_rules else f"MedGemma CDS: {'; '.join(labels)}"


def _issued(suggested: Sequence[Suggested], card: IssuedCard) -> IssuedCard:
    """An answer to a suggested priority acknowledges no critical finding behind it."""
    model = next((each.model for each in suggested if each.model is not None), None)
    kept = replace(card, critical=())
    return kept if model is None else replace(kept, prompt=model.prompt, engine=model.identity.label)


def _why(findings: Sequence[Finding]) -> list[str]:
    return [f.summary.rstrip(".") for f in findings]


def _detail(
    suggested: Sequence[Suggested], findings: Sequence[Finding], sheet: layout.Sheet, facts: cited.Facts
) -> str:
    by_rules = [each for each in suggested if each.floor]
    parts = [_said_by_model(each, facts) for each in suggested if each.model is not None]
    if by_rules:
        rows = ["| Order | Priority now | Suggested at least |", "| --- | --- | --- |"]
        rows += [
            f"| {escape(each.order.label)} | {each.order.priority or 'not stated'} | {_said(each.floor)} |"
            for each in by_rules
        ]
        parts.append(
            "\n".join(rows)
            + "\n\nThe suggestion is a floor computed by rules from the findings below. It never lowers a priority; "
            "the order is otherwise unchanged."
        )
        parts += [f"**{escape(finding.summary)}**\n\n{layout.block(finding, sheet.zone)}" for finding in findings]
    parts += [
        f"Urgent is not unprepared: {escape(each.order.label)} gives contrast, which needs preparation first."
        for each in suggested
        if each.prepare
    ]
    return "\n\n".join(parts)


def _said_by_model(each: Suggested, facts: cited.Facts) -> str:
    """Whose suggestion it is, and its reasons with their facts."""
    model = each.model
    if model is None:
        return ""
    now, rules = each.order.priority or "not stated", _said(each.floor) or "no more than it has"
    title = f"**{SUGGESTS} {_said(each.priority)}: {escape(each.order.label)}** ({escape(assessed.label(model))})"
    standing = f"Priority now: {escape(now)}. Rules ask for: {rules}. The model may raise a priority, never lower one."
    if model.provisional:
        standing += " Provisional: a label without its reasons, which are being prepared."
    lines = [f"- {cited.statement(said, facts)}" for said in model.statements]
    return "\n\n".join(filter(None, (title, standing, "\n".join(lines))))
