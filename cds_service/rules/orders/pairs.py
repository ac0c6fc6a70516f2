"""Drugs that should not meet: an ordered one against active medications and the other drafts of the call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cds_service.record.facts import Fact, Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Drug, Situation, names


class Pair(Given, frozen=True):
    """Two groups; a pair of drafts is said once, with the draft of group ``one``."""

    one: DrugGroup
    other: DrugGroup


class Duplicates(Given, frozen=True):
    """A group of which one at a time is meant."""

    drugs: DrugGroup


class Three(Given, frozen=True):
    """Three groups that together are the concern."""

    nsaid: DrugGroup
    raas: DrugGroup
    diuretic: DrugGroup


class Meeting(Struct, frozen=True):
    """A draft's drugs and the partners they meet, each with its own drugs."""

    mine: frozenset[str]
    theirs: frozenset[str]
    partners: tuple[Drug, ...]

    @property
    def key(self) -> str:
        """The same meeting whoever was ordered first."""
        return "+".join(sorted((names(self.mine), names(self.theirs))))

    @property
    def words(self) -> dict[str, str]:
        """Fields of a text."""
        labels = dict.fromkeys(partner.fact.label for partner in self.partners)
        return {"drug": names(self.mine), "partner": names(self.theirs), "partner_label": ", ".join(labels)}

    def facts(self, order: Order) -> list[Fact]:
        """The draft and what it meets."""
        return [order, *(partner.fact for partner in self.partners)]


def gather(found: Iterable[tuple[frozenset[str], frozenset[str], Drug]]) -> Meeting | None:
    """Several pairs of one draft as one meeting, so that one order raises one finding a rule."""
    pairs = list(found)
    if not pairs:
        return None
    return Meeting(
        mine=frozenset[str]().union(*(mine for mine, _, _ in pairs)),
        theirs=frozenset[str]().union(*(theirs for _, theirs, _ in pairs)),
        partners=tuple(partner for _, _, partner in pairs),
    )


def meeting(situation: Situation, order: Order, one: DrugGroup, other: DrugGroup) -> Meeting | None:
    """The partners that make a pair of the two groups with the draft; of two drafts that of ``one`` speaks."""
    drug = situation.drug(order)
    sides = [
        (drug.among(one.members), other.members),
        (drug.among(other.members), one.members),
    ]
    return gather(
        (mine, theirs, partner)
        for mine, wanted in sides
        if mine
        for partner in situation.partners(order, one.members)
        if (theirs := partner.among(wanted))
    )


@order_logic("drug-pair", Pair, found="drug partner partner_label")
def drug_pair(rule: Rule, given: Pair, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug of one group with drugs of the other."""
    met = meeting(situation, order, given.one, given.other)
    if met is not None:
        yield conclude(
            rule, "found", met.words, key=met.key, facts=met.facts(order), order=order, values=dict(met.words)
        )


@order_logic("duplicate-drug", Duplicates, different="drug partner partner_label", same="drug partner_label")
def duplicate_drug(rule: Rule, given: Duplicates, situation: Situation, order: Order) -> Iterator[Finding]:
    """Two drugs of a group at once; the same drug twice is a remark, as it may be a renewal."""
    mine = situation.drug(order).among(given.drugs.members)
    if not mine:
        return
    taken = [(mine, theirs, p) for p in situation.partners(order) if (theirs := p.among(given.drugs.members))]
    for text, pairs in (
        ("different", [pair for pair in taken if pair[1] != mine]),
        ("same", [pair for pair in taken if pair[1] == mine]),
    ):
        met = gather(pairs)
        if met is not None:
            yield conclude(
                rule,
                text,
                met.words,
                key=met.key,
                tier=Tier.REMARK if text == "same" else Tier.ORDINARY,
                facts=met.facts(order),
                order=order,
                values=dict(met.words),
            )


@order_logic("triple-whammy", Three, found="nsaid raas diuretic")
def triple_whammy(rule: Rule, given: Three, situation: Situation, order: Order) -> Iterator[Finding]:
    """NSAID, renin-angiotensin drug and diuretic together, completed by this draft."""
    drug = situation.drug(order)
    groups = {"nsaid": given.nsaid, "raas": given.raas, "diuretic": given.diuretic}
    if not any(drug.among(group.members) for group in groups.values()):
        return
    partners = list(situation.partners(order))
    found: dict[str, str] = {}
    facts: list[Fact] = [order]
    for name, group in groups.items():
        mine = drug.among(group.members)
        if mine:
            found[name] = names(mine)
            continue
        taken = [partner for partner in partners if partner.among(group.members)]
        if not taken:
            return
        found[name] = names(frozenset[str]().union(*(partner.among(group.members) for partner in taken)))
        facts += [partner.fact for partner in taken]
    yield conclude(rule, "found", found, key="+".join(sorted(found.values())), facts=facts, order=order, values=found)


CHECKS = (drug_pair, duplicate_drug, triple_whammy)
