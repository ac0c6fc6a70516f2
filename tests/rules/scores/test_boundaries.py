"""Both sides of every threshold, in both unit systems. A row: changes to an ordinary request, expected results."""

from __future__ import annotations

from typing import Any

import pytest
from valid_inputs import OTHER_UNITS, VALID

from cds_service.rules.calculators import run

Row = tuple[dict[str, Any], dict[str, Any]]


def check(name: str, change: dict[str, Any], expected: dict[str, Any], base: dict[str, Any] | None = None) -> None:
    answer = run(name, {**(base or VALID[name]), **change})
    assert answer["status"] == "ok", answer
    assert {key: answer[key] for key in expected} == expected


NEWS2_PARTS = {
    "rr": ("rr", [(8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3), (0, 3)]),
    "spo2": ("spo2", [(91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0), (0, 3)]),
    "sbp": ("sbp", [(90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0), (220, 3)]),
    "hr": ("hr", [(40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1), (111, 2), (130, 2), (131, 3)]),
    "temp_c": (
        "temp",
        [(35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0), (37.5, 0), (38.0, 0), (38.1, 1), (39.0, 1), (39.1, 2)],
    ),
    "acvpu": ("consciousness", [("A", 0), ("C", 3), ("V", 3), ("P", 3), ("U", 3)]),
    "supplemental_o2": ("o2", [(False, 0), (True, 2)]),
}
NEWS2_ROWS = [(key, value, part, score) for key, (part, rows) in NEWS2_PARTS.items() for value, score in rows]


@pytest.mark.parametrize(("key", "value", "part", "score"), NEWS2_ROWS)
def test_news2_scores_each_parameter_by_the_chart(key: str, value: Any, part: str, score: int) -> None:
    answer = run("NEWS2", {**VALID["NEWS2"], key: value})
    assert answer["parts"][part] == score
    assert answer["total"] == score


SCALE_2 = [
    (False, [(83, 3), (84, 2), (85, 2), (86, 1), (87, 1), (88, 0), (92, 0), (93, 0), (100, 0)]),
    (
        True,
        [(83, 3), (84, 2), (85, 2), (86, 1), (87, 1), (88, 0), (92, 0), (93, 1), (94, 1), (95, 2), (96, 2), (97, 3)],
    ),
]


@pytest.mark.parametrize(("oxygen", "spo2", "score"), [(o, s, p) for o, rows in SCALE_2 for s, p in rows])
def test_news2_scale_2_scores_high_saturation_only_on_oxygen(oxygen: bool, spo2: int, score: int) -> None:
    answer = run("NEWS2", {**VALID["NEWS2"], "spo2_scale": 2, "supplemental_o2": oxygen, "spo2": spo2})
    assert answer["parts"]["spo2"] == score
    assert answer["total"] == score + (2 if oxygen else 0)


@pytest.mark.parametrize(
    ("change", "total", "risk"),
    [
        ({}, 0, "low"),
        ({"hr": 91, "temp_c": 38.1, "sbp": 110, "spo2": 95}, 4, "low"),
        ({"rr": 25}, 3, "low-medium"),
        ({"rr": 25, "hr": 91}, 4, "low-medium"),
        ({"hr": 111, "rr": 21, "temp_c": 38.1}, 5, "medium"),
        ({"rr": 25, "hr": 131}, 6, "medium"),
        ({"rr": 25, "hr": 131, "temp_c": 38.1}, 7, "high"),
        (
            {"rr": 25, "spo2": 91, "supplemental_o2": True, "sbp": 90, "hr": 131, "acvpu": "U", "temp_c": 35.0},
            20,
            "high",
        ),
    ],
)
def test_news2_risk_follows_total_and_single_threes(change: dict[str, Any], total: int, risk: str) -> None:
    check("NEWS2", change, {"total": total, "risk": risk})


@pytest.mark.parametrize(("temp", "score"), [(38.04, 0), (38.05, 1), (35.04, 3), (35.05, 1), ("39.049", 1), (39.05, 2)])
def test_news2_rounds_half_up_to_the_step_of_the_chart(temp: Any, score: int) -> None:
    assert run("NEWS2", {**VALID["NEWS2"], "temp_c": temp})["parts"]["temp"] == score


