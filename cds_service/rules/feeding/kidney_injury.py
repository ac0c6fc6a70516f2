"""Acute kidney injury of a record: the stage, the baseline, and the rule that found the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from operator import itemgetter
from statistics import median

from msgspec import Struct

from cds_service.record import wording
from cds_service.record.facts import Reading
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.result import ScoreResult, withheld
from cds_service.rules.feeding.windows import fresh, lacking, moment, written
from cds_service.rules.scores.kidney import UMOL_PER_MG_DL
from cds_service.rules.scores.kidney_injury import MG_DL, UMOL_L, creatinine_stage

NAME = "KDIGO_AKI"
NO_TIME = timedelta(0)
DAY = timedelta(days=1)
WEEK = 7 * DAY
YEAR = 365 * DAY
NOTHING = Decimal(0)


class Comparison(Struct, frozen=True):
    """A creatinine against one baseline: the rule that found the baseline, its value in mg/dL, the stage."""

    current: Reading
    rule: str
    facts: tuple[Reading, ...]
    value: Decimal
    stage: int


def molar(reading: Reading) -> Decimal | None:
    """Creatinine in µmol/L exactly as the source wrote it; None where it was written in another unit."""
    return reading.written_value if reading.written_unit == "umol/L" else None


def mass(reading: Reading) -> Decimal:
    """Creatinine in mg/dL; 88.4 µmol/L are 1 mg/dL, as in the formulas."""
    if reading.written_unit == "umol/L" and reading.written_value is not None:
        return reading.written_value / UMOL_PER_MG_DL
    return reading.value if reading.value is not None else NOTHING


def _compare(rule: str, current: Reading, baseline: Sequence[Reading], hours: Decimal) -> Comparison:
    """``current`` against the median of ``baseline``, in µmol/L where every value was written in it."""
    now = molar(current)
    before = [value for value in map(molar, baseline) if value is not None]
    value = mass(baseline[0]) if len(baseline) == 1 else Decimal(median(map(mass, baseline)))
    if now is not None and len(before) == len(baseline):
        stage = creatinine_stage(Decimal(median(before)), now, hours, UMOL_L)
    else:
        stage = creatinine_stage(value, mass(current), hours, MG_DL)
    ranked = sorted(baseline, key=mass)
    middle = tuple(ranked[(len(ranked) - 1) // 2 : len(ranked) // 2 + 1])
    return Comparison(current, rule, middle, value, stage)


def compare(current: Reading, creatinines: Sequence[Reading]) -> Comparison | None:
    """The comparison with the highest stage (among equals, with the lowest baseline); None without an earlier value.

    Baselines are those of the NHS England algorithm: the lowest of the 48 hours before (for the rise), the lowest of
    the 7 days before, the median of 8–365 days before. The last is presumed to have been left within 7 days, as KDIGO
    2012 allows. Described in https://doi.org/10.1371/journal.pone.0131909
    """
    now = moment(current)
    earlier = [(age, mass(r), r) for r in creatinines if NO_TIME < (age := now - moment(r)) <= YEAR]
    week = [each for each in earlier if each[0] <= WEEK]
    days = [each for each in week if each[0] <= 2 * DAY]
    found: list[Comparison] = []
    for rule, group in (("the lowest of the last 48 h", days), ("the lowest of the last 7 days", week)):
        if group:
            age, _, lowest = min(group, key=itemgetter(1))
            found.append(_compare(rule, current, [lowest], Decimal(int(age.total_seconds())) / 3600))
    year = [reading for _, _, reading in earlier[len(week) :]]
    if year:
        found.append(_compare("the median of 8–365 days before", current, year, Decimal(168)))
    return max(found, key=lambda c: (c.stage, -c.value), default=None)


def worst_week(current: Reading, creatinines: Sequence[Reading]) -> Comparison | None:
    """``compare`` for the highest creatinine of the 7 days up to ``current``: recovering is not a steady state."""
    return compare(_highest_of_week(current, creatinines), creatinines)


def _highest_of_week(current: Reading, creatinines: Sequence[Reading]) -> Reading:
    now = moment(current)
    return max([r for r in creatinines if timedelta(0) <= now - moment(r) <= WEEK], key=mass, default=current)


def aki_stage(feed: Feed) -> ScoreResult:
    """KDIGO stage of the newest creatinine (at most 7 days old) against the record's own earlier values.

    ``result`` also has ``peak_stage``: that of the highest creatinine of the 7 days before. Urine output is not read.
    """
    record, dialysis = feed.record, feed.dialysis
    if dialysis.maintenance:
        text = "AKI not staged: on maintenance dialysis"
        return withheld(NAME, "maintenance-dialysis", text, dialysis.facts)
    recent = fresh(record, NAME, "creatinine")
    replaced = [f for f in dialysis.recent if f.time is not None and record.now - f.time <= WEEK]
    if replaced:
        result = calculators.run(NAME, {"rrt_started": True}) | {"peak_stage": 3}
        return ScoreResult(NAME, result, (*replaced[:1], *recent[:1]), text="AKI stage 3: renal replacement therapy")
    if not recent or recent[0] not in feed.creatinines[:1]:
        missing = (lacking(record, NAME, "creatinine", ("creatinine",), recent[0] if recent else None),)
        return ScoreResult(
            NAME, calculators.run(NAME, {}), (), missing, text=f"AKI not assessed; missing: {missing[0]}"
        )
    current = recent[0]
    best = compare(current, feed.creatinines)
    if best is None:
        result = calculators.run(NAME, {"current_mg_dl": current.value})
        text = f"AKI not excluded: no other creatinine within 365 days to compare {written(current)} with"
        return ScoreResult(NAME, result, (current,), ("an earlier creatinine",), text=text)
    highest = _highest_of_week(current, feed.creatinines)
    return _staged(best, best if highest is current else compare(highest, feed.creatinines))


def _staged(best: Comparison, peak: Comparison | None) -> ScoreResult:
    peak_stage = max(best.stage, peak.stage if peak else 0)
    result = {"status": "ok", "stage": best.stage, "peak_stage": peak_stage}
    ratio = (mass(best.current) / best.value).quantize(Decimal("0.1"))
    now, before = amount(best.current, mass(best.current)), amount(best.current, best.value)
    if best.current.display is not None:
        now = written(best.current)
    comparison = f"creatinine {now}, {ratio} × {best.rule} ({before})"
    text = f"AKI stage {best.stage} (KDIGO): {comparison}" if best.stage else f"No AKI by creatinine: {comparison}"
    facts: tuple[Reading, ...] = (best.current, *best.facts)
    if peak is not None and peak_stage > best.stage:
        text += f"; stage {peak_stage} within the last 7 days"
        facts = (*facts, peak.current)
    return ScoreResult(NAME, result, facts, text=text)


def amount(current: Reading, value: Decimal) -> str:
    """Creatinine of ``value`` mg/dL in the unit ``current`` is printed in."""
    return f"{printed(value)} mg/dL" if current.display is None else wording.beside(current, value)


def printed(value: Decimal) -> str:
    """A value with two decimals at most."""
    return f"{value:f}" if value.as_tuple().exponent in (0, -1, -2) else f"{value.quantize(Decimal('0.01')):f}"
