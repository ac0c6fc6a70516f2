"""Drugs that should not meet: an ordered one against active medications and the other drafts of the call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from cds_service.record import wording
from cds_service.record.facts import Order, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.record.scores import Interval, long_qtc
from cds_service.rules.situation import Drug, Situation, names


class Pair(Given, frozen=True):
    """Two groups; ``same_group`` (both the same group) means any two different members."""

    one: DrugGroup
    other: DrugGroup


class Potassium(Given, frozen=True):
    """Groups that raise potassium; the level rises with potassium (mmol/L) or eGFR beyond these limits."""

    groups: dict[str, DrugGroup]
    raised_from_mmol_l: Decimal
    raised_below_egfr: int
    hours: int


class PotassiumOrder(Given, frozen=True):
    """A single drug that raises potassium, ordered while potassium is at or above ``from_mmol_l``."""

    drugs: DrugGroup
    from_mmol_l: Decimal
    hours: int


class QtDrugs(Given, frozen=True):
    """Drugs that prolong the QT interval; ``at_ms`` and ``hours`` as for the qtc rule."""

    drugs: DrugGroup
    at_ms: Decimal
    hours: int


class Duplicates(Given, frozen=True):
    """A group of which one at a time is meant."""

    drugs: DrugGroup


class Three(Given, frozen=True):
    """Three groups that together are the concern."""

    nsaid: DrugGroup
    raas: DrugGroup
    diuretic: DrugGroup


def meeting(situation: Situation, order: Order, one: DrugGroup, other: DrugGroup) -> Iterator[tuple[str, str, Drug]]:
    """Each partner that makes a pair of the two groups with the draft: the draft's drug, the partner's, the partner."""
    drug = situation.drug(order)
    first, second = drug.among(one.members), drug.among(other.members)
    if not (first or second):
        return
    for partner in situation.partners(order):
        match = partner.among(other.members) if first else frozenset[str]()
        mine = first
        if not match and second:
            match, mine = partner.among(one.members), second
        if match:
            yield names(mine), names(match), partner


@order_logic("drug-pair", Pair, found="drug partner partner_label")
def drug_pair(rule: Rule, given: Pair, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug of one group with a drug of the other."""
    for mine, theirs, partner in meeting(situation, order, given.one, given.other):
        yield conclude(
            rule,
            "found",
            {"drug": mine, "partner": theirs, "partner_label": partner.fact.label},
            key="+".join(sorted((mine, theirs))),
            facts=(order, partner.fact),
            order=order,
            values={"drug": mine, "partner": theirs},
        )


@order_logic("duplicate-drug", Duplicates, different="drug partner partner_label", same="drug partner_label")
def duplicate_drug(rule: Rule, given: Duplicates, situation: Situation, order: Order) -> Iterator[Finding]:
    """Two drugs of a group at once; the same drug twice is a remark, as it may be a renewal."""
    mine = situation.drug(order).among(given.drugs.members)
    if not mine:
        return
    for partner in situation.partners(order):
        theirs = partner.among(given.drugs.members)
        if not theirs:
            continue
        same = theirs == mine
        yield conclude(
            rule,
            "same" if same else "different",
            {"drug": names(mine), "partner": names(theirs), "partner_label": partner.fact.label},
            key="+".join(sorted((names(mine), names(theirs)))),
            tier=Tier.REMARK if same else Tier.ORDINARY,
            facts=(order, partner.fact),
            order=order,
            values={"drug": names(mine), "partner": names(theirs)},
        )


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
    found="drug partner",
    raised="drug partner why",
    unknown="drug partner",
)
def potassium_pair(rule: Rule, given: Potassium, situation: Situation, order: Order) -> Iterator[Finding]:
    """Two different ways of raising potassium at once; worse with potassium or kidney function beyond the limits."""
    drug = situation.drug(order)
    mine = {group: found for group, drugs in given.groups.items() if (found := drug.among(drugs.members))}
    if not mine:
        return
    level, kidney = potassium(situation, given.hours), situation.kidney
    high = at_least(level, given.raised_from_mmol_l)
    low = kidney.below(given.raised_below_egfr) or kidney.aki > 0 or kidney.dialysis
    why = ([f"{level.label} {wording.value(level)}"] if high and level else []) + ([kidney.text] if low else [])
    missing = (("potassium",) if level is None else ()) + (() if kidney.known else kidney.missing)
    for partner in situation.partners(order):
        pair = _two_ways(given, mine, partner)
        if pair is None:
            continue
        words = {"drug": pair[0], "partner": pair[1], "why": "; ".join(why)}
        yield conclude(
            rule,
            "raised" if why else "unknown" if level is None else "found",
            words,
            key="+".join(sorted(pair)),
            tier=Tier.RAISED if why else Tier.ORDINARY,
            facts=(order, partner.fact, *((level,) if level else ()), *(kidney.facts if low else ())),
            missing=missing,
            order=order,
            worse=float(level.value) if level is not None and level.value is not None else 0.0,
            values={"drug": pair[0], "partner": pair[1], "raised": bool(why)},
        )


