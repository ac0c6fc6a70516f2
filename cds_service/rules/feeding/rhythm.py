"""Scores of recorded conditions: CHA2DS2-VASc and HAS-BLED where atrial fibrillation is recorded.

A problem list is never complete: what it does not name is missing, not absent. Both scores are therefore lower bounds,
unless every single condition is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.record.facts import Fact
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.kidney_injury import mass, molar
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.states import takes
from cds_service.rules.feeding.vital_signs import refused
from cds_service.rules.feeding.windows import fresh, not_recorded

STROKE = {
    "chf": "heart failure",
    "htn": "hypertension",
    "diabetes": "diabetes",
    "stroke_tia": "stroke or TIA",
    "vascular": "vascular disease",
}
BLEEDING = {
    "sbp": "systolic blood pressure",
    "abnormal_renal": "creatinine",
    "abnormal_liver": "liver disease",
    "stroke": "stroke",
    "bleeding_history": "bleeding",
    "labile_inr": "labile INR",
    "antiplatelet_or_nsaid": "antiplatelet or NSAID",
    "alcohol_drinks_week": "alcohol",
}
# HAS-BLED counts a creatinine from here on as abnormal kidney function; each unit as printed.
LIMIT_MG_DL, LIMIT_UMOL_L = Decimal("2.26"), Decimal(200)


def cha2ds2_vasc(feed: Feed) -> ScoreResult:
    """CHA2DS2-VASc from the recorded conditions, age and sex: a lower bound."""
    name, title = "CHA2DS2_VASc", "CHA2DS2-VASc"
    fibrillation = feed.conditions("atrial_fibrillation")
    if not fibrillation:
        return _no_fibrillation(name, title)
    found = {key: feed.conditions(key) for key in STROKE}
    given: dict[str, Any] = {**feed.population, **{key: True for key, problems in found.items() if problems}}
    words = dict(STROKE)
    if feed.record.person.sex in ("male", "female"):
        given["sex"] = feed.record.person.sex
    else:
        words["sex"] = "sex"
    facts = (fibrillation[0], *(fact for problems in found.values() for fact in problems[:1]))
    return _bound(feed, name, title, given, {**dict.fromkeys(STROKE, False), "sex": "male"}, words, facts)


def has_bled(feed: Feed) -> ScoreResult:
    """HAS-BLED from pressure, creatinine, conditions, medication and age: a lower bound (alcohol is not read)."""
    name, title = "HAS_BLED", "HAS-BLED"
    fibrillation = feed.conditions("atrial_fibrillation")
    if not fibrillation:
        return _no_fibrillation(name, title)
    found: dict[str, tuple[Fact, ...]] = {
        "abnormal_liver": feed.conditions("chronic_liver_disease"),
        "stroke": feed.conditions("stroke_tia"),
        "bleeding_history": feed.conditions("bleeding_history"),
        "antiplatelet_or_nsaid": takes(feed.record, "antiplatelet_or_nsaid"),
    }
    given: dict[str, Any] = {**feed.population, **{key: True for key, facts in found.items() if facts}}
    pressure = next(iter(fresh(feed.record, name, "systolic_bp")), None)
    if pressure is not None and pressure.exact:
        given["sbp"], found["sbp"] = pressure.value, (pressure,)
    creatinine = next(iter(fresh(feed.record, name, "creatinine")), None)
    if feed.dialysis.maintenance:
        given["abnormal_renal"], found["abnormal_renal"] = True, feed.dialysis.facts
    elif creatinine is not None and creatinine.exact:
        umol = molar(creatinine)
        abnormal = mass(creatinine) >= LIMIT_MG_DL if umol is None else umol >= LIMIT_UMOL_L
        given["abnormal_renal"], found["abnormal_renal"] = abnormal, (creatinine,)
    neutral = {**dict.fromkeys(BLEEDING, False), "sbp": Decimal(120), "alcohol_drinks_week": 0}
    facts = (fibrillation[0], *(fact for cited in found.values() for fact in cited[:1]))
    return _bound(feed, name, title, given, neutral, BLEEDING, facts)


def _no_fibrillation(name: str, title: str) -> ScoreResult:
    missing = ("a recorded atrial fibrillation",)
    text = f"{title} not computed: no atrial fibrillation recorded"
    return ScoreResult(name, calculators.run(name, {}), (), missing, text=text)


def _bound(
    feed: Feed,
    name: str,
    title: str,
    given: Mapping[str, Any],
    neutral: Mapping[str, Any],
    words: Mapping[str, str],
    facts: tuple[Fact, ...],
) -> ScoreResult:
    """The score with everything not recorded counted as absent, printed as a bound."""
    no = refused(feed, name, title)
    if no is not None:
        return no
    missing = tuple(word for key, word in words.items() if key not in given)
    result = calculators.run(name, given)
    if not missing and result["status"] == "ok":
        return ScoreResult(name, result, facts, text=f"{title} {result['score']}")
    lower = calculators.run(name, {**neutral, **given})
    least = int(lower["score"] or 0)
    result |= {"at_least": least, "lower_bound": {key: value for key, value in lower.items() if key != "status"}}
    text = f"{title} at least {least}; {not_recorded(missing)}"
    return ScoreResult(name, result, facts, missing, bound=True, text=text)
