"""Contrast media and kidneys, metformin beside contrast, gadolinium, imaging in pregnancy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.record.facts import Fact, Order
from cds_service.rules import calculators
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.imaging import Study
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.situation import Kidney, Situation

STEADY = 90  # stands in where AKI decides and no number is known
PROPHYLAXIS, CONSIDER = "prophylaxis-indicated", "individual-high-risk-consider"


class Risk(Given, frozen=True):
    """Problems and drugs that make an unrecorded kidney function worth saying."""

    ask_with: ProblemGroups
    ask_drugs: DrugGroup


class Gadolinium(Given, frozen=True):
    """``group_1``: agents contraindicated; ``below``: eGFR (mL/min/1.73 m²) from which down that holds."""

    group_1: DrugGroup
    group_3: DrugGroup
    below: int


class Pregnancy(Given, frozen=True):
    """``ask_modalities``: pelvic studies before which an unrecorded status is asked for."""

    ask_modalities: frozenset[str]


def is_imaging(order: Order, study: Study) -> bool:
    """A ServiceRequest with a modality."""
    return order.resource_type == "ServiceRequest" and bool(study.modalities)


@order_logic(
    "contrast-kidney",
    Risk,
    prophylaxis="study kidney",
    consider="study kidney",
    unknown="study",
)
def contrast_kidney(rule: Rule, given: Risk, situation: Situation, order: Order) -> Iterator[Finding]:
    """Iodinated contrast with eGFR below 30 or AKI; 30–44 at high risk (ACR-NKF 2020). Nothing needed is withheld."""
    study = situation.study(order)
    if not is_imaging(order, study) or not study.iodinated:
        return
    kidney = situation.kidney
    if not kidney.known:
        yield from _ask(rule, given, situation, order, study)
        return
    result = calculators.run(
        "Check_IodinatedContrast",
        {
            "egfr": kidney.egfr if kidney.egfr is not None else kidney.unsteady or 0,
            "aki": kidney.aki > 0,
            "maintenance_dialysis": kidney.dialysis,
            "route": "intra-arterial" if study.intra_arterial else "iv",
        },
    )["result"]
    text = {PROPHYLAXIS: "prophylaxis", CONSIDER: "consider"}.get(str(result))
    if text is None:
        return
    yield conclude(
        rule,
        text,
        {"study": order.label, "kidney": kidney.text},
        key=f"{text}:{order.label}",
        tier=Tier.ORDINARY if text == "prophylaxis" and study.stated else Tier.REMARK,
        facts=(*kidney.facts, order),
        missing=() if study.stated else ("whether contrast is given",),
        order=order,
        worse=_worse(kidney),
        values={"result": result, "aki_stage": kidney.aki, "egfr": kidney.egfr},
    )


def _worse(kidney: Kidney) -> float:
    return 1000.0 + kidney.aki if kidney.aki else float(-(kidney.egfr or 0))


def _ask(rule: Rule, given: Risk, situation: Situation, order: Order, study: Study) -> Iterator[Finding]:
    """Unknown stays unknown; it is said where a kidney history or metformin makes it matter (ACR-NKF 2020)."""
    because: list[Fact] = list(situation.problems(*given.ask_with.names))
    because += [drug.fact for drug in situation.drugs if drug.among(given.ask_drugs.members)]
    if because and study.stated:
        yield conclude(
            rule,
            "unknown",
            {"study": order.label},
            key=f"unknown:{order.label}",
            tier=Tier.REMARK,
            facts=(*because, order),
            missing=situation.kidney.missing or ("kidney function",),
            order=order,
        )


@order_logic(
    "gadolinium-kidney",
    Gadolinium,
    group_1="study kidney agent",
    unspecified="study kidney",
    group_3="study kidney agent",
)
def gadolinium_kidney(rule: Rule, given: Gadolinium, situation: Situation, order: Order) -> Iterator[Finding]:
    """Gadolinium with eGFR below 30, AKI or dialysis: group I is contraindicated; the agent decides (ACR-NKF 2021)."""
    study, drug = situation.study(order), situation.drug(order)
    kidney = situation.kidney
    if not (kidney.below(given.below) or kidney.aki or kidney.dialysis):
        return
    ordered = drug.match.ingredients | situation.tables.drugs.match(order.label).ingredients
    first, third = ordered & given.group_1.members, ordered & given.group_3.members
    if not (first or third) and not (is_imaging(order, study) and study.gadolinium and study.stated):
        return
    if ordered & (situation.tables.drugs.classes["gadolinium"].members - given.group_1.members - given.group_3.members):
        return
    text = "group_1" if first else "group_3" if third else "unspecified"
    yield conclude(
        rule,
        text,
        {"study": order.label, "kidney": kidney.text, "agent": ", ".join(sorted(first or third))},
        key=f"{text}:{order.label}",
        tier=Tier.RAISED if first else Tier.ORDINARY if third else Tier.REMARK,
        facts=(*kidney.facts, order),
        order=order,
        worse=_worse(kidney),
        values={"group": text},
    )


@order_logic("pregnancy-imaging", Pregnancy, pelvic="study", remote="study", gadolinium="study", ask="study")
def pregnancy_imaging(rule: Rule, given: Pregnancy, situation: Situation, order: Order) -> Iterator[Finding]:
    """Ionising imaging and gadolinium in pregnancy; before pelvic CT and the like, an unrecorded status (ACOG 723)."""
    study = situation.study(order)
    if not is_imaging(order, study):
        return
    state = situation.pregnancy
    text, tier = "", Tier.ORDINARY
    missing: tuple[str, ...] = ()
    if state.state == "pregnant":
        if study.ionising:
            text = "pelvic" if study.pelvic_dose or not study.regions else "remote"
            tier = Tier.ORDINARY if text == "pelvic" else Tier.REMARK
        elif study.gadolinium and study.stated:
            text = "gadolinium"
    elif state.state == "unknown" and study.pelvic_dose and given.ask_modalities & study.modalities:
        text, tier, missing = "ask", Tier.ORDINARY, ("pregnancy status",)
    if text and (text != "ask" or situation.record.person.sex == "female"):
        yield conclude(
            rule,
            text,
            {"study": order.label},
            key=f"{text}:{order.label}",
            tier=tier,
            facts=(*state.facts, order),
            missing=missing,
            order=order,
            values={"state": state.state},
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
        worse=_worse(kidney),
        values={"fda_label": fda, "acr_manual": acr, "lead": lead},
    )


def _with_metformin(given: Metformin, situation: Situation, order: Order) -> tuple[Order, Fact] | None:
    """The study and the metformin of a pair this draft speaks for: it is the study, or a metformin draft beside one."""
    studies = situation.contrast_drafts
    if any(study.number == order.number for study in studies):
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


CHECKS = (contrast_kidney, gadolinium_kidney, pregnancy_imaging, metformin_contrast)