SIMPLE: dict[str, list[Row]] = {
    "qSOFA": [
        ({"rr": 21}, {"score": 0, "positive": False}),
        ({"rr": 22}, {"score": 1, "positive": False}),
        ({"sbp": 101}, {"score": 0}),
        ({"sbp": 100}, {"score": 1}),
        ({"gcs": 14}, {"score": 1}),
        ({"rr": 22, "sbp": 100}, {"score": 2, "positive": True}),
        ({"rr": 22, "sbp": 100, "gcs": 3}, {"score": 3, "positive": True}),
    ],
    "SIRS": [
        ({"temp_c": 38}, {"score": 0}),
        ({"temp_c": 38.1}, {"score": 1}),
        ({"temp_c": 36}, {"score": 0}),
        ({"temp_c": 35.9}, {"score": 1}),
        ({"hr": 90}, {"score": 0}),
        ({"hr": 91}, {"score": 1}),
        ({"rr": 20}, {"score": 0}),
        ({"rr": 21}, {"score": 1}),
        ({"paco2_mmhg": 32}, {"score": 0}),
        ({"paco2_mmhg": 31.9}, {"score": 1}),
        ({"rr": 21, "paco2_mmhg": 31}, {"score": 1}),
        ({"wbc_10e9_l": 12}, {"score": 0}),
        ({"wbc_10e9_l": 12.1}, {"score": 1}),
        ({"wbc_10e9_l": 4}, {"score": 0}),
        ({"wbc_10e9_l": 3.9}, {"score": 1}),
        ({"bands_pct": 10}, {"score": 0}),
        ({"bands_pct": 10.1}, {"score": 1}),
        ({"wbc_10e9_l": 15, "bands_pct": 15}, {"score": 1, "positive": False}),
        ({"hr": 91, "rr": 21}, {"score": 2, "positive": True}),
        ({"temp_c": 39, "hr": 120, "rr": 30, "wbc_10e9_l": 20}, {"score": 4, "positive": True}),
        ({"paco2_mmhg": None, "bands_pct": None, "hr": 91}, {"score": 1}),
    ],
    "ShockIndex": [({"hr": 90, "sbp": 100}, {"value": 0.9}), ({"hr": 120, "sbp": 80}, {"value": 1.5})],
    "CKD_G_stage": [
        ({"egfr": 90}, {"stage": "G1"}),
        ({"egfr": 89.99}, {"stage": "G2"}),
        ({"egfr": 60}, {"stage": "G2"}),
        ({"egfr": 59.99}, {"stage": "G3a"}),
        ({"egfr": 45}, {"stage": "G3a"}),
        ({"egfr": 44.99}, {"stage": "G3b"}),
        ({"egfr": 30}, {"stage": "G3b"}),
        ({"egfr": 29.99}, {"stage": "G4"}),
        ({"egfr": 15}, {"stage": "G4"}),
        ({"egfr": 14.99}, {"stage": "G5"}),
        ({"egfr": 0}, {"stage": "G5"}),
    ],
    "CorrectedCalcium": [
        ({"calcium_mg_dl": 8.0, "albumin_g_dl": 2.0}, {"value": 9.6}),
        ({"calcium_mg_dl": 9.0, "albumin_g_dl": 5.0}, {"value": 8.2}),
        ({"calcium_mg_dl": 8.1, "albumin_g_dl": 2.7}, {"value": 9.14}),
    ],
    "AnionGap": [
        ({"albumin_g_dl": 2.0}, {"ag": 12.0, "ag_corrected": 17.0}),
        ({"na": 140.1, "cl": 100.2, "hco3": 10.3}, {"ag": 29.6, "ag_corrected": 29.6}),
        ({"na": 130, "cl": 110, "hco3": 24}, {"ag": -4.0}),
    ],
    "CHA2DS2_VASc": [
        ({}, {"score": 0, "cha2ds2_va": 0}),
        ({"age_years": 64.99}, {"score": 0}),
        ({"age_years": 65}, {"score": 1, "cha2ds2_va": 1}),
        ({"age_years": 74.99}, {"score": 1}),
        ({"age_years": 75}, {"score": 2, "cha2ds2_va": 2}),
        ({"sex": "female"}, {"score": 1, "cha2ds2_va": 0}),
        ({"chf": True}, {"score": 1}),
        ({"htn": True}, {"score": 1}),
        ({"diabetes": True}, {"score": 1}),
        ({"vascular": True}, {"score": 1}),
        ({"stroke_tia": True}, {"score": 2, "cha2ds2_va": 2}),
        (
            {
                "age_years": 80,
                "sex": "female",
                "chf": True,
                "htn": True,
                "diabetes": True,
                "stroke_tia": True,
                "vascular": True,
            },
            {"score": 9, "cha2ds2_va": 8},
        ),
    ],
    "HAS_BLED": [
        ({"sbp": 160}, {"score": 0, "high_risk": False}),
        ({"sbp": 161}, {"score": 1}),
        ({"age_years": 65}, {"score": 0}),
        ({"age_years": 66}, {"score": 1}),
        ({"alcohol_drinks_week": 7.9}, {"score": 0}),
        ({"alcohol_drinks_week": 8}, {"score": 1}),
        ({"abnormal_renal": True}, {"score": 1}),
        ({"abnormal_liver": True}, {"score": 1}),
        ({"stroke": True}, {"score": 1}),
        ({"bleeding_history": True}, {"score": 1}),
        ({"labile_inr": True}, {"score": 1}),
        ({"antiplatelet_or_nsaid": True}, {"score": 1}),
        ({"stroke": True, "labile_inr": True}, {"score": 2, "high_risk": False}),
        ({"stroke": True, "labile_inr": True, "sbp": 170}, {"score": 3, "high_risk": True}),
    ],
    "Wells_PE": [
        ({}, {"score": 0.0, "two_tier": "unlikely"}),
        ({"hr": 100}, {"score": 0.0}),
        ({"hr": 101}, {"score": 1.5}),
        ({"dvt_signs": True}, {"score": 3.0}),
        ({"pe_most_likely": True}, {"score": 3.0}),
        ({"immobil_or_surgery_4w": True}, {"score": 1.5}),
        ({"prior_dvt_pe": True}, {"score": 1.5}),
        ({"hemoptysis": True}, {"score": 1.0}),
        ({"malignancy": True}, {"score": 1.0}),
        ({"pe_most_likely": True, "malignancy": True}, {"score": 4.0, "two_tier": "unlikely"}),
        ({"pe_most_likely": True, "prior_dvt_pe": True}, {"score": 4.5, "two_tier": "likely"}),
    ],
    "CURB_65": [
        ({}, {"score": 0}),
        ({"confusion": True}, {"score": 1}),
        ({"bun_mg_dl": 19}, {"score": 0}),
        ({"bun_mg_dl": 19.1}, {"score": 1}),
        ({"rr": 29}, {"score": 0}),
        ({"rr": 30}, {"score": 1}),
        ({"sbp": 90}, {"score": 0}),
        ({"sbp": 89}, {"score": 1}),
        ({"dbp": 61}, {"score": 0}),
        ({"dbp": 60}, {"score": 1}),
        ({"sbp": 80, "dbp": 40}, {"score": 1}),
        ({"age_years": 64}, {"score": 0}),
        ({"age_years": 65}, {"score": 1}),
        ({"confusion": True, "bun_mg_dl": 30, "rr": 35, "sbp": 80, "age_years": 80}, {"score": 5}),
    ],
    "HEART": [
        ({}, {"score": 0, "risk": "low"}),
        ({"history": "moderately"}, {"score": 1}),
        ({"history": "highly"}, {"score": 2}),
        ({"ecg": "nonspecific"}, {"score": 1}),
        ({"ecg": "st_deviation"}, {"score": 2}),
        ({"age_years": 44}, {"score": 0}),
        ({"age_years": 45}, {"score": 1}),
        ({"age_years": 64}, {"score": 1}),
        ({"age_years": 65}, {"score": 2}),
        ({"risk_factors": 1}, {"score": 1}),
        ({"risk_factors": 2}, {"score": 1}),
        ({"risk_factors": 3}, {"score": 2}),
        ({"known_atherosclerosis": True}, {"score": 2}),
        ({"troponin_x_uln": 1}, {"score": 0}),
        ({"troponin_x_uln": 1.01}, {"score": 1}),
        ({"troponin_x_uln": 2.99}, {"score": 1}),
        ({"troponin_x_uln": 3}, {"score": 2}),
        ({"history": "highly", "ecg": "nonspecific"}, {"score": 3, "risk": "low"}),
        ({"history": "highly", "ecg": "st_deviation"}, {"score": 4, "risk": "moderate"}),
        ({"history": "highly", "ecg": "st_deviation", "age_years": 70}, {"score": 6, "risk": "moderate"}),
        (
            {"history": "highly", "ecg": "st_deviation", "age_years": 70, "risk_factors": 1},
            {"score": 7, "risk": "high"},
        ),
    ],
    "HbA1c": [
        ({"ngsp_pct": 5.69}, {"category": "normal"}),
        ({"ngsp_pct": 5.7}, {"category": "prediabetes"}),
        ({"ngsp_pct": 6.49}, {"category": "prediabetes"}),
        ({"ngsp_pct": 6.5}, {"category": "diabetes-range", "ifcc_mmol_mol": 47.545}),
        ({"ngsp_pct": 10}, {"ifcc_mmol_mol": 85.8}),
    ],
    "LDL_Friedewald": [
        ({}, {"ldl": 120.0}),
        ({"tg": 400}, {"ldl": 70.0}),
        ({"tc": 100, "hdl": 40, "tg": 300}, {"ldl": 0.0}),
    ],
    "Check_MetforminInitiate": [
        ({"egfr": 29.9}, {"result": "contraindicated"}),
        ({"egfr": 30}, {"result": "do-not-initiate"}),
        ({"egfr": 45}, {"result": "do-not-initiate"}),
        ({"egfr": 45.1}, {"result": "ok"}),
    ],
    "Check_IodinatedContrast": [
        ({"egfr": 29.9}, {"result": "prophylaxis-indicated"}),
        ({"egfr": 30}, {"result": "individual-high-risk-consider"}),
        ({"egfr": 44.9}, {"result": "individual-high-risk-consider"}),
        ({"egfr": 45}, {"result": "no-action"}),
        ({"egfr": 90, "aki": True}, {"result": "prophylaxis-indicated"}),
        ({"egfr": 5, "maintenance_dialysis": True}, {"result": "no-prophylaxis-maintenance-dialysis"}),
        ({"egfr": 5, "maintenance_dialysis": True, "aki": True}, {"result": "no-prophylaxis-maintenance-dialysis"}),
        ({"egfr": 29.9, "route": "intra-arterial"}, {"result": "prophylaxis-indicated"}),
    ],
    "Check_MetforminContrast": [
        ({"egfr": 29.9}, {"fda_label": "contraindicated", "acr_manual": "hold-48h"}),
        ({"egfr": 30}, {"fda_label": "hold-48h", "acr_manual": "continue"}),
        ({"egfr": 60}, {"fda_label": "hold-48h", "acr_manual": "continue"}),
        ({"egfr": 60.1}, {"fda_label": "continue", "acr_manual": "continue"}),
        ({"egfr": 90, "route": "intra-arterial"}, {"fda_label": "hold-48h", "acr_manual": "hold-48h"}),
        ({"egfr": 90, "aki": True}, {"fda_label": "hold-48h", "acr_manual": "hold-48h"}),
        ({"egfr": 20, "aki": True}, {"fda_label": "contraindicated", "acr_manual": "hold-48h"}),
    ],
}


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [(name, change, expected) for name, rows in SIMPLE.items() for change, expected in rows],
    ids=lambda value: value if isinstance(value, str) else ",".join(f"{k}={v}" for k, v in value.items()),
)
def test_thresholds(name: str, change: dict[str, Any], expected: dict[str, Any]) -> None:
    check(name, change, expected)


