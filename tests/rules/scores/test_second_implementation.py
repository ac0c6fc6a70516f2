"""Every formula against its second writing, over the whole plausible range."""

from __future__ import annotations

from typing import Any

import pytest
import second_formulas as second
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.rules.calculators import run

few = settings(max_examples=150, deadline=None)
flags = st.booleans()
sexes = st.sampled_from(["male", "female"])


def decimals(low: float, high: float, places: int = 1) -> st.SearchStrategy[float]:
    """Numbers as laboratories write them: a fixed number of decimal places."""
    scale = 10**places
    return st.integers(round(low * scale), round(high * scale)).map(lambda n: n / scale)


def ok(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    answer = run(name, inputs)
    assert answer["status"] == "ok", (inputs, answer)
    return answer


@few
@given(
    st.fixed_dictionaries(
        {
            "age_years": st.integers(16, 110),
            "pregnant": st.just(False),
            "rr": st.integers(0, 60),
            "spo2": st.integers(50, 100),
            "spo2_scale": st.sampled_from([1, 2]),
            "supplemental_o2": flags,
            "sbp": st.integers(30, 280),
            "hr": st.integers(0, 250),
            "acvpu": st.sampled_from("ACVPU"),
            "temp_c": decimals(30, 43),
        }
    )
)
def test_news2(v: dict[str, Any]) -> None:
    answer = ok("NEWS2", v)
    assert answer["total"] == second.news2(v) == sum(answer["parts"].values())


@few
@given(sexes, st.integers(18, 110), decimals(0.2, 20, 2))
def test_egfr(sex: str, age: int, scr: float) -> None:
    answer = ok("eGFR_CKD_EPI_2021", {"sex": sex, "age_years": age, "creatinine_mg_dl": scr})
    assert answer["egfr"] == pytest.approx(second.egfr(sex, age, scr), rel=1e-12)
    assert abs(answer["reported"] - answer["egfr"]) <= 0.5


def test_egfr_of_published_examples() -> None:
    """Values of the National Kidney Foundation's equation worked by hand."""
    for sex, age, scr, reported in (("female", 55, 0.9, 75), ("male", 50, 1.0, 92), ("male", 70, 2.0, 35)):
        assert ok("eGFR_CKD_EPI_2021", {"sex": sex, "age_years": age, "creatinine_mg_dl": scr})["reported"] == reported


@few
@given(decimals(0, 200, 2))
def test_g_stage(egfr: float) -> None:
    assert ok("CKD_G_stage", {"egfr": egfr})["stage"] == second.g_stage(egfr)


@few
@given(decimals(0.3, 8, 2), decimals(0.3, 12, 2), decimals(0, 200))
def test_kdigo_in_mg_dl(baseline: float, current: float, hours: float) -> None:
    inputs = {"baseline_mg_dl": baseline, "current_mg_dl": current, "hours": hours}
    assert ok("KDIGO_AKI", inputs)["stage"] == second.kdigo(baseline, current, hours)


@few
@given(decimals(30, 700), decimals(30, 1000), decimals(0, 200))
def test_kdigo_in_umol_l(baseline: float, current: float, hours: float) -> None:
    inputs = {"baseline_umol_l": baseline, "current_umol_l": current, "hours": hours}
    assert ok("KDIGO_AKI", inputs)["stage"] == second.kdigo(baseline, current, hours, "26.5", "353.6")


@few
@given(decimals(0, 1, 2), decimals(0, 48))
def test_kdigo_by_urine(output: float, hours: float) -> None:
    inputs = {"urine_ml_kg_h": output, "urine_hours": hours}
    assert ok("KDIGO_AKI", inputs)["stage"] == second.urine(output, hours)


@few
@given(sexes, decimals(0.1, 40), decimals(0.5, 10), decimals(0.2, 10), decimals(110, 160), decimals(1, 5), flags)
def test_meld(sex: str, bili: float, inr: float, cr: float, na: float, alb: float, dialysis: bool) -> None:
    inputs = {
        "sex": sex,
        "bilirubin_mg_dl": bili,
        "inr": inr,
        "creatinine_mg_dl": cr,
        "sodium_mmol_l": na,
        "albumin_g_dl": alb,
        "dialysis_2x_7d": dialysis,
    }
    answer = ok("MELD_3_0", inputs)
    raw = second.meld(sex, bili, inr, cr, na, alb, dialysis)
    assert answer["raw"] == pytest.approx(raw, abs=1e-9)
    assert answer["score"] == 40 or abs(answer["score"] - raw) <= 0.5 + 1e-9
    assert answer["score"] <= 40


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        ({"bilirubin_mg_dl": 0.4}, {"bilirubin_mg_dl": 1.0}),
        ({"inr": 0.8}, {"inr": 1.0}),
        ({"creatinine_mg_dl": 0.5}, {"creatinine_mg_dl": 1.0}),
        ({"creatinine_mg_dl": 7}, {"creatinine_mg_dl": 3.0}),
        ({"dialysis_2x_7d": True}, {"creatinine_mg_dl": 3.0}),
        ({"sodium_mmol_l": 120}, {"sodium_mmol_l": 125}),
        ({"sodium_mmol_l": 145}, {"sodium_mmol_l": 137}),
        ({"albumin_g_dl": 1.0}, {"albumin_g_dl": 1.5}),
        ({"albumin_g_dl": 4.5}, {"albumin_g_dl": 3.5}),
    ],
)
def test_meld_floors_and_caps_its_inputs(change: dict[str, Any], equal: dict[str, Any]) -> None:
    base = {
        "sex": "female",
        "bilirubin_mg_dl": 3,
        "inr": 1.8,
        "creatinine_mg_dl": 1.4,
        "sodium_mmol_l": 131,
        "albumin_g_dl": 2.6,
        "dialysis_2x_7d": False,
    }
    assert ok("MELD_3_0", {**base, **change})["raw"] == ok("MELD_3_0", {**base, **equal})["raw"]


