"""Drugs that raise potassium: two at once, or one while potassium is high. Insulin while potassium is low."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from cds_service.record import wording
from cds_service.record.facts import Order, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.orders.pairs import gather
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.record.critical import limits, printed
from cds_service.rules.situation import Drug, Situation, names


class Potassium(Given, frozen=True):
    """Groups that raise potassium; the level rises with potassium (mmol/L) or eGFR beyond these limits."""

    groups: dict[str, DrugGroup]
    raised_from_mmol_l: Decimal
    raised_below_egfr: int
    hours: int


class PotassiumOrder(Given, frozen=True):
    """A single drug that raises potassium, ordered while potassium is at or above ``from_mmol_l``.

    ``strict``: those of them of which a potassium above ``strict_above_mmol_l`` is too much already.
    Raised by a current potassium at or above the critical limit of the patient's population (critical_values.toml).
    """

    drugs: DrugGroup
    from_mmol_l: Decimal
    strict: DrugGroup
    strict_above_mmol_l: Decimal
    hours: int


class Insulin(Given, frozen=True):
    """Insulin ordered while potassium is below ``below_mmol_l``; raised at or below the critical limit, while current."""

    drugs: DrugGroup
    below_mmol_l: Decimal
    hours: int


def potassium(situation: Situation, hours: int) -> Reading | None:
    """The newest potassium within the window."""
    return situation.record.latest("potassium", timedelta(hours=hours))


def at_least(reading: Reading | None, limit: Decimal) -> bool:
    """True when the value, or what its comparator proves, reaches the limit."""
    return (
        reading is not None
        and reading.value is not None
        and reading.value >= limit
        and reading.comparator not in ("<", "<=")
    )


@order_logic(
    "potassium-pair",
    Potassium,
    found="drug partner partner_label",
    raised="drug partner partner_label why",
    unknown="drug partner partner_label",
)
def potassium_pair(rule: Rule, given: Potassium, situation: Situation, order: Order) -> Iterator[Finding]:
    """Different ways of raising potassium at once; worse with potassium or kidney function beyond the limits."""
    drug = situation.drug(order)
    mine = {group: found for group, drugs in given.groups.items() if (found := drug.among(drugs.members))}
    met = gather(_other_ways(given, mine, situation, order)) if mine else None
    if met is None:
        return
    level, kidney = potassium(situation, given.hours), situation.kidney
    high = at_least(level, given.raised_from_mmol_l)
    low = kidney.below(given.raised_below_egfr) or kidney.aki > 0 or kidney.dialysis
    why = ([f"{level.label.lower()} is {wording.reported(level)}"] if high and level else []) + (
        [kidney.words["kidney"]] if low else []
    )
    yield conclude(
        rule,
        "raised" if why else "unknown" if level is None else "found",
        {**met.words, "why": ", ".join(why)},
        key=met.key,
        tier=Tier.RAISED if why else Tier.ORDINARY,
        facts=(*met.facts(order), *((level,) if level else ()), *(kidney.facts if low else ())),
        missing=(("potassium",) if level is None else ()) + (() if kidney.known else kidney.missing),
        order=order,
        worse=float(level.value) if level is not None and level.value is not None else 0.0,
        values={**met.words, "raised": bool(why)},
    )


def _other_ways(
    given: Potassium, mine: dict[str, frozenset[str]], situation: Situation, order: Order
) -> Iterator[tuple[frozenset[str], frozenset[str], Drug]]:
    for partner in situation.partners(order):
        for group, drugs in given.groups.items():
            theirs = partner.among(drugs.members)
            for own, found in mine.items():
                if theirs and own != group and not theirs & found:
                    yield found, theirs, partner


def critical_limit(situation: Situation, level: Reading, side: str = "high") -> str:
    """The critical limit a current potassium is at or beyond, printed; '' where it is within, or no longer current."""
    limit = next((each for each in limits(situation) if each.concept == "potassium"), None)
    if limit is None or limit.beyond(level) != side or level.time is None:
        return ""
    if situation.record.now - level.time > limit.fresh:
        return ""
    return printed(*limit.edge(level), level)


@order_logic("potassium-order", PotassiumOrder, found="drug value", critical="drug value limit")
def potassium_order(rule: Rule, given: PotassiumOrder, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug that raises potassium ordered while potassium is high already."""
    mine = situation.drug(order).among(given.drugs.members)
    level = potassium(situation, given.hours)
    if not mine or level is None:
        return
    limit = critical_limit(situation, level)
    edge = given.strict_above_mmol_l
    strictly = at_least(level, edge) and (level.value != edge or level.comparator == ">")
    if not (limit or at_least(level, given.from_mmol_l) or (strictly and mine & given.strict.members)):
        return
    yield _ordered(rule, order, mine, level, limit, worse=float(level.value or 0))


@order_logic("insulin-potassium", Insulin, found="drug value", critical="drug value limit")
def insulin_potassium(rule: Rule, given: Insulin, situation: Situation, order: Order) -> Iterator[Finding]:
    """Insulin ordered while potassium is low already."""
    mine = situation.drug(order).among(given.drugs.members)
    level = potassium(situation, given.hours)
    if not mine or level is None or level.value is None or level.comparator in (">", ">="):
        return
    limit = critical_limit(situation, level, "low")
    if not limit and level.value >= given.below_mmol_l:
        return
    yield _ordered(rule, order, mine, level, limit, worse=float(-level.value))


def _ordered(rule: Rule, order: Order, drugs: frozenset[str], level: Reading, limit: str, *, worse: float) -> Finding:
    """A drug ordered at a potassium it makes worse; ``limit``: the critical one it is at or beyond, '' for none."""
    return conclude(
        rule,
        "critical" if limit else "found",
        {"drug": names(drugs), "value": wording.reported(level), "limit": limit},
        key=names(drugs),
        tier=Tier.RAISED if limit else Tier.ORDINARY,
        facts=(order, level),
        order=order,
        worse=worse,
        values={"drug": names(drugs), "critical": bool(limit)},
    )


CHECKS = (potassium_pair, potassium_order, insulin_potassium)
