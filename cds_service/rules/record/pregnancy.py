"""High blood pressure in pregnancy and in the weeks after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.record import wording
from cds_service.record.facts import Fact, Reading
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.feeding.states import pregnancy_ended
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.record.red_flags import Condition, values_of
from cds_service.rules.situation import Situation


class Pressure(Given, frozen=True):
    """Either of two limits is enough; newest values of the last ``hours``; ``after_days``: how long after a pregnancy."""

    systolic: Condition
    diastolic: Condition
    hours: int
    after_days: int

    def __post_init__(self) -> None:
        for limit in (self.systolic, self.diastolic):
            if limit.at_least is None or limit.raised_from is None or limit.raised_from < limit.at_least:
                raise ValueError("both pressures need at_least and a raised_from that is not below it")

    def limit(self, raised: bool) -> str:
        """'140/90 mmHg'."""
        edges = [limit.raised_from if raised else limit.at_least for limit in (self.systolic, self.diastolic)]
        return "/".join(f"{edge:f}" for edge in edges if edge is not None) + " mmHg"


@record_logic("pregnancy-hypertension", Pressure, found="when pressure limit", raised="when pressure limit")
def pregnancy_hypertension(rule: Rule, given: Pressure, situation: Situation) -> Iterator[Finding]:
    """140/90 or more in pregnancy or up to six weeks after it; raised from 160/110 on (ACOG 222, NICE NG133)."""
    when, evidence = _when(given, situation)
    if not when:
        return
    span = timedelta(hours=given.hours)
    pairs = [(c, situation.record.latest(c.concept, span)) for c in (given.systolic, given.diastolic)]
    seen: list[tuple[Condition, Reading]] = [(limit, reading) for limit, reading in pairs if reading is not None]
    if not any(limit.met(reading) for limit, reading in seen):
        return
    raised = any(limit.raised(reading) for limit, reading in seen)
    readings = [reading for _, reading in seen]
    yield conclude(
        rule,
        "raised" if raised else "found",
        {"when": when, "pressure": _said(readings), "limit": given.limit(raised)},
        key="raised" if raised else "",
        tier=Tier.RAISED if raised else Tier.ORDINARY,
        facts=(*readings, *evidence[:1]),
        worse=2.0 if raised else 1.0,
    )


def _said(readings: list[Reading]) -> str:
    """'blood pressure 148/94 mmHg' of one measurement, else each reading by its name."""
    if len(readings) == 2 and all(r.exact for r in readings) and readings[0].time == readings[1].time:
        amounts = [wording.number(reading.value) for reading in readings if reading.value is not None]
        return f"blood pressure {'/'.join(amounts)} {wording.unit(readings[0].unit)}"
    return values_of(readings)


def _when(given: Pressure, situation: Situation) -> tuple[str, tuple[Fact, ...]]:
    """Pregnant now, or not long ago, in words with the evidence; '' where the record says neither."""
    state = situation.pregnancy
    if state.state == "pregnant":
        return "Pregnant", state.facts
    if state.state == "not-applicable":
        return "", ()
    ended = pregnancy_ended(situation.feed.entries, timedelta(days=given.after_days))
    return (f"Within {given.after_days // 7} weeks after a pregnancy", ended) if ended else ("", ())


CHECKS = (pregnancy_hypertension,)
