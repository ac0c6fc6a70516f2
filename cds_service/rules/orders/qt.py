"""Drugs that prolong the QT interval: two at once, or one while QTc is long. A small list of our own (drugs.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.orders.pairs import gather
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.record.scores import Interval, long_qtc
from cds_service.rules.situation import Situation, names


class QtDrugs(Given, frozen=True):
    """Drugs that prolong the QT interval; ``at_ms`` and ``hours`` as for the qtc rule."""

    drugs: DrugGroup
    at_ms: Decimal
    hours: int


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
    met = gather((mine, theirs, p) for p in situation.partners(order) if (theirs := p.among(members) - mine))
    if met is None:
        return
    long = long_qtc(situation, Interval(given.at_ms, given.hours))
    words = {
        **met.words,
        "mine": _places(situation, mine),
        "theirs": _places(situation, met.theirs),
        "value": f"{long[1]:.0f} ms" if long else "",
    }
    yield conclude(
        rule,
        "raised" if long else "found",
        words,
        key=met.key,
        tier=Tier.RAISED if long else Tier.ORDINARY,
        facts=(*met.facts(order), *((long[0],) if long else ())),
        order=order,
        worse=float(long[1]) if long else 0.0,
        values=dict(met.words),
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


CHECKS = (qt_pair, qt_order)
