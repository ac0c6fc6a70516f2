"""Starting and continuing metformin by kidney function (FDA 2016)."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.facts import Order
from cds_service.rules import calculators
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Situation


class Start(Given, frozen=True):
    """``reassess_below``: eGFR under which an ongoing metformin is reassessed."""

    metformin: DrugGroup
    reassess_below: int


@order_logic(
    "metformin-start",
    Start,
    contraindicated="drug kidney",
    not_started="drug kidney",
    reassess="drug kidney",
    injury="drug kidney",
    unknown="drug",
)
def metformin_start(rule: Rule, given: Start, situation: Situation, order: Order) -> Iterator[Finding]:
    """eGFR below 30: contraindicated; 30–45: not started, an ongoing one reassessed; unknown: to be asked first."""
    if not situation.drug(order).among(given.metformin.members):
        return
    kidney = situation.kidney
    ongoing = [drug.fact for drug in situation.drugs if drug.among(given.metformin.members)]
    text, tier = "", Tier.ORDINARY
    missing: tuple[str, ...] = ()
    if kidney.dialysis or (kidney.unsteady is not None and kidney.unsteady < 30):
        text, tier = "contraindicated", Tier.RAISED
    elif kidney.aki:
        text = "injury"
    elif kidney.egfr is None:
        text, tier, missing = "unknown", Tier.REMARK, kidney.missing or ("eGFR",)
        if ongoing:
            return
    else:
        result = calculators.run("Check_MetforminInitiate", {"egfr": kidney.egfr})["result"]
        if result == "contraindicated":
            text, tier = "contraindicated", Tier.RAISED
        elif ongoing:
            text, tier = ("reassess", Tier.REMARK) if kidney.egfr < given.reassess_below else ("", tier)
        elif result == "do-not-initiate":
            text = "not_started"
    if text:
        yield conclude(
            rule,
            text,
            {"drug": order.label, "kidney": kidney.text},
            key=text,
            tier=tier,
            facts=(order, *kidney.facts, *ongoing),
            missing=missing,
            order=order,
            worse=1000.0 + kidney.aki if kidney.aki else float(-(kidney.egfr or 0)),
            values={"egfr": kidney.egfr, "aki_stage": kidney.aki, "ongoing": bool(ongoing)},
        )


CHECKS = (metformin_start,)
