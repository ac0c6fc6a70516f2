"""What the checks of one text have before them: the facts of the prompt, the zone, the clock, the patient's age and sex."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from cds_service.grounding.evidence.evidence import Evidence, standing
from cds_service.record.facts import Allergy, Fact, Person, Reading

_EXTREME_FLAGS = frozenset({"HH", "LL", "AA"})


class Desk:
    """Built once per text. Looking at a fact, or along a series, is done at most once."""

    def __init__(
        self,
        facts: Iterable[Fact],
        zone: ZoneInfo,
        *,
        person: Person | None = None,
        now: datetime | None = None,
        critical: Collection[str] = (),
        lasting: bool = False,
    ) -> None:
        self.facts = {f"F{fact.number}": fact for fact in facts}
        self.zone = zone
        self.person = person
        self.now = now
        self.lasting = lasting  # what is said must still be true some hours later
        self._critical = frozenset(critical)
        self._evidence: dict[str, Evidence] = {}
        self._series: dict[str, list[Reading]] | None = None
        self._standing: list[Fact] | None = None
        self._concepts: frozenset[str] | None = None

    def cited(self, ids: Iterable[str]) -> list[Fact] | None:
        """The cited facts in order, without repeats; None when one of them is not before us."""
        found: dict[str, Fact] = {}
        for each in ids:
            fact = self.facts.get(each)
            if fact is None:
                return None
            found[each] = fact
        return list(found.values())

    def evidence(self, cited: Iterable[Fact]) -> list[Evidence]:
        """What the cited facts lend, each looked at once a text."""
        known = self._evidence
        found = []
        for fact in cited:
            each = known.get(fact.id)
            if each is None:
                each = known[fact.id] = Evidence(fact, self.zone)
            found.append(each)
        return found

    def series(self, reading: Reading) -> list[Reading]:
        """All timed readings of the same thing in this prompt, newest first."""
        if self._series is None:
            self._series = {}
            for fact in self.facts.values():
                if isinstance(fact, Reading) and fact.time is not None and fact.refusal is None:
                    self._series.setdefault(fact.concept or fact.label, []).append(fact)
            for each in self._series.values():
                each.sort(key=lambda r: r.time, reverse=True)  # type: ignore[arg-type, return-value]
        return self._series.get(reading.concept or reading.label, [])

    @property
    def standing(self) -> list[Fact]:
        """Active problems, drugs and allergies of the prompt, cited or not."""
        if self._standing is None:
            self._standing = [fact for fact in self.facts.values() if standing(fact)]
        return self._standing

    @property
    def concepts(self) -> frozenset[str]:
        """Concepts the prompt holds a reading of."""
        if self._concepts is None:
            readings = (fact for fact in self.facts.values() if isinstance(fact, Reading))
            self._concepts = frozenset(reading.concept for reading in readings if reading.concept)
        return self._concepts

    @property
    def allergic(self) -> bool:
        """True when any fact of the prompt is a standing allergy, cited or not."""
        return any(isinstance(fact, Allergy) for fact in self.standing)

    def is_critical(self, fact: Fact) -> bool:
        """A fact that may not be contradicted: a critical value, a grave allergy, or one the rules named."""
        if fact.id in self._critical:
            return True
        if isinstance(fact, Reading):
            return not _EXTREME_FLAGS.isdisjoint(fact.flags)
        return isinstance(fact, Allergy) and not fact.negated and "high" in (fact.criticality, *_grave(fact))


def _grave(allergy: Allergy) -> tuple[str, ...]:
    return ("high",) if allergy.severity == "severe" else ()