@pytest.mark.parametrize(("urea", "score"), [(7, 0), (7.01, 1)])
def test_curb_65_has_its_own_limit_for_urea_in_mmol_l(urea: float, score: int) -> None:
    check("CURB_65", {"urea_mmol_l": urea}, {"score": score}, OTHER_UNITS["CURB_65"])


@pytest.mark.parametrize(
    ("calcium", "albumin", "expected"), [(2.0, 20, 2.4), (2.25, 40, 2.25), (2.4, 45, 2.3), (1.99, 25, 2.29)]
)
def test_calcium_is_corrected_in_si_units(calcium: float, albumin: float, expected: float) -> None:
    answer = run("CorrectedCalcium", {"calcium_mmol_l": calcium, "albumin_g_l": albumin})
    assert (answer["value"], answer["value_mmol_l"]) == (None, expected)


@pytest.mark.parametrize(
    ("tg", "status"), [(4.51, "ok"), (4.516, "ok"), (4.517, "not-applicable"), (5, "not-applicable")]
)
def test_the_triglyceride_limit_is_the_same_amount_in_mmol_l(tg: float, status: str) -> None:
    assert run("LDL_Friedewald", {**OTHER_UNITS["LDL_Friedewald"], "tg": tg})["status"] == status


DANGER = [
    (0, 180, 50),
    (2.9, 180, 50),
    (3, 160, 40),
    (35, 160, 40),
    (36, 140, 30),
    (96, 140, 30),
    (97, 100, 20),
    (600, 100, 20),
]


@pytest.mark.parametrize(("months", "hr", "rr"), DANGER)
def test_danger_zone_limits_change_with_age(months: float, hr: int, rr: int) -> None:
    calm = {"age_months": months, "hr": hr, "rr": rr, "spo2": 92}
    assert run("ESI_danger_zone", calm)["danger_zone"] is False
    for change in ({"hr": hr + 1}, {"rr": rr + 1}, {"spo2": 91.9}):
        assert run("ESI_danger_zone", {**calm, **change})["danger_zone"] is True


@pytest.mark.parametrize(
    ("age", "limit"),
    [(0, 60), (0.07, 60), (0.08, 70), (0.99, 70), (1, 72), (5, 80), (9, 88), (9.5, 89), (10, 90), (17, 90)],
)
def test_hypotension_is_below_the_limit_for_the_age(age: float, limit: int) -> None:
    assert run("PedsHypotension", {"age_years": age, "sbp": limit})["hypotensive"] is False
    assert run("PedsHypotension", {"age_years": age, "sbp": limit - 0.1})["hypotensive"] is True
