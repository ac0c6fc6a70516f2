"""Findings from scores and vital signs: NEWS2, qSOFA, shock index, danger zone, AKI, kidney function, QTc.

The scores themselves, their freshness windows and bounds come from ``from_record``; here they meet the pack's
thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from cds_service.record import wording
from cds_service.record.facts import Fact, Reading
from cds_service.rules import calculators
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.record.red_flags import Condition, values_of
from cds_service.rules.scores.children import LOWEST_SPO2, danger_limits
from cds_service.rules.situation import Situation

ADULT = 16  # years: where NEWS2 begins


class Points(Given, frozen=True):
    """``at`` points the rule speaks, ``raised_at`` it speaks in its raised tier."""

    at: int
    raised_at: int


class EarlyWarning(Points, frozen=True):
    """``incomplete_from``: a bound from which on a missing consciousness is worth saying during a stay."""

    incomplete_from: int


class Ratio(Given, frozen=True):
    """As ``Points``, for a ratio."""

    at: Decimal
    raised_at: Decimal


class Children(Given, frozen=True):
    """``below_years``: the age from which adult scores take over."""

    below_years: int


class Filtration(Given, frozen=True):
    """eGFR (mL/min/1.73 m²) below which the rule speaks, and speaks in its raised tier."""

    below: int
    raised_below: int


class Interval(Given, frozen=True):
    """QTc in ms, and how old a measured one may be."""

    at_ms: Decimal
    hours: int


class Score(Given, frozen=True):
    """A score that is shown whenever it applies; ``score`` names its calculator."""

    score: Literal["CHA2DS2_VASc", "CURB_65"]


def _adult_with(situation: Situation, *concepts: str) -> bool:
    """Adults of whom at least one of some items is recorded at all; saves the asking where nothing can come of it."""
    readings = situation.record.readings
    return (situation.age or 0) >= ADULT and any(concept in readings for concept in concepts)


@record_logic("news2", EarlyWarning, total="total text", bound="total missing", single="text", incomplete="text")
def news2(rule: Rule, given: EarlyWarning, situation: Situation) -> Iterator[Finding]:
    """NEWS2, or its lower bound where parts are missing; below the threshold, a single parameter scoring 3.

    During a stay also a bound that a new confusion, which nobody recorded, would carry over the threshold.
    """
    result = situation.score("NEWS2")
    total = result.at_least
    if total is None:
        return
    known = result.result.get("parts") or result.result.get("known") or {}
    words = {"total": total, "text": result.text, "missing": ", ".join(result.missing)}
    if total >= given.at:
        yield conclude(
            rule,
            "bound" if result.bound else "total",
            words,
            tier=Tier.RAISED if total >= given.raised_at else Tier.ORDINARY,
            facts=result.inputs,
            missing=result.missing,
            worse=float(total),
            values={"at_least" if result.bound else "total": total},
        )
    elif 3 in [points for part, points in dict(known).items() if part != "o2"]:
        yield conclude(
            rule, "single", words, key="single", tier=Tier.REMARK, facts=result.inputs, missing=result.missing,
            worse=float(total),
        )  # fmt: skip
    elif total >= given.incomplete_from and situation.stay is not None and _unseen_mind(result.missing):
        yield conclude(
            rule, "incomplete", words, key="incomplete", tier=Tier.REMARK, facts=result.inputs, worse=float(total)
        )


def _unseen_mind(missing: Sequence[str]) -> bool:
    return any(word.startswith("consciousness") for word in missing)


_QSOFA = (("respiratory_rate",), ("systolic_bp",), ("gcs", "consciousness"))


@record_logic("qsofa", Points, found="score text")
def qsofa(rule: Rule, given: Points, situation: Situation) -> Iterator[Finding]:
    """qSOFA of adults: a flag to look closer, not a screening test for sepsis (SSC 2021)."""
    readings = situation.record.readings
    recorded = sum(any(concept in readings for concept in item) for item in _QSOFA)
    if (situation.age or 0) < ADULT or recorded < given.at:  # an item that is not recorded gives a bound no point
        return
    result = situation.score("qSOFA")
    if result.at_least is not None and result.at_least >= given.at:
        yield conclude(
            rule,
            "found",
            {"score": result.at_least, "text": result.text},
            tier=Tier.RAISED if result.at_least >= given.raised_at else Tier.ORDINARY,
            facts=result.inputs,
            missing=result.missing,
            worse=float(result.at_least),
        )


@record_logic("shock-index", Ratio, found="value")
def shock_index(rule: Rule, given: Ratio, situation: Situation) -> Iterator[Finding]:
    """Heart rate over systolic pressure, in adults."""
    if not _adult_with(situation, "systolic_bp"):
        return
    result = situation.score("ShockIndex")
    value = result.result.get("value")
    if not result.ok or value is None:
        return
    exact = Decimal(str(value))
    if exact >= given.at:
        yield conclude(
            rule,
            "found",
            {"value": f"{exact:.2f}"},
            tier=Tier.RAISED if exact >= given.raised_at else Tier.ORDINARY,
            facts=result.inputs,
            worse=float(exact),
        )


@record_logic("danger-zone", Children, found="values")
def danger_zone(rule: Rule, given: Children, situation: Situation) -> Iterator[Finding]:
    """Heart rate, respiratory rate or saturation in the danger zone of a child's age (ESI v4)."""
    if situation.age is None or situation.age >= given.below_years:
        return
    result = situation.score("ESI_danger_zone")
    if result.result.get("danger_zone") or (result.bound and result.result.get("at_least")):
        months = situation.record.person.age_months(situation.record.now)
        inside = [fact for fact in result.inputs if _in_zone(fact, months)] or list(result.inputs)
        yield conclude(
            rule, "found", {"values": values_of(inside)}, facts=result.inputs, missing=result.missing, worse=1.0
        )


