"""The urgency floor of an order: a minimum its findings ask for. Monotone: worse or further findings never lower it.

The table (rule ``order-priority`` of the pack) says from which value on a finding asks for which urgency, which kinds
of order are meant, and which ServiceRequest.priority each urgency is. Screening and elective orders have no floor. What
is also a reason to prepare a contrast study first is named apart, so that urgent is not read as unprepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Scope, Switch, Urgency
from cds_service.rules.imaging import Study
from cds_service.rules.kinds import Kind
from cds_service.rules.logic import Given, Logic
from cds_service.rules.parameters import DrugGroup

if TYPE_CHECKING:
    from cds_service.rules.pack import Pack

RULE = "order-priority"
# R4 request-priority, in rising order.
PRIORITIES: Mapping[str, Urgency] = {
    "routine": Urgency.ROUTINE,
    "urgent": Urgency.URGENT,
    "asap": Urgency.ASAP,
    "stat": Urgency.STAT,
}


class Table(Given, frozen=True):
    """``ladders``: rule id → [[value, urgency], …] rising in both; ``priority``: urgency → R4 code.

    ``before_contrast``: rules whose findings ask that a study which gives contrast be prepared first; ``unprepared``:
    agents that need no preparation.
    """

    kinds: frozenset[str]
    ladders: dict[str, list[tuple[float, str]]]
    priority: dict[str, str]
    before_contrast: frozenset[str]
    unprepared: DrugGroup

    def __post_init__(self) -> None:
        if self.kinds - set(Kind):
            raise ValueError(f"unknown kinds of order {sorted(self.kinds - set(Kind))}")
        for rule, steps in self.ladders.items():
            if any(urgency not in PRIORITIES for _, urgency in steps):
                raise ValueError(f"ladder of {rule} names an unknown urgency")
            values, ranks = [at for at, _ in steps], [PRIORITIES[urgency] for _, urgency in steps]
            if not steps or values != sorted(set(values)) or ranks != sorted(ranks):
                raise ValueError(f"ladder of {rule} must rise in value and urgency")
        codes = [self.priority.get(urgency, "") for urgency in PRIORITIES]
        if set(self.priority) != set(PRIORITIES) or any(code not in PRIORITIES for code in codes):
            raise ValueError("priority maps each of routine, urgent, asap, stat to one of them")
        if codes != sorted(codes, key=lambda code: PRIORITIES[code]):
            raise ValueError("priority must not fall as urgency rises")

    @property
    def names(self) -> frozenset[str]:
        """Every rule the table names."""
        return self.before_contrast.union(self.ladders)

    def urgency(self, finding: Finding) -> Urgency:
        """What a finding about the patient asks for."""
        reached = [PRIORITIES[u] for at, u in self.ladders.get(finding.rule.id, ()) if finding.worse >= at]
        return max(reached, default=Urgency.ROUTINE)


class Floor(NamedTuple):
    """``priority`` is the code to suggest, '' where the order already has that urgency or more.

    ``prepare``: those of ``findings`` for which this study is prepared first, as it gives contrast.
    """

    urgency: Urgency
    findings: tuple[Finding, ...]
    priority: str = ""
    prepare: tuple[Finding, ...] = ()


def urgency_floor(pack: Pack, findings: Iterable[Finding], order: Order) -> Floor:
    """The least urgency of a draft: its own priority, or more where shown findings about the patient ask for it.

    Findings in shadow count for nothing. Only the kinds of order of the site's table have a floor.
    """
    own = PRIORITIES.get(order.priority, Urgency.ROUTINE)
    rule = pack.rules.get(RULE)
    if rule is None or rule.switch is Switch.OFF or order.do_not_perform:
        return Floor(own, ())
    table: Table = rule.given
    study = pack.tables.imaging.order(order)
    if study.screening or pack.tables.kinds.kind(order, study) not in table.kinds:
        return Floor(own, ())
    asking = [f for f in findings if f.order is None and f.rule.switch is Switch.ON and f.urgency > own]
    if not asking:
        return Floor(own, ())
    first = table.before_contrast if _prepared_for_contrast(pack, table, study, order) else frozenset[str]()
    urgency = max(f.urgency for f in asking)
    code = table.priority[urgency.name.lower()]
    suggested = code if PRIORITIES[code] > own and rule.switch is Switch.ON else ""
    prepare = tuple(f for f in asking if f.rule.id in first)
    return Floor(urgency, tuple(sorted(asking, key=lambda f: -f.urgency)), suggested, prepare)


def _prepared_for_contrast(pack: Pack, table: Table, study: Study, order: Order) -> bool:
    """The order says that iodinated contrast or gadolinium is given, and names no agent that needs no preparation."""
    if not (study.stated and (study.iodinated or study.gadolinium)):
        return False
    return pack.tables.drugs.match(order.label, order.codes).ingredients.isdisjoint(table.unprepared.members)


CHECKS = (Logic(RULE, Scope.TRIAGE, Table, {"suggest": "order priority"}, None),)
