"""Orders against the allergy list: drugs by ingredient, class and side chain; contrast media by class."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.facts import Allergy, Order
from cds_service.rules.allergies import Closeness, Conflict, allergen, conflicts, severe, speaking
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.drugs import Allergen
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Drug, Situation, called

_TEXT = {
    Closeness.SAME: "same",
    Closeness.CLASS: "class",
    Closeness.SIDE_CHAIN: "chain",
    Closeness.SIDE_CHAIN_OF_CLASS: "chain_unknown",
    Closeness.SEVERE_DELAYED: "delayed",
}


class NoParameters(Given, frozen=True):
    """A function without thresholds."""


class ContrastAllergy(Given, frozen=True):
    """The two contrast classes; they do not cross-react."""

    iodinated: DrugGroup
    gadolinium: DrugGroup


def tier(allergy: Allergy) -> Tier:
    """Raised after a severe reaction; a remark for an intolerance that was not severe."""
    if severe(allergy):
        return Tier.RAISED
    return Tier.REMARK if allergy.type == "intolerance" else Tier.ORDINARY


def reaction(allergy: Allergy) -> str:
    """The recorded reaction in a few words, or that none is recorded."""
    said = ", ".join(allergy.manifestations[:2])
    return said or (f"{allergy.severity} reaction" if allergy.severity else "reaction not recorded")


@order_logic(
    "allergy-drug",
    NoParameters,
    same="drug allergy reaction through",
    **dict.fromkeys(("class", "chain", "chain_unknown", "delayed"), "drug allergy reaction through"),
)
def allergy_drug(rule: Rule, given: NoParameters, situation: Situation, order: Order) -> Iterator[Finding]:
    """An ordered drug that is, belongs to, or shares a side chain with what an active allergy names."""
    drug = situation.drug(order)
    if not drug.match.ingredients:
        return
    for allergy in speaking(situation):
        to = allergen(situation, allergy)
        found = conflicts(situation.tables.drugs, to, drug.match.ingredients, allergy)
        if found:
            worst = max(found, key=lambda conflict: conflict.closeness)
            yield _finding(rule, order, drug, allergy, _named(situation, allergy, to), worst)


def _named(situation: Situation, allergy: Allergy, to: Allergen) -> str:
    """The allergy as the record names it, else by the classes or drugs its code stands for."""
    return called(allergy, [situation.tables.drugs.classes[name].title for name in to.classes] or to.ingredients)


def _finding(rule: Rule, order: Order, drug: Drug, allergy: Allergy, named: str, worst: Conflict) -> Finding:
    words = {
        "drug": drug.called,
        "allergy": named,
        "reaction": reaction(allergy),
        "through": worst.through,
    }
    return conclude(
        rule,
        _TEXT[worst.closeness],
        words,
        key=f"{worst.drug}:{allergy.label}",
        tier=tier(allergy),
        facts=(allergy, order),
        order=order,
        worse=float(severe(allergy)) * 10 + worst.closeness,
        values={"drug": worst.drug, "closeness": _TEXT[worst.closeness], "severe": severe(allergy)},
    )


@order_logic(
    "contrast-allergy",
    ContrastAllergy,
    **dict.fromkeys(("found", "unstated", "unknown_class"), "study allergy reaction"),
)
def contrast_allergy(rule: Rule, given: ContrastAllergy, situation: Situation, order: Order) -> Iterator[Finding]:
    """An earlier reaction to the same class of contrast, or to contrast of a class that nobody recorded.

    Shellfish and iodine are no reason to say anything.
    """
    study = situation.study(order)
    if order.resource_type != "ServiceRequest" or not (study.iodinated or study.gadolinium):
        return
    wanted = given.iodinated.members if study.iodinated else given.gadolinium.members
    for allergy in speaking(situation):
        to = allergen(situation, allergy)
        named = to.ingredients.union(*(situation.tables.drugs.classes[name].members for name in to.classes))
        if named.isdisjoint(wanted):
            continue
        either = not (named.isdisjoint(given.iodinated.members) or named.isdisjoint(given.gadolinium.members))
        given_for_sure = study.stated or study.contrast
        yield conclude(
            rule,
            ("unknown_class" if either else "found") if given_for_sure else "unstated",
            {"study": order.label, "allergy": _named(situation, allergy, to), "reaction": reaction(allergy)},
            key=f"{allergy.label}:{order.label}",
            tier=tier(allergy) if study.stated else Tier.REMARK if tier(allergy) is Tier.REMARK else Tier.ORDINARY,
            facts=(allergy, order),
            order=order,
            worse=float(severe(allergy)),
            values={"severe": severe(allergy), "contrast": study.contrast},
        )


CHECKS = (allergy_drug, contrast_allergy)
