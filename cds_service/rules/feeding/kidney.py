"""Kidney function of a record: eGFR, G category, creatinine clearance."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cds_service.record import wording
from cds_service.record.facts import Fact, Reading
from cds_service.rules import calculators
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.kidney_injury import Comparison, aki_stage, mass, molar, worst_week
from cds_service.rules.feeding.result import ScoreResult
from cds_service.rules.feeding.windows import fresh, lacking, moment, written

EGFR = "eGFR_CKD_EPI_2021"
CHRONIC = timedelta(days=90)
UNIT = "mL/min/1.73 m²"
NORMAL, SEVERE = 60, 30  # mL/min/1.73 m²: the limits of the order checks lie between, the lower one included


def _injury(feed: Feed, creatinine: Reading) -> Comparison | None:
    """What makes an older ``creatinine`` a value of acute kidney injury; of the last 7 days ``aki_stage`` itself says it."""
    if feed.once(aki_stage).ok:
        return None
    worst = worst_week(creatinine, feed.creatinines)
    return worst if worst is not None and worst.stage else None


def _guards(feed: Feed, injury: Comparison | None) -> dict[str, Any]:
    acute = injury is not None or bool(feed.once(aki_stage).result.get("peak_stage"))
    return {"pregnant": feed.population["pregnant"], "dialysis": feed.dialysis.maintenance, "aki": acute}


def _equation(feed: Feed, creatinine: Reading, sex: str, extra: dict[str, Any]) -> dict[str, Any]:
    """CKD-EPI 2021 at the age of the day the creatinine was taken."""
    umol = molar(creatinine)
    value = {"creatinine_mg_dl": creatinine.value} if umol is None else {"creatinine_umol_l": umol}
    age = feed.record.person.age(moment(creatinine))
    return calculators.run(EGFR, {"sex": sex, "age_years": age, **value, **extra})


def egfr_now(feed: Feed) -> ScoreResult:
    """eGFR of the newest creatinine (at most 90 days old); withheld in AKI, pregnancy, on dialysis and under 18.

    Without a creatinine the eGFR the laboratory reported is taken. With the sex unknown both results are in ``text``.
    """
    recent = fresh(feed.record, EGFR, "creatinine")
    if not recent or recent[0] not in feed.creatinines[:1]:
        return _laboratory_egfr(feed, recent[0] if recent else None)
    creatinine = recent[0]
    injury = _injury(feed, creatinine)
    extra = _guards(feed, injury)
    result = _equation(feed, creatinine, feed.record.person.sex, extra)
    if result["status"] == "ok":
        other = _contradicting(feed, creatinine, result["reported"])
        said = f"; the laboratory's own, {wording.number(other.value)}, disagrees" if other and other.value else ""
        text = f"eGFR {result['reported']} {UNIT} (CKD-EPI 2021{said})"
        return ScoreResult(EGFR, result, (creatinine, *((other,) if other else ())), text=text)
    if result["status"] == "not-applicable":
        facts = (creatinine, *(fact for fact in _evidence(feed, result["reason"], injury) if fact is not creatinine))
        return ScoreResult(EGFR, result, facts, text=f"eGFR withheld: {reason(result['reason'], extra)}")
    missing = tuple("age" if key == "age_years" else key for key in result.get("missing", ()))
    text = ""
    if missing == ("sex",):
        result["by_sex"] = {sex: _equation(feed, creatinine, sex, extra)["reported"] for sex in ("female", "male")}
        text = _both_sexes(result["by_sex"])
    why = f"missing: {', '.join(missing)}" if missing else "a value outside the possible range"
    return ScoreResult(EGFR, result, (creatinine,), missing, text=text or f"eGFR not computed; {why}")


def _contradicting(feed: Feed, creatinine: Reading, reported: int) -> Reading | None:
    """The eGFR the laboratory reported with this creatinine or after it, where it lies in another G category.

    One of the two is wrong, or a formula differs; which one is not for us to say.
    """
    newest = next(iter(fresh(feed.record, EGFR, "egfr")), None)
    if newest is None or not newest.exact or moment(newest) < moment(creatinine):
        return None
    ours, theirs = (calculators.run("CKD_G_stage", {"egfr": value})["stage"] for value in (reported, newest.value))
    return newest if ours != theirs else None


def _evidence(feed: Feed, code: str, injury: Comparison | None) -> tuple[Fact, ...]:
    """The facts that forbid a formula."""
    if code == "pregnancy":
        return feed.pregnancy.facts
    if code != "acute-state":
        return ()
    if feed.dialysis.maintenance:
        return feed.dialysis.facts
    return injury.facts if injury else feed.once(aki_stage).inputs


def _laboratory_egfr(feed: Feed, bound: Reading | None) -> ScoreResult:
    """The laboratory's own eGFR under the same guards, where no creatinine can be used."""
    newest = next(iter(fresh(feed.record, EGFR, "egfr")), None)
    older = newest is not None and bound is not None and moment(bound) > moment(newest)
    if newest is None or newest.value is None or newest.refusal is not None or older:
        missing = (lacking(feed.record, EGFR, "creatinine", ("creatinine",), bound),)
        facts = () if newest is None else (newest,)
        text = f"eGFR not computed; missing: {missing[0]}"
        return ScoreResult(EGFR, calculators.run(EGFR, {}), facts, missing, text=text)
    extra = _guards(feed, None)
    guarded = calculators.run("CKD_G_stage", {"egfr": newest.value, **extra})
    age = feed.record.person.age(moment(newest))
    why = guarded.get("reason") or ("age<18" if age is not None and age < 18 else "")
    if why:
        result = {"status": "not-applicable", "egfr": None, "reported": None, "reason": why}
        withheld = (newest, *_evidence(feed, why, None))
        return ScoreResult(EGFR, result, withheld, text=f"eGFR withheld: {reason(why, extra)}")
    if not newest.exact:
        text = f"eGFR {newest.comparator}{newest.value} {UNIT} as reported by the laboratory, a bound"
        return ScoreResult(EGFR, calculators.run(EGFR, {}), (newest,), ("an exact eGFR",), text=text)
    value = newest.value or Decimal(0)
    result = {"status": "ok", "egfr": float(value), "reported": int(value.quantize(Decimal(1), ROUND_HALF_UP))}
    text = f"eGFR {result['reported']} {UNIT} (as reported by the laboratory)"
    return ScoreResult(EGFR, result, (newest,), text=text)


