"""What no rule could look at is said, order by order: silence would read as “no conflict”."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.facts import Allergy, Order
from cds_service.rules.allergies import allergen, severe, speaking
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.kinds import Kind
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.record.allergies import listed
from cds_service.rules.situation import DRUG_ORDERS, Situation, called, names


class NoParameters(Given, frozen=True):
    """A function without thresholds."""


@order_logic("order-not-checked", NoParameters, drug="order", kind="order", imaging="order", type="order type")
def order_not_checked(rule: Rule, given: NoParameters, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug without a known ingredient, an imaging order without a modality, an order of unknown kind or type."""
    text = _why(situation, order)
    if text:
        label = called(order, ()) or order.resource_type
        yield conclude(
            rule,
            text,
            {"order": label, "type": order.resource_type},
            key=f"{text}:{label}",
            facts=(order,),
            order=order,
            values={"why": text},
        )


def _why(situation: Situation, order: Order) -> str:
    if order.resource_type in DRUG_ORDERS:
        return "" if situation.drug(order).match.ingredients else "drug"
    if order.resource_type != "ServiceRequest":
        return "type"
    kind = situation.kind(order)
    if kind is Kind.IMAGING:
        return "" if situation.study(order).modalities else "imaging"
    return "kind" if kind is Kind.UNKNOWN else ""


@order_logic("drug-name-mismatch", NoParameters, found="order coded written")
def drug_name_mismatch(rule: Rule, given: NoParameters, situation: Situation, order: Order) -> Iterator[Finding]:
    """The order's text names another drug than its code: the code was checked (fault row 55)."""
    match = situation.drug(order).match
    if match.contradicts:
        yield conclude(
            rule,
            "found",
            {"order": order.label, "coded": names(match.ingredients), "written": names(match.contradicts)},
            key=order.label,
            facts=(order,),
            order=order,
            values={"coded": names(match.ingredients), "written": names(match.contradicts)},
        )


@order_logic("medications-not-checked", NoParameters, found="order count names")
def medications_not_checked(rule: Rule, given: NoParameters, situation: Situation, order: Order) -> Iterator[Finding]:
    """Active medications no rule knows: said once, with the first selected drug order of the call."""
    if not situation.unmapped or not _speaks(situation, order):
        return
    unmapped = situation.unmapped
    known_by = ", ".join(called(m, ()) for m in unmapped[:3])
    words = {"order": order.label, "count": len(unmapped), "names": known_by}
    yield conclude(rule, "found", words, facts=(order, *unmapped[:10]), order=order, worse=float(len(unmapped)))


@order_logic("allergies-not-checked", NoParameters, found="order names")
def allergies_not_checked(rule: Rule, given: NoParameters, situation: Situation, order: Order) -> Iterator[Finding]:
    """Recorded drug allergies no rule knows: said once, with the first selected drug order; raised by a severe one."""
    if not _speaks(situation, order):
        return
    unknown = [allergy for allergy in speaking(situation) if _unknown_drug(situation, allergy)]
    if unknown:
        words = {"order": order.label, "names": listed([called(a, ()) for a in unknown])}
        yield conclude(
            rule,
            "found",
            words,
            key="+".join(sorted(a.label for a in unknown)),
            tier=Tier.RAISED if any(map(severe, unknown)) else Tier.ORDINARY,
            facts=(order, *unknown[:10]),
            order=order,
            worse=float(len(unknown)),
        )


def _speaks(situation: Situation, order: Order) -> bool:
    """Which drug order of a call speaks for all: the first that is selected, else the first."""
    drafts = [drug.fact for drug in situation.drafts if isinstance(drug.fact, Order)]
    first = next((draft for draft in drafts if draft.selected), drafts[0] if drafts else None)
    return first is order


def _unknown_drug(situation: Situation, allergy: Allergy) -> bool:
    """True for an allergy that may be to a drug and that drugs.toml maps to nothing."""
    to = allergen(situation, allergy)
    if to.ingredients or to.classes or not allergy.label or situation.tables.drugs.no_drug(allergy.label):
        return False
    return not allergy.category or not {"medication", "biologic"}.isdisjoint(allergy.category)


CHECKS = (order_not_checked, drug_name_mismatch, medications_not_checked, allergies_not_checked)
