"""Scores of laboratory values from a record: each of the newest values that lie within the calculator's own window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from cds_service.record import wording
from cds_service.record.facts import Reading
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.vital_signs import REFUSED
from cds_service.rules.feeding.windows import (
    fresh,
    lacking,
    minutes,
    moment,
    newest_complete,
    not_recorded,
    window,
    written,
)


class Panel(Struct, frozen=True):
    """A calculator of laboratory values: input → concept; ``optional`` ones join where they lie in the window.

    ``amount`` names a result that is an amount of the concept of the input ``like``, and is printed in its unit.
    """

    name: str
    title: str
    concepts: Mapping[str, str]
    describe: Callable[[Mapping[str, Any]], str]
    optional: Mapping[str, str] = {}
    amount: str = ""
    like: str = ""

    def said(self, result: Mapping[str, Any], given: Mapping[str, Reading]) -> str:
        """The result in words, in the unit system of the readings it was computed from."""
        like = given.get(self.like)
        if like is None or like.display is None:
            return self.describe(result)
        return wording.beside(like, Decimal(str(result[self.amount])))


CALCIUM = Panel(
    "CorrectedCalcium",
    "Calcium corrected for albumin",
    {"calcium_mg_dl": "calcium", "albumin_g_dl": "albumin"},
    lambda result: f"{result['value']:.1f} mg/dL",
    amount="value",
    like="calcium_mg_dl",
)
GAP = Panel(
    "AnionGap",
    "Anion gap",
    {"na": "sodium", "cl": "chloride", "hco3": "bicarbonate"},
    lambda result: f"{round(result['ag'], 1):g} mmol/L{_corrected(result['ag_corrected'])}",
    {"albumin_g_dl": "albumin"},
)
MELD = Panel(
    "MELD_3_0",
    "MELD 3.0",
    {
        "bilirubin_mg_dl": "bilirubin_total",
        "inr": "inr",
        "creatinine_mg_dl": "creatinine",
        "sodium_mmol_l": "sodium",
        "albumin_g_dl": "albumin",
    },
    lambda result: f"{result['score']}",
)
FIB4 = Panel(
    "FIB4",
    "FIB-4",
    {"ast": "ast", "alt": "alt", "platelets_10e9_l": "platelets"},
    lambda result: f"{result['value']:.2f}",
)
LDL = Panel(
    "LDL_Friedewald",
    "LDL cholesterol (Friedewald)",
    {"tc": "cholesterol", "hdl": "hdl", "tg": "triglycerides"},
    lambda result: f"{result['ldl']:.0f} mg/dL",
    amount="ldl",
    like="tc",
)
HBA1C = Panel(
    "HbA1c",
    "HbA1c",
    {"ngsp_pct": "hba1c"},
    lambda result: (
        f"in the {result['category']} range" if result["category"] != "diabetes-range" else "in the diabetes range"
    ),
)
QTC = Panel(
    "QTc",
    "QTc",
    {"qt_ms": "qt", "hr": "heart_rate"},
    lambda result: f"{result['fridericia']:.0f} ms (Fridericia), {result['bazett']:.0f} ms (Bazett)",
)


def _corrected(value: float | None) -> str:
    return "" if value is None else f", {round(value, 1):g} corrected for albumin"


def _exact(_key: str, reading: Reading) -> bool:
    return reading.exact


def _panel(feed: Feed, panel: Panel, extra: Mapping[str, Any]) -> ScoreResult:
    """The calculator on the newest complete set; a set is refused, not filled, where a value is missing."""
    name = panel.name
    series = {key: fresh(feed.record, name, concept) for key, concept in panel.concepts.items()}
    picked = newest_complete(series, window(name), _exact)
    if picked is None:
        return _incomplete(feed, panel, series, extra)
    picked = picked | _optional(feed, panel, picked)
    result = calculators.run(name, {**{key: reading.value for key, reading in picked.items()}, **extra})
    facts = tuple(picked.values())
    if result["status"] == "ok":
        return ScoreResult(name, result, facts, text=f"{panel.title} {panel.said(result, picked)}")
    if result["status"] == "not-applicable":
        reason = REFUSED.get(result["reason"]) or {"TG>400": "with triglycerides above 400 mg/dL"}[result["reason"]]
        return ScoreResult(name, result, facts, text=f"{panel.title} does not apply {reason}")
    missing = tuple("age" if key == "age_years" else key.replace("_", " ") for key in result.get("missing", ()))
    words = f"missing: {', '.join(missing)}" if missing else "the values contradict each other"
    return ScoreResult(name, result, facts, missing, text=f"{panel.title} not computed; {words}")


def _incomplete(
    feed: Feed, panel: Panel, series: Mapping[str, Sequence[Reading]], extra: Mapping[str, Any]
) -> ScoreResult:
    """What keeps a panel from being computed: a value missing, a bound, or values too far apart."""
    newest = {key: readings[0] for key, readings in series.items() if readings}
    missing = tuple(
        lacking(feed.record, panel.name, "", (concept,), newest.get(key))
        for key, concept in panel.concepts.items()
        if key not in newest or not newest[key].exact
    )
    given = {key: reading.value for key, reading in newest.items() if reading.exact}
    words = not_recorded(missing)
    if not missing:
        missing = (f"values within {minutes(window(panel.name))} of each other",)
        given, words = {}, f"missing: {missing[0]}"
    result = calculators.run(panel.name, {**extra, **given})
    return ScoreResult(panel.name, result, (), missing, text=f"{panel.title} not computed; {words}")


def _optional(feed: Feed, panel: Panel, picked: Mapping[str, Reading]) -> dict[str, Reading]:
    latest = max(moment(reading) for reading in picked.values())
    span = window(panel.name)
    found: dict[str, Reading] = {}
    for key, concept in panel.optional.items():
        near = (r for r in fresh(feed.record, panel.name, concept) if abs(moment(r) - latest) <= span)
        newest = next(near, None)
        if newest is not None and newest.exact:
            found[key] = newest
    return found


def _preferred(feed: Feed, found: ScoreResult, concept: str, words: str) -> ScoreResult:
    """A computed value beside a measured one of the same time: the measured one is preferred, and said so."""
    if not found.ok or found.inputs[0].time is None:
        return found
    near = timedelta(hours=24)
    for measured in fresh(feed.record, found.name, concept):
        if abs(moment(measured) - found.inputs[0].time) <= near:
            text = f"{found.text}; {words} {written(measured)} is preferred"
            return ScoreResult(found.name, found.result, (*found.inputs, measured), text=text)
    return found


def corrected_calcium(feed: Feed) -> ScoreResult:
    """Calcium and albumin within 24 h; where ionised calcium was measured it is named as the preferred value."""
    return _preferred(feed, _panel(feed, CALCIUM, feed.population), "ionised_calcium", "the measured ionised calcium")


def anion_gap(feed: Feed) -> ScoreResult:
    """Sodium, chloride and bicarbonate within 4 h, corrected where an albumin lies in the same window."""
    return _panel(feed, GAP, feed.population)


def meld(feed: Feed) -> ScoreResult:
    """MELD 3.0 of one day's values, where a chronic liver disease is recorded."""
    if not feed.conditions("chronic_liver_disease"):
        text = "MELD 3.0 not computed: no chronic liver disease recorded"
        return ScoreResult(
            MELD.name, calculators.run(MELD.name, {}), (), ("a recorded chronic liver disease",), text=text
        )
    week = feed.record.now - timedelta(days=7)
    dialyses = sum(1 for event in feed.dialysis.recent if event.time is not None and event.time >= week)
    dialysed: bool | None = feed.dialysis.maintenance or dialyses >= 2
    if not dialysed and not feed.record.looked_for("Procedure"):
        dialysed = None
    extra = {**feed.population, "sex": feed.record.person.sex, "dialysis_2x_7d": dialysed}
    return _panel(feed, MELD, extra)


def fib4(feed: Feed) -> ScoreResult:
    """FIB-4 of one day's values."""
    return _panel(feed, FIB4, feed.population)


def ldl(feed: Feed) -> ScoreResult:
    """Friedewald LDL of one day's lipids, mg/dL; a measured LDL of that day is named as the preferred value."""
    return _preferred(feed, _panel(feed, LDL, {**feed.population, "unit": "mg/dL"}), "ldl", "the reported LDL")


def hba1c(feed: Feed) -> ScoreResult:
    """Category of the newest HbA1c (at most 120 days old)."""
    return _panel(feed, HBA1C, feed.population)


def qtc(feed: Feed) -> ScoreResult:
    """Both corrections of a QT interval with the heart rate of the same tracing (within 5 minutes)."""
    return _panel(feed, QTC, feed.population)
