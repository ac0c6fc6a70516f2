"""One set of bedside observations for one score: complete, or as a lower bound.

The newest complete set within one window is taken. Where newer observations are incomplete but already reach as much as
that set did, their bound is given instead, so that newer and worse is never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from cds_service.record.facts import Fact, Reading
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.states import supplemental_oxygen
from cds_service.rules.feeding.windows import (
    Series,
    fresh,
    lacking,
    moment,
    newest_complete,
    newest_partial,
    not_recorded,
    window,
)
from cds_service.rules.scores.calculator import Calculator, Impossible, Outcome, Status, Value

# The item of the record behind each input: one concept, or several of which the newest speaks.
CONCEPTS: Mapping[str, tuple[str, ...]] = {
    "rr": ("respiratory_rate",),
    "spo2": ("oxygen_saturation",),
    "supplemental_o2": ("oxygen_therapy", "oxygen_flow", "inhaled_oxygen"),
    "sbp": ("systolic_bp",),
    "dbp": ("diastolic_bp",),
    "hr": ("heart_rate",),
    "acvpu": ("consciousness", "gcs"),
    "gcs": ("gcs", "consciousness"),
    "confusion": ("consciousness", "gcs"),
    "temp_c": ("body_temperature",),
    "wbc_10e9_l": ("leukocytes",),
    "paco2_mmhg": ("paco2",),
    "bands_pct": ("bands",),
    "bun_mg_dl": ("urea_nitrogen",),
}
_WORDS = {"supplemental_o2": "oxygen", "acvpu": "consciousness", "gcs": "consciousness", "confusion": "consciousness"}

# Values that score nothing. They stand in for what is missing when a lower bound is computed, and nowhere else.
NEUTRAL: Mapping[str, Value] = {
    "rr": Decimal(16),
    "spo2": Decimal(97),
    "supplemental_o2": False,
    "sbp": Decimal(120),
    "dbp": Decimal(75),
    "hr": Decimal(75),
    "acvpu": "A",
    "gcs": Decimal(15),
    "confusion": False,
    "temp_c": Decimal(37),
    "wbc_10e9_l": Decimal(8),
    "bun_mg_dl": Decimal(10),
}


def value(key: str, reading: Reading) -> Any:
    """What a reading gives as the input ``key``; None where it cannot be used.

    Consciousness and the Glasgow Coma Scale stand in for each other: 15 is Alert; anything less, or C, V, P or U, is
    altered, which is all the scores ask. New confusion is assumed until a person says otherwise (RCP 2017).
    """
    if key == "supplemental_o2":
        return supplemental_oxygen(reading)
    if key not in ("acvpu", "gcs", "confusion"):
        return reading.value if reading.exact else None
    alert = _alert(reading)
    if alert is None or key == "confusion":
        return None if alert is None else not alert
    if key == "gcs":
        return reading.value if reading.concept == "gcs" else Decimal(15 if alert else 14)
    return reading.text.strip().upper() if reading.concept == "consciousness" else ("A" if alert else "C")


def _alert(reading: Reading) -> bool | None:
    if reading.concept == "gcs":
        return None if not reading.exact or reading.value is None else reading.value >= 15
    letter = reading.text.strip().upper()
    return letter == "A" if letter in ("A", "C", "V", "P", "U") else None


def usable(key: str, reading: Reading) -> bool:
    """True when the reading gives a value for the input ``key``."""
    return value(key, reading) is not None


class Question(Struct, frozen=True):
    """What one score asks of the record.

    ``signs`` lie within the common window (60 minutes); ``companions`` and ``optional`` are laboratory values within
    the score's own window of the newest sign. ``result`` is the key that is compared and bounded.
    """

    name: str
    title: str
    signs: tuple[str, ...]
    result: str
    describe: Callable[[Mapping[str, Any]], str]
    companions: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Observed(Struct, frozen=True):
    """One set: what can be used, what is known only as a bound, and what is missing in words."""

    used: dict[str, Reading]
    bounds: dict[str, Reading]
    missing: tuple[str, ...]


def ask(feed: Feed, question: Question, extra: Mapping[str, Any], cited: tuple[Fact, ...] = ()) -> ScoreResult:
    """The score of the newest complete set, or its lower bound; ``extra`` are inputs that are no observations.

    A bound has in its ``result`` also ``at_least`` and ``lower_bound`` (all outputs, were everything missing normal).
    """
    name, calculator = question.name, calculators.CALCULATORS[question.name]
    series = {key: fresh(feed.record, name, *CONCEPTS[key]) for key in question.signs}
    newest = _newest(feed, question, series)
    complete = newest if not newest.missing else _complete(feed, question, series)
    total = None if complete is None else calculator.run({**values(complete.used), **extra})
    if complete is newest and total is not None and total["status"] == "ok":
        return _answer(question, total, complete, cited)
    known, lower = _bounded(calculator, question, newest, extra)
    least = lower[question.result]
    if complete is not None and total is not None and total["status"] == "ok":
        newer_is_worse = least is not None and least >= total[question.result]
        if not newer_is_worse:
            return _answer(question, total, complete, cited)
    result = calculator.answer(known)
    seen = (*newest.used.values(), *newest.bounds.values())
    if not seen or least is None:
        why = "a value outside the possible range" if seen else "no vital signs within 12 h"
        return ScoreResult(name, result, seen, newest.missing, text=f"{question.title} not computed: {why}")
    result |= {"at_least": int(least), "lower_bound": {k: v for k, v in lower.items() if k != "status"}}
    text = f"{question.title} at least {int(least)}; {not_recorded(newest.missing)}"
    return ScoreResult(name, result, (*seen, *cited), newest.missing, bound=True, text=text)


def _answer(question: Question, total: dict[str, Any], seen: Observed, cited: tuple[Fact, ...]) -> ScoreResult:
    text = f"{question.title} {question.describe(total)}"
    return ScoreResult(question.name, total, (*seen.used.values(), *cited), text=text)


def values(readings: Mapping[str, Reading]) -> dict[str, Any]:
    """Calculator inputs of a set of readings."""
    return {key: value(key, reading) for key, reading in readings.items()}


def _newest(feed: Feed, question: Question, series: Series) -> Observed:
    picked = newest_partial(series, window(""))
    picked |= _laboratory(feed, question, picked)
    used = {key: reading for key, reading in picked.items() if usable(key, reading)}
    bounds = {k: r for k, r in picked.items() if k not in used and r.comparator and r.value is not None}
    missing = tuple(
        lacking(feed.record, question.name, _WORDS.get(key, ""), CONCEPTS[key], picked.get(key))
        for key in (*question.signs, *question.companions)
        if key not in used
    )
    return Observed(used, bounds, missing)


def _complete(feed: Feed, question: Question, series: Series) -> Observed | None:
    signs = newest_complete(series, window(""), usable)
    if signs is None:
        return None
    laboratory = _laboratory(feed, question, signs)
    if any(key not in laboratory or not usable(key, laboratory[key]) for key in question.companions):
        return None
    return Observed(signs | {k: r for k, r in laboratory.items() if usable(k, r)}, {}, ())


def _laboratory(feed: Feed, question: Question, signs: Mapping[str, Reading]) -> dict[str, Reading]:
    """The newest laboratory value of each kind near the newest sign."""
    if not signs:
        return {}
    span = window(question.name)
    latest = max(moment(reading) for reading in signs.values())
    found: dict[str, Reading] = {}
    for key in (*question.companions, *question.optional):
        near = (r for r in fresh(feed.record, question.name, *CONCEPTS[key]) if abs(moment(r) - latest) <= span)
        reading = next(near, None)
        if reading is not None:
            found[key] = reading
    return found


def _bounded(
    calculator: Calculator, question: Question, seen: Observed, extra: Mapping[str, Any]
) -> tuple[Outcome, dict[str, Any]]:
    """The answer to what is known, and the one if everything missing were normal."""
    given = {**values(seen.used), **extra}
    try:
        known = calculator.parse(given)
    except Impossible:
        impossible = Outcome(Status.INVALID)
        return impossible, calculator.answer(impossible)
    least = calculator.conclude({**_neutral(question, seen, extra), **known})
    return calculator.conclude(known, given), calculator.answer(least)


def _neutral(question: Question, seen: Observed, extra: Mapping[str, Any]) -> dict[str, Value]:
    """Everything as if it were normal, every bound as near to normal as it can be."""
    given: dict[str, Value] = {key: NEUTRAL[key] for key in (*question.signs, *question.companions)}
    if extra.get("spo2_scale") == 2:
        given["spo2"] = Decimal(90)
    for key, reading in seen.bounds.items():
        if key in given and reading.value is not None:
            nearest = min if reading.comparator.startswith("<") else max
            given[key] = nearest(Decimal(given[key]), reading.value)
    return given