def _in_zone(fact: Fact, months: int | None) -> bool:
    """True for a sign that is in the danger zone by itself: only such signs are named in the summary."""
    if not isinstance(fact, Reading) or fact.value is None or months is None:
        return False
    fastest, most = danger_limits(Decimal(months))
    return {
        "heart_rate": fact.value > fastest,
        "respiratory_rate": fact.value > most,
        "oxygen_saturation": fact.value < LOWEST_SPO2,
    }.get(fact.concept, False)


@record_logic("paediatric-hypotension", Children, found="values")
def paediatric_hypotension(rule: Rule, given: Children, situation: Situation) -> Iterator[Finding]:
    """Systolic pressure below the limit of a child's age (PALS)."""
    if situation.age is None or situation.age >= given.below_years:
        return
    result = situation.score("PedsHypotension")
    if result.result.get("hypotensive"):
        yield conclude(rule, "found", {"values": values_of(result.inputs)}, facts=result.inputs, worse=1.0)


@record_logic("aki", Points, found="text", recent="text")
def aki(rule: Rule, given: Points, situation: Situation) -> Iterator[Finding]:
    """KDIGO stage by creatinine against the record's own baseline; a passed stage of the last 7 days as a remark."""
    result = situation.score("KDIGO_AKI")
    stage = int(result.result.get("stage") or 0)
    peak = int(result.result.get("peak_stage") or 0)
    if stage >= given.at:
        yield conclude(
            rule,
            "found",
            {"text": result.text},
            tier=Tier.RAISED if stage >= given.raised_at else Tier.ORDINARY,
            facts=result.inputs,
            worse=float(stage),
            values={"stage": stage},
        )
    elif peak >= given.at:
        yield conclude(
            rule, "recent", {"text": result.text}, key="recent", tier=Tier.REMARK, facts=result.inputs,
            values={"peak_stage": peak},
        )  # fmt: skip


