"""Metformin by kidney function: starting, continuing, and beside iodinated contrast (FDA 2016, ACR manual)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.record.facts import Fact, Order
from cds_service.rules import calculators
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.imaging import Study
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.situation import Situation

STEADY = 90  # stands in where AKI decides and no number is known


class Start(Given, frozen=True):
    """``reassess_below``: eGFR under which an ongoing metformin is reassessed."""

    metformin: DrugGroup
    reassess_below: int


@order_logic(
    "metformin-start",
    Start,
    contraindicated="drug kidney kidney_text",
    not_started="drug kidney kidney_text",
    reassess="drug kidney kidney_text",
    injury="drug kidney kidney_text",
    unknown="drug",
)
def metformin_start(rule: Rule, given: Start, situation: Situation, order: Order) -> Iterator[Finding]:
    """eGFR below 30: contraindicated; 30–45: not started, an ongoing one reassessed; unknown: to be asked first."""
    drug = situation.drug(order)
    if not drug.among(given.metformin.members):
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
            {"drug": drug.called, **kidney.words},
            key=text,
            tier=tier,
            facts=(order, *kidney.facts, *ongoing),
            missing=missing,
            order=order,
            worse=kidney.worse,
            values={"egfr": kidney.egfr, "aki_stage": kidney.aki, "ongoing": bool(ongoing)},
        )


class Metformin(Given, frozen=True):
    """``authority`` the card leads with: 'stricter', 'fda-label' or 'acr-manual'. Both are always shown."""

    metformin: DrugGroup
    authority: str
    fda_hold_with: ProblemGroups

    def __post_init__(self) -> None:
        if self.authority not in ("stricter", "fda-label", "acr-manual"):
            raise ValueError("authority must be 'stricter', 'fda-label' or 'acr-manual'")


ADVICE = {
    "continue": "continue",
    "hold-48h": "stop at or before the study, check eGFR after 48 h",
    "contraindicated": "metformin is contraindicated",
}
ORDER_OF_ADVICE = ("continue", "hold-48h", "contraindicated")


@order_logic("metformin-contrast", Metformin, found="study metformin lead fda acr why", unknown="study metformin")
def metformin_contrast(rule: Rule, given: Metformin, situation: Situation, order: Order) -> Iterator[Finding]:
    """Iodinated contrast for a patient on metformin. The two authorities disagree at eGFR 30–60: both are shown."""
    pair = _with_metformin(given, situation, order)
    if pair is None:
        return
    study_order, metformin = pair
    study, kidney = situation.study(study_order), situation.kidney
    words: dict[str, Any] = {"study": study_order.label, "metformin": metformin.label}
    facts = (metformin, study_order, *kidney.facts)
    if not kidney.known:
        if study.stated:
            yield conclude(
                rule, "unknown", words, key="unknown", tier=Tier.REMARK, facts=facts,
                missing=kidney.missing or ("kidney function",), order=order,
            )  # fmt: skip
        return
    fda, acr, why, history = _advice(given, situation, study)
    lead = {"fda-label": fda, "acr-manual": acr}.get(given.authority) or max(fda, acr, key=ORDER_OF_ADVICE.index)
    if kidney.aki or kidney.dialysis:
        lead = max(fda, acr, key=ORDER_OF_ADVICE.index)
    if fda == acr == "continue":
        return
    words |= {"lead": ADVICE[lead], "fda": ADVICE[fda], "acr": ADVICE[acr], "why": why}
    yield conclude(
        rule,
        "found",
        words,
        key=f"{fda}:{acr}",
        tier=Tier.REMARK if lead == "continue" or not study.stated else Tier.ORDINARY,
        facts=(*facts, *history),
        missing=() if study.stated else ("whether contrast is given",),
        order=order,
        worse=kidney.worse,
        values={"fda_label": fda, "acr_manual": acr, "lead": lead},
    )


def _with_metformin(given: Metformin, situation: Situation, order: Order) -> tuple[Order, Fact] | None:
    """The study and the metformin of a pair this draft speaks for: it is the study, or a metformin draft beside one."""
    studies = situation.contrast_drafts
    if any(study is order for study in studies):
        for drug in (*situation.drugs, *situation.drafts):
            fact = drug.fact
            mine = not isinstance(fact, Order) or order.selected or not fact.selected
            if mine and drug.among(given.metformin.members):
                return order, fact
    elif situation.drug(order).among(given.metformin.members):
        for study in studies:
            if order.selected and not study.selected:
                return study, order
    return None


def _advice(given: Metformin, situation: Situation, study: Study) -> tuple[str, str, str, list[Fact]]:
    """FDA label and ACR manual for this patient; the label also stops with liver disease, alcoholism or heart failure.

    In AKI no eGFR is known. Both then hold, and the label's contraindication is kept where the creatinine alone would
    give less than 30.
    """
    kidney = situation.kidney
    egfr = kidney.egfr if kidney.egfr is not None else kidney.unsteady
    result = calculators.run(
        "Check_MetforminContrast",
        {
            "egfr": STEADY if egfr is None else egfr,
            "aki": kidney.aki > 0,
            "route": "intra-arterial" if study.intra_arterial else "iv",
        },
    )
    fda, acr = str(result["fda_label"]), str(result["acr_manual"])
    why = [kidney.text]
    if kidney.aki:
        why.append("with acute kidney injury the stricter reading is taken")
    history: list[Fact] = list(situation.problems(*given.fda_hold_with.names))
    if history and fda == "continue":
        fda = "hold-48h"
        why.append(f"the label also names {history[0].label}")
    return fda, acr, "; ".join(why), history


CHECKS = (metformin_start, metformin_contrast)
