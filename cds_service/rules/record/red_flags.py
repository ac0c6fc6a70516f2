"""Red flags: values that together, or alone, ask for immediate attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.record import wording
from cds_service.record.facts import Fact, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.record.critical import limit_of
from cds_service.rules.situation import Situation


class Condition(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One value of a combination; exactly one of the two limits is set."""

    concept: str
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    raised_from: Decimal | None = None  # at_least of the raised tier

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a condition has either at_least or at_most")

    def met(self, reading: Reading) -> bool:
        """True when the value, or what its comparator proves, is beyond the limit."""
        if reading.value is None or reading.refusal is not None:
            return False
        if self.at_least is not None:
            return reading.value >= self.at_least and reading.comparator not in ("<", "<=")
        return self.at_most is not None and reading.value <= self.at_most and reading.comparator not in (">", ">=")

    def raised(self, reading: Reading) -> bool:
        """True when the value, or what its comparator proves, reaches ``raised_from``."""
        return self.raised_from is not None and replace(self, at_least=self.raised_from).met(reading)

    def worse(self, reading: Reading) -> float:
        """1 from the limit on, 2 from ``raised_from`` on, and how far beyond the limit as a share; 1 without such steps.

        Never the value itself: this number is kept with the card.
        """
        if self.raised_from is None or self.at_least is None or reading.value is None:
            return 1.0
        share = min(float((reading.value - self.at_least) / self.at_least), 0.999)
        return (2.0 if self.raised(reading) else 1.0) + share


class Combination(Given, frozen=True):
    """Values that together are a red flag: newest of each, none older than ``hours``; from ``from_years`` of age."""

    all_of: tuple[Condition, ...]
    hours: int
    from_years: int = 16


def values_of(facts: Iterable[Fact]) -> str:
    """Readings with their values, for a sentence."""
    return ", ".join(f"{fact.label} {wording.reported(fact)}" for fact in facts if isinstance(fact, Reading))


@record_logic("red-flag", Combination, found="values")
def red_flag(rule: Rule, given: Combination, situation: Situation) -> Iterator[Finding]:
    """Values that together, or alone, ask for immediate attention. Worse values never take the flag away.

    Raised where a value reaches its ``raised_from`` or the critical limit of the patient's population.
    """
    if situation.age is not None and situation.age < given.from_years:
        return
    met: list[Reading] = []
    raised = False
    for condition in given.all_of:
        reading = situation.record.latest(condition.concept, timedelta(hours=given.hours))
        if reading is None or not condition.met(reading):
            return
        met.append(reading)
        limit = limit_of(situation, condition.concept)
        raised |= condition.raised(reading) or (limit is not None and bool(limit.beyond(reading)))
    yield conclude(
        rule,
        "found",
        {"values": values_of(met)},
        tier=Tier.RAISED if raised else Tier.ORDINARY,
        facts=met,
        worse=given.all_of[0].worse(met[0]),
    )


CHECKS = (red_flag,)
