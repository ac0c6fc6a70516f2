"""A second, independent writing of every formula: plain floats and fractions, other algebra, other control flow.

Written from the cited texts, not from the first implementation. Inputs are floats or Fractions as JSON would hold them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from fractions import Fraction
from math import exp, log, log2
from typing import Any


def exact(value: Any) -> Fraction:
    return Fraction(str(value))


def news2(v: dict[str, Any]) -> int:
    """Each parameter by its chart column: edges between columns, scores of the columns."""

    def column(value: Any, edges: list[float], scores: list[int]) -> int:
        return scores[bisect_left(edges, float(value))]

    total = column(v["rr"], [8, 11, 20, 24], [3, 1, 0, 2, 3])
    if v["spo2_scale"] == 1:
        total += column(v["spo2"], [91, 93, 95], [3, 2, 1, 0])
    elif v["supplemental_o2"]:
        total += column(v["spo2"], [83, 85, 87, 92, 94, 96], [3, 2, 1, 0, 1, 2, 3])
    else:
        total += column(v["spo2"], [83, 85, 87], [3, 2, 1, 0])
    total += column(v["sbp"], [90, 100, 110, 219], [3, 2, 1, 0, 3])
    total += column(v["hr"], [40, 50, 90, 110, 130], [3, 1, 0, 1, 2, 3])
    total += column(v["temp_c"], [35.0, 36.0, 38.0, 39.0], [3, 1, 0, 1, 2])
    return total + 2 * v["supplemental_o2"] + 3 * (v["acvpu"] in "CVPU")


def egfr(sex: str, age: float, scr: float) -> float:
    """In logarithms, with the two slopes written as one."""
    kappa, alpha, factor = {"female": (0.7, -0.241, 1.012), "male": (0.9, -0.302, 1)}[sex]
    distance = log(scr / kappa)
    slope = alpha * min(distance, 0.0) - 1.2 * max(distance, 0.0)
    return exp(log(142 * factor) + slope + age * log(0.9938))


def g_stage(value: float) -> str:
    return ["G5", "G4", "G3b", "G3a", "G2", "G1"][bisect_right([15, 30, 45, 60, 90], value)]


def kdigo(baseline: Any, current: Any, hours: Any, rise: str = "0.3", severe: str = "4") -> int:
    """By ratio as a fraction, worst criterion first."""
    ratio, difference = exact(current) / exact(baseline), exact(current) - exact(baseline)
    in_week = exact(hours) <= 168
    met = (in_week and ratio >= Fraction(3, 2)) or (exact(hours) <= 48 and difference >= exact(rise))
    if met and (exact(current) >= exact(severe) or (in_week and ratio >= 3)):
        return 3
    return 2 if in_week and ratio >= 2 else int(met)


def urine(output: float, hours: float) -> int:
    stages = [0]
    if output < 0.5 and hours >= 6:
        stages.append(1)
    if output < 0.5 and hours >= 12:
        stages.append(2)
    if (output < 0.3 and hours >= 24) or (output == 0 and hours >= 12):
        stages.append(3)
    return max(stages)


def meld(sex: str, bili: float, inr: float, cr: float, na: float, alb: float, dialysis: bool) -> float:
    """With the interaction terms factored out."""
    lb, li = log(sorted((1.0, bili))[1]), log(sorted((1.0, inr))[1])
    lc = log(3.0) if dialysis else log(sorted((1.0, cr, 3.0))[1])
    low_na, low_alb = 137 - sorted((125.0, na, 137.0))[1], 3.5 - sorted((1.5, alb, 3.5))[1]
    base = 6 + 4.56 * lb + 9.09 * li + 11.14 * lc
    return base + low_na * (0.82 - 0.24 * lb) + low_alb * (1.85 - 1.83 * lc) + (1.33 if sex == "female" else 0)


def fib4(age: float, ast: float, alt: float, platelets: float) -> float:
    return exp(log(age) + log(ast) - log(platelets) - log(alt) / 2)


def qtc(qt: float, hr: float) -> tuple[float, float]:
    rr = 60 / hr
    return qt * 2 ** (-log2(rr) / 2), qt * 2 ** (-log2(rr) / 3)


def crcl(sex: str, age: Any, weight: Any, scr: Any) -> Fraction:
    value = (140 - exact(age)) * exact(weight) / 72 / exact(scr)
    return value * Fraction(17, 20) if sex == "female" else value


def ldl(tc: Any, hdl: Any, tg: Any, unit: str) -> Fraction:
    return exact(tc) - exact(hdl) - exact(tg) * (Fraction(1, 5) if unit == "mg/dL" else Fraction(5, 11))


def hypotension_limit(age: float) -> float:
    bands = [(28 / 365.25, lambda _: 60.0), (0.999999999, lambda _: 70.0), (9.999999999, lambda a: 70 + 2 * a)]
    return next((limit(age) for upper, limit in bands if age <= upper), 90.0)


def danger_zone(months: float, hr: float, rr: float, spo2: float) -> bool:
    rows = [(0, 180, 50), (3, 160, 40), (36, 140, 30), (96.0000001, 100, 20)]
    _, fastest, most = [row for row in rows if row[0] <= months][-1]
    return not (hr <= fastest and rr <= most and spo2 >= 92)


def counted(*criteria: tuple[bool, float]) -> float:
    return sum(weight for met, weight in criteria if met)


def cha2ds2_vasc(v: dict[str, Any]) -> float:
    return counted(
        (v["chf"], 1),
        (v["htn"], 1),
        (v["age_years"] >= 75, 1),
        (v["age_years"] >= 65, 1),
        (v["diabetes"], 1),
        (v["stroke_tia"], 2),
        (v["vascular"], 1),
        (v["sex"] == "female", 1),
    )


def has_bled(v: dict[str, Any]) -> float:
    flags = ("abnormal_renal", "abnormal_liver", "stroke", "bleeding_history", "labile_inr", "antiplatelet_or_nsaid")
    return counted(
        (not v["sbp"] <= 160, 1),
        (not v["age_years"] <= 65, 1),
        (not v["alcohol_drinks_week"] < 8, 1),
        *((v[flag], 1) for flag in flags),
    )


def wells(v: dict[str, Any]) -> float:
    return counted(
        (v["dvt_signs"], 3),
        (v["pe_most_likely"], 3),
        (not v["hr"] <= 100, 1.5),
        (v["immobil_or_surgery_4w"], 1.5),
        (v["prior_dvt_pe"], 1.5),
        (v["hemoptysis"], 1),
        (v["malignancy"], 1),
    )


def curb_65(v: dict[str, Any]) -> float:
    return counted(
        (v["confusion"], 1),
        (not v["bun_mg_dl"] <= 19, 1),
        (not v["rr"] < 30, 1),
        (not (v["sbp"] >= 90 and v["dbp"] > 60), 1),
        (not v["age_years"] < 65, 1),
    )


def heart(v: dict[str, Any]) -> float:
    history = {"slightly": 0, "moderately": 1, "highly": 2}[v["history"]]
    ecg = {"normal": 0, "nonspecific": 1, "st_deviation": 2}[v["ecg"]]
    age = bisect_right([45, 65], v["age_years"])
    risk = 2 if v["known_atherosclerosis"] else [0, 1, 1, 2, 2, 2][min(v["risk_factors"], 5)]
    troponin = 0 if v["troponin_x_uln"] <= 1 else 1 if v["troponin_x_uln"] < 3 else 2
    return history + ecg + age + risk + troponin


def sirs(v: dict[str, Any]) -> float:
    return counted(
        (not 36 <= v["temp_c"] <= 38, 1),
        (not v["hr"] <= 90, 1),
        (not (v["rr"] <= 20 and v["paco2_mmhg"] >= 32), 1),
        (not (4 <= v["wbc_10e9_l"] <= 12 and v["bands_pct"] <= 10), 1),
    )