def decided(found: ScoreResult) -> tuple[int, str] | None:
    """An eGFR that is not known exactly and yet decides every limit from 30 to 60, and how it is printed: ``(61, '>60')``.

    A laboratory's bound, or the results for either sex where none is recorded: 60 or more whatever it is, or below 30.
    """
    by_sex = found.result.get("by_sex")
    if by_sex:
        least, most = sorted(by_sex.values())
        printed = f"{by_sex['female']} if female, {by_sex['male']} if male"
        return (least, printed) if least >= NORMAL else (most, printed) if most < SEVERE else None
    newest = found.inputs[0] if found.inputs else None
    if not isinstance(newest, Reading) or newest.concept != "egfr" or newest.value is None or found.ok:
        return None
    value, sign = newest.value, newest.comparator
    proven = math.ceil(value) - 1 if sign == "<" else math.floor(value) + (sign == ">")
    decides = proven >= NORMAL if sign in (">", ">=") else 0 <= proven < SEVERE
    return (proven, f"{sign}{value:f}") if sign and decides else None


def reason(code: str, extra: dict[str, Any]) -> str:
    """Why a kidney formula is withheld, in words."""
    if code == "acute-state":
        return "on maintenance dialysis" if extra["dialysis"] else "criteria of acute kidney injury met"
    return {"age<18": "under 18 years"}.get(code, code)


def _both_sexes(found: dict[str, Any]) -> str:
    """What a record without a usable sex can say: both results, marked."""
    return f"eGFR {found['female']} if female, {found['male']} if male (CKD-EPI 2021; sex not recorded)"


