"""Properties no vector can show: worse never scores lower, units do not matter, unknown stays unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from valid_inputs import RESULT_KEYS, VALID

from cds_service.rules.calculators import CALCULATORS, run

few = settings(max_examples=100, deadline=None)

# Calculator, input, the direction that is worse, the range, the result that must not fall.
WORSE = [
    ("NEWS2", "rr", 1, (21, 60), "total"),
    ("NEWS2", "rr", -1, (0, 11), "total"),
    ("NEWS2", "spo2", -1, (50, 100), "total"),
    ("NEWS2", "sbp", -1, (30, 219), "total"),
    ("NEWS2", "hr", 1, (51, 250), "total"),
    ("NEWS2", "hr", -1, (0, 90), "total"),
    ("NEWS2", "temp_c", 1, (37, 43), "total"),
    ("NEWS2", "temp_c", -1, (30, 38), "total"),
    ("qSOFA", "rr", 1, (5, 60), "score"),
    ("qSOFA", "sbp", -1, (30, 200), "score"),
    ("qSOFA", "gcs", -1, (3, 15), "score"),
    ("SIRS", "hr", 1, (40, 200), "score"),
    ("SIRS", "temp_c", 1, (37, 43), "score"),
    ("KDIGO_AKI", "current_mg_dl", 1, (1, 15), "stage"),
    ("KDIGO_AKI", "baseline_mg_dl", -1, (1, 5), "stage"),
    ("CHA2DS2_VASc", "age_years", 1, (18, 110), "score"),
    ("HAS_BLED", "sbp", 1, (80, 250), "score"),
    ("CURB_65", "bun_mg_dl", 1, (5, 100), "score"),
    ("CURB_65", "dbp", -1, (20, 120), "score"),
    ("HEART", "troponin_x_uln", 1, (0, 50), "score"),
    ("HEART", "risk_factors", 1, (0, 6), "score"),
    ("MELD_3_0", "inr", 1, (1, 10), "raw"),
    ("MELD_3_0", "bilirubin_mg_dl", 1, (1, 20), "raw"),
    ("ESI_danger_zone", "hr", 1, (60, 220), "danger_zone"),
    ("ESI_danger_zone", "spo2", -1, (60, 100), "danger_zone"),
    ("PedsHypotension", "sbp", -1, (30, 120), "hypotensive"),
]


@pytest.mark.parametrize(("name", "key", "direction", "span", "result"), WORSE)
def test_a_worse_value_never_lowers_a_score(
    name: str, key: str, direction: int, span: tuple[int, int], result: str
) -> None:
    @few
    @given(st.integers(*span), st.integers(*span))
    def monotone(one: int, other: int) -> None:
        better, worse = sorted((one, other), reverse=direction < 0)
        answers = [run(name, {**VALID[name], key: value})[result] for value in (better, worse)]
        assert answers[0] <= answers[1]

    monotone()


@pytest.mark.parametrize("sex", ["male", "female"])
def test_egfr_falls_with_creatinine_and_age(sex: str) -> None:
    @few
    @given(st.integers(2, 150), st.integers(2, 150), st.integers(18, 100), st.integers(18, 100))
    def falls(one: int, other: int, age: int, later: int) -> None:
        def egfr(scr: int, years: int) -> float:
            inputs = {"sex": sex, "age_years": years, "creatinine_mg_dl": scr / 10}
            return float(run("eGFR_CKD_EPI_2021", inputs)["egfr"])

        assert egfr(max(one, other), age) <= egfr(min(one, other), age)
        assert egfr(one, max(age, later)) <= egfr(one, min(age, later))

    falls()


@few
@given(st.integers(20, 1500), st.sampled_from(["male", "female"]), st.integers(18, 100))
def test_egfr_is_the_same_in_both_units(hundredths: int, sex: str, age: int) -> None:
    scr = Decimal(hundredths) / 100
    mass = run("eGFR_CKD_EPI_2021", {"sex": sex, "age_years": age, "creatinine_mg_dl": scr})
    molar = run("eGFR_CKD_EPI_2021", {"sex": sex, "age_years": age, "creatinine_umol_l": scr * Decimal("88.4")})
    assert mass == molar


@few
@given(st.integers(30, 800), st.integers(30, 1200), st.integers(0, 200))
def test_kdigo_is_the_same_in_both_units_off_the_rounding_of_the_printed_limits(
    baseline: int, current: int, hours: int
) -> None:
    """26.5 µmol/L is 0.29977 mg/dL: between these two the printed limits themselves differ."""
    low, high = Decimal(baseline) / 100, Decimal(current) / 100
    factor = Decimal("88.4")
    if Decimal("0.2997") < high - low < Decimal("0.3"):
        return
    mass = run("KDIGO_AKI", {"baseline_mg_dl": low, "current_mg_dl": high, "hours": hours})
    molar = run("KDIGO_AKI", {"baseline_umol_l": low * factor, "current_umol_l": high * factor, "hours": hours})
    assert mass == molar


@few
@given(st.integers(40, 140), st.integers(10, 55))
def test_calcium_is_corrected_alike_in_both_units(tenths: int, albumin_g_l: int) -> None:
    """0.02 mmol/L per g/L is 0.8016 mg/dL per g/dL: the two printed factors agree within half a percent."""
    calcium = Decimal(tenths) / 10
    mass = run("CorrectedCalcium", {"calcium_mg_dl": calcium, "albumin_g_dl": Decimal(albumin_g_l) / 10})["value"]
    molar = run("CorrectedCalcium", {"calcium_mmol_l": calcium / Decimal("4.008"), "albumin_g_l": albumin_g_l})[
        "value_mmol_l"
    ]
    assert molar * 4.008 == pytest.approx(mass, abs=0.01)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=12),
    st.decimals(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["male", "female", "iv", "A", "normal", "mg/dL", 1, 2, 1e300, -0.0, "1e30", "０"]),
)


@pytest.mark.parametrize("name", sorted(VALID))
def test_no_input_whatever_makes_a_calculator_raise(name: str) -> None:
    keys = [item.key for item in CALCULATORS[name].inputs] + ["aki", "pregnant", "dialysis", "age_years", "other"]

    @settings(max_examples=60, deadline=None)
    @given(st.dictionaries(st.sampled_from(keys), anything))
    def answers(inputs: dict[str, Any]) -> None:
        answer = run(name, inputs)
        assert answer["status"] in ("ok", "incomplete", "not-applicable", "invalid-input")
        if answer["status"] != "ok":
            assert all(answer[key] is None for key in RESULT_KEYS[name])

    answers()


@pytest.mark.parametrize("name", sorted(VALID))
def test_unknown_stays_unknown_however_many_inputs_are_null(name: str) -> None:
    required = [item.key for item in CALCULATORS[name].inputs if item.required and item.key in VALID[name]]

    @settings(max_examples=30, deadline=None)
    @given(st.sets(st.sampled_from(required), min_size=1))
    def unknown(keys: set[str]) -> None:
        answer = run(name, {**VALID[name], **dict.fromkeys(keys)})
        assert answer["status"] == "incomplete"
        assert set(answer["missing"]) == keys

    unknown()