def _two_ways(given: Potassium, mine: dict[str, frozenset[str]], partner: Drug) -> tuple[str, str] | None:
    for group, drugs in given.groups.items():
        theirs = partner.among(drugs.members)
        for own, found in mine.items():
            if theirs and own != group and not theirs & found:
                return names(found), names(theirs)
    return None


@order_logic("potassium-order", PotassiumOrder, found="drug value")
def potassium_order(rule: Rule, given: PotassiumOrder, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug that raises potassium ordered while potassium is high already."""
    mine = situation.drug(order).among(given.drugs.members)
    level = potassium(situation, given.hours)
    if mine and level is not None and at_least(level, given.from_mmol_l):
        yield conclude(
            rule,
            "found",
            {"drug": names(mine), "value": wording.value(level)},
            key=names(mine),
            facts=(order, level),
            order=order,
            worse=float(level.value or 0),
            values={"drug": names(mine)},
        )


def _places(situation: Situation, drugs: frozenset[str]) -> str:
    """Each drug with the place in its label that names QT prolongation."""
    places = situation.tables.drugs.label_places
    return "; ".join(f"{name} ({places[name]})" if name in places else name for name in sorted(drugs))


@order_logic("qt-pair", QtDrugs, found="drug partner mine theirs", raised="drug partner mine theirs value")
def qt_pair(rule: Rule, given: QtDrugs, situation: Situation, order: Order) -> Iterator[Finding]:
    """Two drugs whose labels name QT prolongation; worse when QTc is long already."""
    members = given.drugs.members
    mine = situation.drug(order).among(members)
    if not mine:
        return
    long = long_qtc(situation, Interval(given.at_ms, given.hours))
    for partner in situation.partners(order):
        theirs = partner.among(members) - mine
        if not theirs:
            continue
        words = {
            "drug": names(mine),
            "partner": names(theirs),
            "mine": _places(situation, mine),
            "theirs": _places(situation, theirs),
            "value": f"{long[1]:.0f} ms" if long else "",
        }
        yield conclude(
            rule,
            "raised" if long else "found",
            words,
            key="+".join(sorted((names(mine), names(theirs)))),
            tier=Tier.RAISED if long else Tier.ORDINARY,
            facts=(order, partner.fact, *((long[0],) if long else ())),
            order=order,
            worse=float(long[1]) if long else 0.0,
            values={"drug": names(mine), "partner": names(theirs)},
        )


@order_logic("qt-order", QtDrugs, found="drug mine value", syndrome="drug mine problem")
def qt_order(rule: Rule, given: QtDrugs, situation: Situation, order: Order) -> Iterator[Finding]:
    """One such drug ordered while QTc is long, or for a patient with long QT syndrome."""
    mine = situation.drug(order).among(given.drugs.members)
    if not mine:
        return
    where = _places(situation, mine)
    long = long_qtc(situation, Interval(given.at_ms, given.hours))
    known = situation.problems("long-qt")
    if long:
        words = {"drug": names(mine), "mine": where, "value": f"{long[1]:.0f} ms"}
        yield conclude(rule, "found", words, key=names(mine), facts=(order, long[0]), order=order, worse=float(long[1]))
    elif known:
        words = {"drug": names(mine), "mine": where, "problem": known[0].label}
        yield conclude(rule, "syndrome", words, key=names(mine), facts=(order, *known), order=order)


@order_logic("triple-whammy", Three, found="nsaid raas diuretic")
def triple_whammy(rule: Rule, given: Three, situation: Situation, order: Order) -> Iterator[Finding]:
    """NSAID, renin-angiotensin drug and diuretic together, completed by this draft."""
    drug = situation.drug(order)
    groups = {"nsaid": given.nsaid, "raas": given.raas, "diuretic": given.diuretic}
    if not any(drug.among(group.members) for group in groups.values()):
        return
    partners = list(situation.partners(order))
    found: dict[str, str] = {}
    facts = {order.number: order}
    for name, group in groups.items():
        mine = drug.among(group.members)
        if mine:
            found[name] = names(mine)
            continue
        partner = next((p for p in partners if p.among(group.members)), None)
        if partner is None:
            return
        found[name] = names(partner.among(group.members))
        facts[partner.fact.number] = partner.fact  # type: ignore[assignment]
    yield conclude(
        rule, "found", found, key="+".join(sorted(found.values())), facts=facts.values(), order=order, values=found
    )


CHECKS = (drug_pair, duplicate_drug, potassium_pair, potassium_order, qt_pair, qt_order, triple_whammy)
