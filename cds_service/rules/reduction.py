"""A lower dose by counted criteria: apixaban in atrial fibrillation with two of high age, low weight, high creatinine."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from cds_service.record import wording
from cds_service.record.facts import Fact, Reading
from cds_service.rules.doses import Dose, read_dose
from cds_service.rules.feeding.windows import fresh
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Situation

FEEDS = "CockcroftGault"  # whose freshness windows weight and creatinine are held to
UMOL_PER_MG_DL = Decimal("88.4")


class Reduction(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From ``at_least`` of the three criteria on, the label gives ``advice`` and no more than ``max_daily_mg``.

    ``with_condition`` is a condition of states.toml: the indication the label means.
    """

    drugs: DrugGroup
    label: str
    with_condition: str
    advice: str
    max_daily_mg: Decimal
    at_least: int
    from_years: int
    weight_kg_up_to: Decimal
    creatinine_mg_dl_from: Decimal

    @property
    def test(self) -> str:
        """The criteria in words."""
        umol = (self.creatinine_mg_dl_from * UMOL_PER_MG_DL).to_integral_value(rounding="ROUND_CEILING")
        return (
            f"{self.at_least} of 3: age {self.from_years} or more, weight {self.weight_kg_up_to:f} kg or less, "
            f"creatinine {self.creatinine_mg_dl_from:f} mg/dL ({umol} µmol/L) or more"
        )


class Counted(Struct, frozen=True):
    """Which criteria hold, in words, with the facts behind them; and which could not be told."""

    met: tuple[str, ...]
    missing: tuple[str, ...]
    facts: tuple[Fact, ...]
    indication: tuple[Fact, ...]


def count(given: Reduction, situation: Situation) -> Counted:
    """The criteria of one patient; a bound counts where it proves a criterion."""
    met: list[str] = []
    missing: list[str] = []
    facts: list[Fact] = []
    age = situation.age
    if age is None:
        missing.append("age")
    elif age >= given.from_years:
        met.append(f"age {age}")
    for word, concept, holds in (
        ("weight", "body_weight", lambda value: value <= given.weight_kg_up_to),
        ("creatinine", "creatinine", lambda value: value >= given.creatinine_mg_dl_from),
    ):
        newest = next(iter(fresh(situation.record, FEEDS, concept)), None)
        answer = _answer(newest, holds, "<" if concept == "body_weight" else ">")
        if newest is None or answer is None:
            missing.append(word)
            continue
        facts.append(newest)
        if answer:
            met.append(f"{word} {wording.value(newest)}")
    return Counted(tuple(met), tuple(missing), tuple(facts), situation.feed.conditions(given.with_condition))


def _answer(reading: Reading | None, holds: Callable[[Decimal], bool], proving: str) -> bool | None:
    """True or False where the value says so, None where it is missing or its comparator leaves it open."""
    if reading is None or reading.value is None or reading.refusal is not None:
        return None
    reached = holds(reading.value)
    if reading.exact:
        return reached
    if reading.comparator.startswith(proving):
        return True if reached else None
    return None if reached else False


def dose_of(label: str, dose: str) -> Dose:
    """The dose as written; where the dosage counts tablets only, with the strength the drug's name states."""
    written = read_dose(dose)
    return written if written.daily_mg is not None else read_dose(f"{label} {dose}")
