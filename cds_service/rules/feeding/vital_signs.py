"""Scores of vital signs from a record: NEWS2, qSOFA, SIRS, CURB-65, shock index, danger zone, hypotension."""

from __future__ import annotations

from decimal import Decimal

from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.observations import Question, ask
from cds_service.rules.feeding.result import ScoreResult, withheld
from cds_service.rules.feeding.states import hypercapnic_target
from cds_service.rules.feeding.windows import fresh, lacking, limit, not_recorded, written

_PARTS = {
    "rr": {"respiratory_rate"},
    "spo2": {"oxygen_saturation"},
    "o2": {"oxygen_therapy", "oxygen_flow", "inhaled_oxygen"},
    "sbp": {"systolic_bp"},
    "hr": {"heart_rate"},
    "consciousness": {"consciousness", "gcs"},
    "temp": {"body_temperature"},
}
REFUSED = {"pregnancy": "in pregnancy", "age<16": "under 16 years", "age<18": "under 18 years"}

_LOW, _MODERATE, _SEVERE = "0–1: low risk", "2: moderate", "3–5: severe"
CURB_65_MEANS = (_LOW, _LOW, _MODERATE, _SEVERE, _SEVERE, _SEVERE)  # Lim 2003

NEWS2 = Question(
    "NEWS2",
    "NEWS2",
    ("rr", "spo2", "supplemental_o2", "sbp", "hr", "acvpu", "temp_c"),
    "total",
    lambda result: f"{result['total']}, {result['risk']} risk",
)
QSOFA = Question("qSOFA", "qSOFA", ("rr", "sbp", "gcs"), "score", lambda result: f"{result['score']} of 3")
SIRS = Question(
    "SIRS",
    "SIRS",
    ("temp_c", "hr", "rr"),
    "score",
    lambda result: f"{result['score']} of 4",
    companions=("wbc_10e9_l",),
    optional=("paco2_mmhg", "bands_pct"),
)
CURB_65 = Question(
    "CURB_65",
    "CURB-65",
    ("confusion", "rr", "sbp", "dbp"),
    "score",
    lambda result: f"{result['score']} of 5 ({CURB_65_MEANS[result['score']]})",
    companions=("bun_mg_dl",),
)
DANGER_ZONE = Question(
    "ESI_danger_zone",
    "Danger zone vital signs:",
    ("hr", "rr", "spo2"),
    "danger_zone",
    lambda result: "yes" if result["danger_zone"] else "no",
)
SHOCK_INDEX = Question(
    "ShockIndex", "Shock index", ("hr", "sbp"), "value", lambda result: f"{round(result['value'], 2):.2f}"
)


def refused(feed: Feed, name: str, title: str) -> ScoreResult | None:
    """The answer where the population alone decides: not applicable, or the age not known."""
    reason = calculators.CALCULATORS[name].refusal(feed.guarded)
    if reason:
        facts = feed.pregnancy.facts if reason == "pregnancy" else ()
        return withheld(name, reason, f"{title} does not apply {REFUSED[reason]}", facts)
    if feed.age is None:
        return ScoreResult(name, calculators.run(name, {}), (), ("age",), text=f"{title} not computed; missing: age")
    return None


def news2(feed: Feed) -> ScoreResult:
    """NEWS2 or its lower bound; SpO2 scale 2 only on a documented hypercapnic target.

    A bound also has ``known`` in its ``result``: the parts that are recorded, with their points.
    """
    no = refused(feed, "NEWS2", "NEWS2")
    if no is not None:
        return no
    target = hypercapnic_target(feed.record, limit("NEWS2", "hypercapnic_target"))
    scale = {**feed.population, "spo2_scale": 1 if target is None else 2}
    found = ask(feed, NEWS2, scale, () if target is None else (target,))
    if found.bound:
        seen = {concept for fact in found.inputs if (concept := getattr(fact, "concept", ""))}
        parts = found.result["lower_bound"]["parts"]
        found.result["known"] = {part: parts[part] for part, concepts in _PARTS.items() if seen & concepts}
    return found


def _asked(feed: Feed, question: Question, title: str) -> ScoreResult:
    no = refused(feed, question.name, title)
    return no if no is not None else ask(feed, question, feed.population)


def qsofa(feed: Feed) -> ScoreResult:
    """Quick SOFA or its lower bound; ACVPU stands in for the Glasgow Coma Scale (altered or not)."""
    return _asked(feed, QSOFA, "qSOFA")


def sirs(feed: Feed) -> ScoreResult:
    """SIRS or its lower bound; white cells within 12 h of the vital signs."""
    return _asked(feed, SIRS, "SIRS")


def curb_65(feed: Feed) -> ScoreResult:
    """CURB-65 or its lower bound, where a pneumonia is recorded; urea within 24 h of the vital signs."""
    pneumonia = feed.conditions("pneumonia")
    if not pneumonia:
        missing = ("a recorded pneumonia",)
        result = calculators.run("CURB_65", {})
        return ScoreResult("CURB_65", result, (), missing, text="CURB-65 not computed: no pneumonia recorded")
    no = refused(feed, "CURB_65", "CURB-65")
    return no if no is not None else ask(feed, CURB_65, feed.population, pneumonia)


def shock_index(feed: Feed) -> ScoreResult:
    """Heart rate over systolic pressure of one set of observations; no bound, since either side may be missing."""
    found = _asked(feed, SHOCK_INDEX, "Shock index")
    if not found.bound:
        return found
    result = {key: found.result[key] for key in found.result if key not in ("at_least", "lower_bound")}
    text = f"Shock index not computed; missing: {', '.join(found.missing)}"
    return ScoreResult(found.name, result, found.inputs, found.missing, text=text)


def danger_zone(feed: Feed) -> ScoreResult:
    """Danger zone vital signs for the age in months; one sign in the zone is enough, whatever else is missing."""
    months = feed.record.person.age_months(feed.record.now)
    name = DANGER_ZONE.name
    if months is None:
        text = "Danger zone not computed; missing: age"
        return ScoreResult(name, calculators.run(name, {}), (), ("age",), text=text)
    found = ask(feed, DANGER_ZONE, {"age_months": months})
    if not found.bound:
        return found
    known = "yes" if found.result["at_least"] else "none among the signs recorded"
    text = f"{DANGER_ZONE.title} {known}; {not_recorded(found.missing)}"
    return ScoreResult(name, found.result, found.inputs, found.missing, bound=True, text=text)


def hypotension(feed: Feed) -> ScoreResult:
    """Hypotension of a child (under 18 years) by the newest systolic pressure."""
    name = "PedsHypotension"
    age, person = feed.age, feed.record.person
    newest = next(iter(fresh(feed.record, name, "systolic_bp")), None)
    if age is None or age >= 18 or newest is None or not newest.exact:
        missing = lacking(feed.record, name, "", ("systolic_bp",), newest) if age is not None and age < 18 else "age"
        words = "adult" if age is not None and age >= 18 else f"missing: {missing}"
        text = f"Hypotension for age not computed; {words}"
        return ScoreResult(name, calculators.run(name, {}), (), (missing,), text=text)
    years = Decimal(age)
    if age < 1 and person.birth_date is not None:
        years = Decimal((feed.record.now.date() - person.birth_date).days) / Decimal("365.25")
    result = calculators.run(name, {"age_years": years, "sbp": newest.value})
    verdict = "below" if result["hypotensive"] else "not below"
    text = f"Systolic pressure {written(newest)}, {verdict} the limit for the age"
    return ScoreResult(name, result, (newest,), text=text)
