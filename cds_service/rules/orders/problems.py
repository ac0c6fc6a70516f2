"""Drugs that a recorded problem forbids."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, conclude, order_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.situation import Situation, names


class Forbidden(Given, frozen=True):
    """Drugs, and the groups of problems.toml with which they are not given. Line flushes count as well."""

    drugs: DrugGroup
    problems: ProblemGroups


@order_logic("drug-problem", Forbidden, found="drug problem")
def drug_problem(rule: Rule, given: Forbidden, situation: Situation, order: Order) -> Iterator[Finding]:
    """A drug ordered for a patient with a problem that forbids it."""
    mine = situation.drug(order).match.ingredients & given.drugs.members
    known = situation.problems(*given.problems.names) if mine else []
    if known:
        yield conclude(
            rule,
            "found",
            {"drug": names(mine), "problem": known[0].label},
            key=names(mine),
            facts=(order, *known),
            order=order,
            values={"drug": names(mine)},
        )


CHECKS = (drug_problem,)
