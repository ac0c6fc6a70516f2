"""Contrast media and kidneys, gadolinium, imaging in pregnancy."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.facts import Fact, Order
from cds_service.rules import calculators
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.imaging import Study
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.situation import Situation

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
    """``ask_modalities``: pelvic studies before which an unrecorded status is asked for.

    ``tracer_modalities``: those that give a radioactive tracer, which reaches the uterus whatever the region.
    """

    ask_modalities: frozenset[str]
    tracer_modalities: frozenset[str]


def is_imaging(order: Order, study: Study) -> bool:
    """A ServiceRequest with a modality."""
    return order.resource_type == "ServiceRequest" and bool(study.modalities)


@order_logic(
    "contrast-kidney",
    Risk,
    prophylaxis="study kidney kidney_text aki",
    consider="study kidney kidney_text",
    unknown="study",
    aki="",
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
        {"study": order.label, **kidney.words, "aki": rule.texts["aki"] if kidney.aki and study.stated else ""},
        key=f"{text}:{order.label}",
        tier=Tier.ORDINARY if text == "prophylaxis" and study.stated else Tier.REMARK,
        facts=(*kidney.facts, order),
        missing=() if study.stated else ("whether contrast is given",),
        order=order,
        worse=kidney.worse,
        values={"result": result, "aki_stage": kidney.aki, "egfr": kidney.egfr},
    )


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
    group_1="study kidney kidney_text agent aki",
    unspecified="study kidney kidney_text aki",
    group_3="study kidney kidney_text agent aki",
    aki="",
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
    words = {
        "agent": ", ".join(sorted(first or third)),
        "aki": rule.texts["aki"] if kidney.aki and is_imaging(order, study) and study.stated else "",
    }
    yield conclude(
        rule,
        text,
        {"study": order.label, **kidney.words, **words},
        key=f"{text}:{order.label}",
        tier=Tier.RAISED if first else Tier.ORDINARY if third else Tier.REMARK,
        facts=(*kidney.facts, order),
        order=order,
        worse=kidney.worse,
        values={"group": text},
    )


@order_logic(
    "pregnancy-imaging", Pregnancy, **dict.fromkeys(("pelvic", "remote", "tracer", "gadolinium", "ask"), "study")
)
def pregnancy_imaging(rule: Rule, given: Pregnancy, situation: Situation, order: Order) -> Iterator[Finding]:
    """Ionising imaging and gadolinium in pregnancy; before pelvic CT and the like, an unrecorded status (ACOG 723)."""
    study = situation.study(order)
    if not is_imaging(order, study):
        return
    state = situation.pregnancy
    text, tier = "", Tier.ORDINARY
    missing: tuple[str, ...] = ()
    tracer = bool(given.tracer_modalities & study.modalities)
    if state.state == "pregnant":
        if tracer:
            text = "tracer"
        elif study.ionising:
            text = "pelvic" if study.pelvic_dose or not study.regions else "remote"
            tier = Tier.ORDINARY if text == "pelvic" else Tier.REMARK
        elif study.gadolinium and study.stated:
            text = "gadolinium"
    elif state.state == "unknown" and (study.pelvic_dose or tracer) and given.ask_modalities & study.modalities:
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


CHECKS = (contrast_kidney, gadolinium_kidney, pregnancy_imaging)
