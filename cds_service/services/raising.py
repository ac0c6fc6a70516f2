"""Which priority to suggest for a draft: the rules' floor, or the model's category where that is higher.

The model may raise, never lower: not the order's own priority, and not the floor. It needs its reasons beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cds_service.assessments.task import Checked
from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Switch, Urgency
from cds_service.rules.pack import Pack
from cds_service.rules.triage import PRIORITIES, RULE, Floor, urgency_floor
from cds_service.services.assessed import Opinion, usable


class Suggested(Struct, frozen=True, kw_only=True):
    """One draft with the priority to suggest. ``floor`` is the rules' part of it, '' where they suggest none.

    ``prepare``: findings behind it for which the study is prepared first, as it gives contrast.
    """

    order: Order
    priority: str
    floor: str = ""
    findings: Sequence[Finding] = ()
    prepare: Sequence[Finding] = ()
    model: Checked | None = None  # whose category it is, where that is above floor and order


def suggest(
    pack: Pack, findings: Sequence[Finding], order: Order, opinion: Opinion | None, *, labels: bool
) -> Suggested | None:
    """None where neither rules nor model ask for more than the order has. ``labels``: provisional ones count."""
    floor = urgency_floor(pack, findings, order)
    raised = _category(pack, order, floor, opinion, labels=labels) if opinion is not None else None
    if raised is not None:
        code, checked = raised
        return _suggested(order, code, floor, checked)
    return _suggested(order, floor.priority, floor) if floor.priority else None


def _suggested(order: Order, code: str, floor: Floor, model: Checked | None = None) -> Suggested:
    return Suggested(
        order=order,
        priority=code,
        floor=floor.priority,
        findings=floor.findings,
        prepare=floor.prepare,
        model=model,
    )


def _category(pack: Pack, order: Order, floor: Floor, opinion: Opinion, *, labels: bool) -> tuple[str, Checked] | None:
    """The code of the model's category and the answer it stands in; None where it does not raise, or may not be shown."""
    if order.do_not_perform or pack.tables.imaging.order(order).screening:
        return None
    checked = usable(opinion.triage)
    if checked is None and labels and not _refused(opinion):
        checked = usable(opinion.label)
    if checked is None or checked.category not in PRIORITIES:
        return None
    if not (checked.statements or checked.provisional):  # no reason that stood up to the record: no category
        return None
    code = _code(pack, checked.category)
    least = max(PRIORITIES.get(order.priority, Urgency.ROUTINE), PRIORITIES.get(floor.priority, Urgency.ROUTINE))
    return (code, checked) if PRIORITIES[code] > least else None


def _refused(opinion: Opinion) -> bool:
    """The reasons were made and did not agree with the record: the label before them is not shown in their place."""
    made = opinion.triage.checked if opinion.triage is not None else None
    return made is not None and bool(made.discarded)


def _code(pack: Pack, category: str) -> str:
    """The site's priority for an urgency: some have no ``asap``."""
    rule = pack.rules.get(RULE)
    if rule is None or rule.switch is Switch.OFF:
        return category
    return str(rule.given.priority[category])