def g_stage(feed: Feed) -> ScoreResult:
    """G category of the reported integer: “range, single value” unless an eGFR below 60 lies ≥ 90 days before.

    The day of that earlier value is named as the record writes it.
    """
    name = "CKD_G_stage"
    now = feed.once(egfr_now)
    if not now.ok:
        result = {"status": now.result["status"], "stage": None}
        result |= {key: now.result[key] for key in ("reason", "missing") if key in now.result}
        text = f"G category not given; missing: {', '.join(now.missing)}"
        if not now.missing:
            text = now.text.replace("eGFR", "G category", 1)
        return ScoreResult(name, result, now.inputs, now.missing, text=text)
    result = calculators.run(name, {"egfr": now.result["reported"]})
    earlier = _earlier_reduced(feed, now.inputs[0]) if now.result["reported"] < 60 else None
    if earlier is None:
        return ScoreResult(name, result | {"chronic": False}, now.inputs, text=f"{result['stage']} range, single value")
    text = f"{result['stage']} (also below 60 on {earlier.time_text[:10] or moment(earlier).date().isoformat()})"
    return ScoreResult(name, result | {"chronic": True}, (*now.inputs, earlier), text=text)


def _earlier_reduced(feed: Feed, current: Fact) -> Reading | None:
    """The newest creatinine at least 90 days before ``current``, if its eGFR was below 60."""
    if current.time is None:
        return None
    earlier = next((r for r in feed.creatinines if current.time - moment(r) >= CHRONIC), None)
    if earlier is None:
        return None
    reported = _equation(feed, earlier, feed.record.person.sex, {}).get("reported")
    return earlier if reported is not None and reported < 60 else None


def crcl(feed: Feed) -> ScoreResult:
    """Cockcroft-Gault with the newest actual body weight and creatinine (each at most 90 days old).

    Where it is withheld because kidney function is not steady, ``result`` has what the formula would give under
    ``unsteady_ml_min``: no estimate, and used only where it makes a check stricter.
    """
    name = "CockcroftGault"
    picked: dict[str, Reading] = {}
    missing: list[str] = []
    for concept in ("body_weight", "creatinine"):
        newest = next(iter(fresh(feed.record, name, concept)), None)
        if newest is None or not newest.exact:
            missing.append(lacking(feed.record, name, concept, (concept,), newest))
        else:
            picked[concept] = newest
    creatinine = picked.get("creatinine")
    injury = None if creatinine is None else _injury(feed, creatinine)
    extra = _guards(feed, injury)
    given = {
        "sex": feed.record.person.sex,
        "age_years": feed.age,
        "weight_kg": picked["body_weight"].value if "body_weight" in picked else None,
        "creatinine_mg_dl": mass(creatinine) if creatinine else None,
        **extra,
    }
    result = calculators.run(name, given)
    if result.get("reason") == "acute-state":
        result["unsteady_ml_min"] = calculators.run(name, given | {"dialysis": False, "aki": False})["crcl_ml_min"]
    missing += [word for key, word in (("sex", "sex"), ("age_years", "age")) if key in result.get("missing", ())]
    facts = (*picked.values(), *(f for f in _evidence(feed, result.get("reason", ""), injury) if f is not creatinine))
    return ScoreResult(name, result, facts, tuple(missing), text=_crcl_text(result, picked, missing, extra))


def _crcl_text(result: dict[str, Any], picked: dict[str, Reading], missing: list[str], extra: dict[str, Any]) -> str:
    if result["status"] == "ok":
        weight = written(picked["body_weight"])
        return f"Creatinine clearance {result['crcl_ml_min']:.0f} mL/min (Cockcroft-Gault, actual weight {weight})"
    if result["status"] == "not-applicable":
        return f"Creatinine clearance withheld: {reason(result['reason'], extra)}"
    return f"Creatinine clearance not computed; missing: {', '.join(missing) or 'a value within the possible range'}"