@record_logic("score", Score, found="text")
def recorded_score(rule: Rule, given: Score, situation: Situation) -> Iterator[Finding]:
    """A score of a recorded disease, or its lower bound: said as a remark, whatever it comes to."""
    if (situation.age or 0) < ADULT:
        return
    result = situation.score(given.score)
    if result.at_least is not None and result.inputs:
        yield conclude(
            rule,
            "found",
            {"text": result.text},
            facts=result.inputs,
            missing=result.missing if not result.bound else (),
            key=str(result.at_least),  # another score is another remark; it does not push past what must be mentioned
            values={"at_least" if result.bound else "score": result.at_least},
        )


@record_logic("kidney-function", Filtration, found="egfr stage", dialysis="", disagrees="egfr")
def kidney_function(rule: Rule, given: Filtration, situation: Situation) -> Iterator[Finding]:
    """eGFR with its G category (“range, single value” unless below 60 for 90 days); silent in AKI."""
    if situation.dialysis.maintenance:
        yield conclude(rule, "dialysis", {}, key="dialysis", facts=situation.dialysis.facts)
        return
    value = situation.kidney.egfr
    if value is None or value >= given.below:
        yield from _disagreeing(rule, given, situation)
        return
    egfr, stage = situation.score("eGFR_CKD_EPI_2021"), situation.score("CKD_G_stage")
    category = calculators.run("CKD_G_stage", {"egfr": value})["stage"]
    bound = category if category == "G5" else f"{category} or worse"
    yield conclude(
        rule,
        "found",
        {"egfr": egfr.text, "stage": stage.text if stage.ok else bound},
        tier=Tier.RAISED if value < given.raised_below else Tier.ORDINARY,
        facts=(*egfr.inputs, *stage.inputs),
        worse=float(-value),
        values={"egfr": value, "stage": category},
    )


def _disagreeing(rule: Rule, given: Filtration, situation: Situation) -> Iterator[Finding]:
    """The laboratory's own eGFR is reduced where the one of its creatinine is not: no alert, and no silence either."""
    egfr = situation.score("eGFR_CKD_EPI_2021")
    theirs = next((f for f in egfr.inputs[1:] if isinstance(f, Reading) and f.concept == "egfr"), None)
    if egfr.ok and theirs is not None and theirs.value is not None and theirs.value < given.below:
        words = {"egfr": egfr.text}
        yield conclude(rule, "disagrees", words, key="disagrees", facts=egfr.inputs, worse=float(-theirs.value))


@record_logic("qtc", Interval, measured="value", computed="text")
def qtc(rule: Rule, given: Interval, situation: Situation) -> Iterator[Finding]:
    """A long QTc: as reported, else by Fridericia from QT and heart rate."""
    long = long_qtc(situation, given)
    if long is None:
        return
    reading, milliseconds, text = long
    yield conclude(
        rule,
        "computed" if text else "measured",
        {"value": wording.value(reading), "text": text},
        facts=(reading,) if not text else situation.score("QTc").inputs,
        worse=float(milliseconds),
    )


def long_qtc(situation: Situation, given: Interval) -> tuple[Reading, Decimal, str] | None:
    """The reading behind a QTc at or beyond the limit, its milliseconds, and words where it was computed."""
    reported = situation.record.latest("qtc", timedelta(hours=given.hours))
    if reported is not None:
        long = Condition(concept="qtc", at_least=given.at_ms).met(reported)
        return (reported, reported.value, "") if long and reported.value is not None else None
    if "qt" not in situation.record.readings:
        return None
    result = situation.score("QTc")
    value = result.result.get("fridericia")
    if not result.ok or value is None or Decimal(str(value)) < given.at_ms:
        return None
    first = next((fact for fact in result.inputs if isinstance(fact, Reading)), None)
    return None if first is None else (first, Decimal(str(value)), result.text)


CHECKS = (
    news2,
    qsofa,
    shock_index,
    danger_zone,
    paediatric_hypotension,
    aki,
    recorded_score,
    kidney_function,
    qtc,
)