def test_meld_is_capped_at_40_and_its_lowest_values_are_6_and_7() -> None:
    worst = {"bilirubin_mg_dl": 40, "inr": 8, "creatinine_mg_dl": 5, "sodium_mmol_l": 120, "albumin_g_dl": 1.5}
    best = {"bilirubin_mg_dl": 0.5, "inr": 1, "creatinine_mg_dl": 0.8, "sodium_mmol_l": 140, "albumin_g_dl": 4}
    worst_answer = ok("MELD_3_0", {"sex": "male", "dialysis_2x_7d": False, **worst})
    assert worst_answer["score"] == 40
    assert worst_answer["raw"] > 40.5
    assert ok("MELD_3_0", {"sex": "male", "dialysis_2x_7d": False, **best}) == {"status": "ok", "raw": 6.0, "score": 6}
    assert ok("MELD_3_0", {"sex": "female", "dialysis_2x_7d": False, **best})["score"] == 7


@few
@given(st.integers(18, 100), decimals(5, 2000), decimals(5, 2000), decimals(5, 900))
def test_fib4(age: int, ast: float, alt: float, platelets: float) -> None:
    answer = ok("FIB4", {"age_years": age, "ast": ast, "alt": alt, "platelets_10e9_l": platelets})
    assert answer["value"] == pytest.approx(second.fib4(age, ast, alt, platelets), rel=1e-12)


@few
@given(decimals(200, 700), decimals(20, 220))
def test_qtc(qt: float, hr: float) -> None:
    answer = ok("QTc", {"qt_ms": qt, "hr": hr})
    bazett, fridericia = second.qtc(qt, hr)
    assert answer["bazett"] == pytest.approx(bazett, rel=1e-12)
    assert answer["fridericia"] == pytest.approx(fridericia, rel=1e-12)


def test_qtc_at_60_beats_is_the_qt_itself() -> None:
    assert ok("QTc", {"qt_ms": 400, "hr": 60}) == {"status": "ok", "bazett": 400.0, "fridericia": 400.0}


@few
@given(sexes, st.integers(18, 110), decimals(30, 200), decimals(0.3, 10, 2))
def test_cockcroft_gault(sex: str, age: int, weight: float, scr: float) -> None:
    inputs = {"sex": sex, "age_years": age, "weight_kg": weight, "creatinine_mg_dl": scr}
    assert ok("CockcroftGault", inputs)["crcl_ml_min"] == pytest.approx(float(second.crcl(sex, age, weight, scr)))


