"""Scores of vital signs from a record: NEWS2, qSOFA, SIRS, shock index, danger zone, hypotension in children.

Each takes the newest complete set of observations within one window. Where newer observations are incomplete but
already reach as much as that set did, their bound is given instead, so that newer and worse is never hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from cds_service.record.facts import Reading
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.states import hypercapnic_target, supplemental_oxygen
from cds_service.rules.feeding.windows import (
    FRESHNESS,
    fresh,
    lacking,
    newest_complete,
    newest_partial,
)
from cds_service.rules.scores import news2 as chart

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
    "temp_c": ("body_temperature",),
}
_WORDS = {"supplemental_o2": "oxygen", "acvpu": "consciousness"}


def value(key: str, reading: Reading) -> Any:
    """What a reading gives as the input ``key``; None where it cannot be used.

    Consciousness and the Glasgow Coma Scale stand in for each other: 15 is Alert; anything less, or C, V, P or U, is
    altered, which is all either score asks. New confusion is assumed until a person says otherwise (RCP 2017).
    """
    if key == "supplemental_o2":
        return supplemental_oxygen(reading)
    if key in ("acvpu", "gcs"):
        alert = _alert(reading)
        if alert is None:
            return None
        if key == "gcs":
            return reading.value if reading.concept == "gcs" else Decimal(15 if alert else 14)
        return reading.text.strip().upper() if reading.concept == "consciousness" else ("A" if alert else "C")
    return reading.value if reading.exact else None


def _alert(reading: Reading) -> bool | None:
    if reading.concept == "gcs":
        return None if not reading.exact or reading.value is None else reading.value >= 15
    letter = reading.text.strip().upper()
    return letter == "A" if letter in ("A", "C", "V", "P", "U") else None


def usable(key: str, reading: Reading) -> bool:
    """True when the reading gives a value for the input ``key``."""
    return value(key, reading) is not None


class Observations(Struct, frozen=True):
    """The newest complete set, and the newest set of all with what it lacks; ``bounds`` are readings with a comparator."""

    complete: dict[str, Reading] | None
    newest: dict[str, Reading]
    missing: tuple[str, ...]
    bounds: dict[str, Reading]


def observe(feed: Feed, calculator: str, keys: Sequence[str]) -> Observations:
    """The sets of readings for some inputs, within the calculator's own window."""
    series = {key: fresh(feed.record, calculator, *CONCEPTS[key]) for key in keys}
    window = FRESHNESS.window(calculator)
    picked = newest_partial(series, window)
    newest = {key: reading for key, reading in picked.items() if usable(key, reading)}
    missing = tuple(
        lacking(feed.record, calculator, _WORDS.get(key, ""), CONCEPTS[key], picked.get(key))
        for key in keys
        if key not in newest
    )
    if not missing:
        return Observations(newest, newest, (), {})
    bounds = {k: r for k, r in picked.items() if k not in newest and r.comparator and r.value is not None}
    return Observations(newest_complete(series, window, usable), newest, missing, bounds)


def values(readings: Mapping[str, Reading]) -> dict[str, Any]:
    """Calculator inputs of a set of readings."""
    return {key: value(key, reading) for key, reading in readings.items()}


def refused(name: str, feed: Feed, extra: Mapping[str, Any], title: str) -> ScoreResult | None:
    """The answer where the population alone decides: not applicable, or the age not known."""
    result = calculators.run(name, extra)
    if result["status"] == "not-applicable":
        words = {"pregnancy": "in pregnancy", "age<16": "under 16 years", "age<18": "under 18 years"}
        facts = feed.pregnancy.facts if result["reason"] == "pregnancy" else ()
        text = f"{title} does not apply {words.get(result['reason'], result['reason'])}"
        return ScoreResult(name, result, facts, text=text)
    if feed.age is None:
        return ScoreResult(name, calculators.run(name, {}), (), ("age",), text=f"{title} not computed; missing: age")
    return None


def news2(feed: Feed) -> ScoreResult:
    """NEWS2 of the newest complete observations, or its lower bound; scale 2 only on a documented hypercapnic target.

    A bound has ``at_least`` (points), ``at_least_risk`` and ``known`` (the parts) in its ``result``.
    """
    name = "NEWS2"
    target = hypercapnic_target(feed.record, FRESHNESS.limit(name, "hypercapnic_target"))
    extra = {**feed.population, "spo2_scale": 2 if target else 1}
    no = refused(name, feed, feed.population, name)
    if no is not None:
        return no
    keys = ("rr", "spo2", "supplemental_o2", "sbp", "hr", "acvpu", "temp_c")
    seen = observe(feed, name, keys)
    scale = () if target is None else (target,)
    total = None
    if seen.complete is not None:
        total = calculators.run(name, {**values(seen.complete), **extra})
    known = _news2_parts(seen, str(extra["spo2_scale"]))
    at_least = sum(known.values())
    if seen.complete is not None and total is not None and total["status"] == "ok":
        newer_is_worse = seen.complete is not seen.newest and at_least >= total["total"]
        if not newer_is_worse:
            return ScoreResult(name, total, (*seen.complete.values(), *scale), text=_news2_text(total, bool(target)))
    result = calculators.run(name, {**values(seen.newest), **extra})
    if not known:
        text = "NEWS2 not computed: no vital signs within 12 h"
        return ScoreResult(name, result, (), seen.missing, text=text)
    risk = chart.risk(at_least, max(known.values()))
    result |= {"at_least": at_least, "at_least_risk": risk, "known": known}
    text = f"NEWS2 at least {at_least}; not recorded: {', '.join(seen.missing)}"
    facts = (*seen.newest.values(), *seen.bounds.values(), *scale)
    return ScoreResult(name, result, facts, seen.missing, bound=True, text=text)


def _news2_text(result: Mapping[str, Any], scale_2: bool) -> str:
    text = f"NEWS2 {result['total']}, {result['risk']} risk"
    return f"{text} (SpO2 scale 2)" if scale_2 else text


def _news2_parts(seen: Observations, scale: str) -> dict[str, int]:
    """Points of the parts that are known; what is not known exactly counts as low as it can be."""
    given = values(seen.newest)
    oxygen = bool(given.get("supplemental_o2"))
    parts: dict[str, int] = {}
    for key, part, bands, step in (
        ("rr", "rr", chart.RESPIRATION, chart.WHOLE),
        ("spo2", "spo2", chart.saturation(scale, on_oxygen=oxygen), chart.WHOLE),
        ("sbp", "sbp", chart.SYSTOLIC, chart.WHOLE),
        ("hr", "hr", chart.PULSE, chart.WHOLE),
        ("temp_c", "temp", chart.TEMPERATURE, chart.TENTH),
    ):
        if key in given:
            parts[part] = chart.points(bands, given[key], step)
        elif key in seen.bounds:
            bound = seen.bounds[key]
            parts[part] = chart.fewest(bands, bound.comparator, bound.value or Decimal(0), step)
    if "supplemental_o2" in given:
        parts["o2"] = 2 if oxygen else 0
    if "acvpu" in given:
        parts["consciousness"] = 0 if given["acvpu"] == "A" else 3
    return parts
