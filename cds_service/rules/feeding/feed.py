"""A record with what several scores ask of it, each found once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cds_service.record.facts import Problem, Reading, Record
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.states import Dialysis, Entries, PregnancyState, dialysis_state, entries, pregnancy_state
from cds_service.rules.lazy import lazy
from cds_service.rules.scores.calculator import Value

OLDEST = 130  # years; no calculator accepts more


class Feed:
    """One record during one call; nothing outlives it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._found: dict[Callable[[Feed], ScoreResult], ScoreResult] = {}

    @lazy
    def age(self) -> int | None:
        """Completed years at the time of the call; None where not recorded or not possible."""
        age = self.record.person.age(self.record.now)
        return age if age is not None and 0 <= age <= OLDEST else None

    @lazy
    def entries(self) -> Entries:
        """Problems and procedures sorted out by condition."""
        return entries(self.record)

    @lazy
    def pregnancy(self) -> PregnancyState:
        """What the record says of a pregnancy."""
        return pregnancy_state(self.entries)

    @lazy
    def dialysis(self) -> Dialysis:
        """What the record says of dialysis."""
        return dialysis_state(self.entries)

    @lazy
    def creatinines(self) -> list[Reading]:
        """Every dated creatinine that may enter a formula, newest first."""
        return [r for r in self.record.readings.get("creatinine", ()) if r.exact and r.time is not None and r.value]

    def conditions(self, name: str) -> tuple[Problem, ...]:
        """The problems of the record that are the condition ``name`` of states.toml."""
        return self.entries.condition(name)

    def once(self, scored: Callable[[Feed], ScoreResult]) -> ScoreResult:
        """The result of a score, computed at the first asking."""
        if scored not in self._found:
            self._found[scored] = scored(self)
        return self._found[scored]

    @lazy
    def population(self) -> dict[str, Any]:
        """Guard inputs every calculator takes; an unrecorded pregnancy does not stop a formula."""
        return {"age_years": self.age, "pregnant": self.pregnancy.state == "pregnant"}

    @lazy
    def guarded(self) -> dict[str, Value]:
        """``population`` as guards take it."""
        pregnant: Value = self.population["pregnant"]
        return {"pregnant": pregnant} if self.age is None else {"pregnant": pregnant, "age_years": Decimal(self.age)}