@few
@given(decimals(250, 400), decimals(20, 100), decimals(20, 400), st.sampled_from(["mg/dL", "mmol/L"]))
def test_ldl(tc: float, hdl: float, tg: float, unit: str) -> None:
    scale = 1 if unit == "mg/dL" else 100
    inputs = {"tc": tc / scale, "hdl": hdl / scale, "tg": tg / scale, "unit": unit}
    expected = second.ldl(inputs["tc"], inputs["hdl"], inputs["tg"], unit)
    if expected < 0:  # no cholesterol is less than none
        assert run("LDL_Friedewald", inputs)["status"] == "invalid-input"
        return
    assert ok("LDL_Friedewald", inputs)["ldl"] == pytest.approx(float(expected))


@few
@given(decimals(0, 200), decimals(0, 250), decimals(0, 80), decimals(80, 100))
def test_danger_zone(months: float, hr: float, rr: float, spo2: float) -> None:
    answer = ok("ESI_danger_zone", {"age_months": months, "hr": hr, "rr": rr, "spo2": spo2})
    assert answer["danger_zone"] == second.danger_zone(months, hr, rr, spo2)


@few
@given(decimals(0, 18, 2), decimals(30, 120))
def test_hypotension(age: float, sbp: float) -> None:
    answer = ok("PedsHypotension", {"age_years": age, "sbp": sbp})
    limit = second.hypotension_limit(age)
    assert answer["hypotensive"] == (round(sbp, 1) < round(limit, 2))


POINTS = {
    "CHA2DS2_VASc": (
        second.cha2ds2_vasc,
        {
            "age_years": st.integers(18, 110),
            "sex": sexes,
            "chf": flags,
            "htn": flags,
            "diabetes": flags,
            "stroke_tia": flags,
            "vascular": flags,
        },
    ),
    "HAS_BLED": (
        second.has_bled,
        {
            "sbp": st.integers(80, 240),
            "abnormal_renal": flags,
            "abnormal_liver": flags,
            "stroke": flags,
            "bleeding_history": flags,
            "labile_inr": flags,
            "age_years": st.integers(18, 110),
            "antiplatelet_or_nsaid": flags,
            "alcohol_drinks_week": st.integers(0, 40),
        },
    ),
    "Wells_PE": (
        second.wells,
        {
            "dvt_signs": flags,
            "pe_most_likely": flags,
            "hr": st.integers(40, 180),
            "immobil_or_surgery_4w": flags,
            "prior_dvt_pe": flags,
            "hemoptysis": flags,
            "malignancy": flags,
        },
    ),
    "CURB_65": (
        second.curb_65,
        {
            "confusion": flags,
            "bun_mg_dl": decimals(5, 60),
            "rr": st.integers(8, 50),
            "sbp": st.integers(60, 180),
            "dbp": st.integers(30, 110),
            "age_years": st.integers(18, 110),
        },
    ),
    "HEART": (
        second.heart,
        {
            "history": st.sampled_from(["slightly", "moderately", "highly"]),
            "ecg": st.sampled_from(["normal", "nonspecific", "st_deviation"]),
            "age_years": st.integers(18, 100),
            "risk_factors": st.integers(0, 6),
            "known_atherosclerosis": flags,
            "troponin_x_uln": decimals(0, 6),
        },
    ),
    "SIRS": (
        second.sirs,
        {
            "temp_c": decimals(34, 41),
            "hr": st.integers(40, 160),
            "rr": st.integers(8, 40),
            "wbc_10e9_l": decimals(1, 25),
            "paco2_mmhg": decimals(20, 60),
            "bands_pct": decimals(0, 30),
        },
    ),
}


@pytest.mark.parametrize("name", sorted(POINTS))
def test_point_scores(name: str) -> None:
    formula, inputs = POINTS[name]

    @few
    @given(st.fixed_dictionaries(inputs))
    def agrees(v: dict[str, Any]) -> None:
        assert ok(name, v)["score"] == formula(v)

    agrees()
