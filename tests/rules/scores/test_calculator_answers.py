"""The one mechanism behind every calculator: statuses, their order, what is missing, what is ignored."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from valid_inputs import OTHER_UNITS, RESULT_KEYS, VALID

from cds_service.rules import calculators
from cds_service.rules.calculators import CALCULATORS, run
from cds_service.rules.scores.calculator import Kind, Status

NAMES = sorted(VALID)
REASONS = {"age<16", "age<18", "pregnancy", "TG>400", "acute-state"}


def input_of(name: str, key: str) -> Any:
    return next(item for item in CALCULATORS[name].inputs if item.key == key)


def cases(*kinds: Kind) -> list[tuple[str, str]]:
    return [(name, key) for name in NAMES for key in VALID[name] if input_of(name, key).kind in kinds]


NUMBERS = cases(Kind.NUMBER, Kind.INTEGER)
FLAGS = cases(Kind.BOOLEAN, Kind.EVENT)
WORDS = cases(Kind.CHOICE)


def test_the_catalogue_holds_the_25_calculators_of_the_design() -> None:
    assert set(CALCULATORS) == set(RESULT_KEYS) == set(VALID)
    assert len(CALCULATORS) == 25


@pytest.mark.parametrize("name", NAMES)
def test_an_ordinary_request_is_answered_with_exactly_the_result_keys(name: str) -> None:
    answer = run(name, VALID[name])
    assert answer["status"] == "ok"
    assert set(answer) == {"status"} | RESULT_KEYS[name]


@pytest.mark.parametrize("name", sorted(OTHER_UNITS))
def test_the_other_unit_system_is_answered_too(name: str) -> None:
    assert run(name, OTHER_UNITS[name])["status"] == "ok"


@pytest.mark.parametrize(("name", "key"), [(n, k) for n in NAMES for k in VALID[n]])
def test_a_required_input_that_is_null_or_absent_is_named_and_every_result_is_null(name: str, key: str) -> None:
    null = {**VALID[name], key: None}
    absent = {k: v for k, v in VALID[name].items() if k != key}
    for given in (null, absent):
        answer = run(name, given)
        if not input_of(name, key).required:
            assert answer["status"] == "ok"
            continue
        assert answer["status"] == "incomplete"
        assert answer["missing"] == [key]
        assert all(answer[result] is None for result in RESULT_KEYS[name])


@pytest.mark.parametrize("name", [n for n in NAMES if "sex" in VALID[n]])
@pytest.mark.parametrize("sex", ["other", "unknown", "", "F", "Female", 1, None])
def test_sex_other_than_male_or_female_counts_as_missing(name: str, sex: Any) -> None:
    answer = run(name, {**VALID[name], "sex": sex})
    assert answer["status"] == "incomplete"
    assert answer["missing"] == ["sex"]


IMPOSSIBLE_NUMBERS = [-1, float("nan"), float("inf"), "abc", "", "12 mg", "NaN", True, False, [], {}, "1e999", 10**400]


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize("value", IMPOSSIBLE_NUMBERS, ids=lambda v: repr(v)[:12])
def test_an_impossible_number_is_invalid_input(name: str, key: str, value: Any) -> None:
    answer = run(name, {**VALID[name], key: value})
    assert answer == {"status": "invalid-input"} | dict.fromkeys(RESULT_KEYS[name])


@pytest.mark.parametrize(("name", "key"), NUMBERS)
def test_a_number_beyond_its_physical_range_is_invalid_and_the_ends_are_possible(name: str, key: str) -> None:
    item = input_of(name, key)
    step = Decimal("0.01")
    assert run(name, {**VALID[name], key: item.maximum + step})["status"] == "invalid-input"
    assert run(name, {**VALID[name], key: item.minimum - step})["status"] == "invalid-input"
    if item.positive:
        assert run(name, {**VALID[name], key: 0})["status"] == "invalid-input"
    if name != "LDL_Friedewald":
        assert run(name, {**VALID[name], key: item.maximum})["status"] != "invalid-input"


@pytest.mark.parametrize(("name", "key"), FLAGS)
@pytest.mark.parametrize("value", [0, 1, "true", "yes", "", []], ids=repr)
def test_a_flag_is_true_or_false_and_nothing_else(name: str, key: str, value: Any) -> None:
    assert run(name, {**VALID[name], key: value})["status"] == "invalid-input"


@pytest.mark.parametrize(("name", "key"), WORDS)
@pytest.mark.parametrize("value", ["", "other", 3, True, 1.5, []], ids=repr)
def test_a_word_outside_its_list_is_invalid(name: str, key: str, value: Any) -> None:
    assert run(name, {**VALID[name], key: value})["status"] == "invalid-input"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("qSOFA", {"gcs": 2}),
        ("qSOFA", {"gcs": 16}),
        ("qSOFA", {"gcs": 14.5}),
        ("NEWS2", {"spo2": 100.1}),
        ("NEWS2", {"spo2_scale": 3}),
        ("NEWS2", {"acvpu": "Alert"}),
        ("NEWS2", {"temp_c": 98.6}),
        ("ShockIndex", {"sbp": 0}),
        ("QTc", {"hr": 0}),
        ("HEART", {"risk_factors": 1.5}),
        ("CorrectedCalcium", {"albumin_g_dl": 40}),
        ("eGFR_CKD_EPI_2021", {"creatinine_mg_dl": 0}),
        ("eGFR_CKD_EPI_2021", {"creatinine_mg_dl": 88.4}),
        ("LDL_Friedewald", {"unit": "mg/l"}),
        ("LDL_Friedewald", {"tc": 60, "hdl": 50, "tg": 150}),
        ("Check_IodinatedContrast", {"route": "oral"}),
    ],
)
def test_what_cannot_be_is_invalid(name: str, change: dict[str, Any]) -> None:
    assert run(name, {**VALID[name], **change})["status"] == "invalid-input"


@pytest.mark.parametrize("name", NAMES)
def test_numbers_as_strings_are_numbers(name: str) -> None:
    as_text = {k: str(v) if (name, k) in NUMBERS else v for k, v in VALID[name].items()}
    assert run(name, as_text) == run(name, VALID[name])


@pytest.mark.parametrize("name", NAMES)
def test_keys_nobody_declared_change_nothing(name: str) -> None:
    extra = {"colour": "blue", "rr_old": -5, "note": None, "": float("nan")}
    assert run(name, {**VALID[name], **extra}) == run(name, VALID[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("guard", ["age_years", "pregnant", "dialysis", "aki"])
def test_every_calculator_takes_the_guard_inputs_and_checks_them(name: str, guard: str) -> None:
    harmless = 60 if guard == "age_years" else False
    assert run(name, {**VALID[name], guard: harmless})["status"] == "ok"
    assert run(name, {**VALID[name], guard: "perhaps"})["status"] == "invalid-input"


NOT_APPLICABLE = [
    ("NEWS2", {"age_years": 15}, "age<16"),
    ("NEWS2", {"pregnant": True}, "pregnancy"),
    ("qSOFA", {"age_years": 17}, "age<18"),
    ("SIRS", {"age_years": 17}, "age<18"),
    ("ShockIndex", {"age_years": 17}, "age<18"),
    ("ShockIndex", {"pregnant": True}, "pregnancy"),
    ("eGFR_CKD_EPI_2021", {"age_years": 17}, "age<18"),
    ("eGFR_CKD_EPI_2021", {"pregnant": True}, "pregnancy"),
    ("eGFR_CKD_EPI_2021", {"aki": True}, "acute-state"),
    ("eGFR_CKD_EPI_2021", {"dialysis": True}, "acute-state"),
    ("CKD_G_stage", {"aki": True}, "acute-state"),
    ("CKD_G_stage", {"dialysis": True}, "acute-state"),
    ("CKD_G_stage", {"pregnant": True}, "pregnancy"),
    ("MELD_3_0", {"age_years": 17}, "age<18"),
    ("CHA2DS2_VASc", {"age_years": 17}, "age<18"),
    ("HAS_BLED", {"age_years": 17}, "age<18"),
    ("Wells_PE", {"age_years": 17}, "age<18"),
    ("Wells_PE", {"pregnant": True}, "pregnancy"),
    ("CURB_65", {"age_years": 17}, "age<18"),
    ("HEART", {"age_years": 17}, "age<18"),
    ("FIB4", {"age_years": 17}, "age<18"),
    ("CockcroftGault", {"age_years": 17}, "age<18"),
    ("CockcroftGault", {"pregnant": True}, "pregnancy"),
    ("CockcroftGault", {"aki": True}, "acute-state"),
    ("CockcroftGault", {"dialysis": True}, "acute-state"),
    ("LDL_Friedewald", {"tg": 401}, "TG>400"),
    ("HbA1c", {"pregnant": True}, "pregnancy"),
]


@pytest.mark.parametrize(("name", "change", "reason"), NOT_APPLICABLE)
def test_outside_the_validated_population_the_reason_is_given(name: str, change: dict[str, Any], reason: str) -> None:
    assert reason in REASONS
    answer = run(name, {**VALID[name], **change})
    assert answer == {"status": "not-applicable", "reason": reason} | dict.fromkeys(RESULT_KEYS[name])


@pytest.mark.parametrize(("name", "age"), [("NEWS2", 16), *((n, 18) for n, c, r in NOT_APPLICABLE if r == "age<18")])
def test_the_youngest_age_itself_is_inside_the_population(name: str, age: int) -> None:
    assert run(name, {**VALID[name], "age_years": age})["status"] == "ok"
    assert run(name, {**VALID[name], "age_years": age - 0.01})["status"] == "not-applicable"


def test_an_impossible_input_wins_over_everything_else() -> None:
    given = {**VALID["NEWS2"], "age_years": 15, "rr": -1, "hr": None}
    assert run("NEWS2", given)["status"] == "invalid-input"


def test_not_applicable_wins_over_missing_inputs() -> None:
    assert run("NEWS2", {"age_years": 15}) == {
        "status": "not-applicable",
        "total": None,
        "risk": None,
        "parts": None,
        "reason": "age<16",
    }


def test_missing_inputs_are_named_in_the_order_of_the_table() -> None:
    assert run("NEWS2", {})["missing"] == list(VALID["NEWS2"])


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["baseline_mg_dl", "current_mg_dl", "hours"]),
        ({"current_mg_dl": 2}, ["baseline_mg_dl", "hours"]),
        ({"baseline_umol_l": 80, "current_umol_l": None, "hours": 24}, ["current_umol_l"]),
        ({"urine_ml_kg_h": 0.4}, ["urine_hours"]),
        ({"rrt_started": False}, ["rrt_started"]),
        ({"rrt_started": None}, ["rrt_started"]),
    ],
)
def test_of_alternative_groups_the_rest_of_the_one_begun_is_missing(given: dict[str, Any], missing: list[str]) -> None:
    answer = run("KDIGO_AKI", given)
    assert (answer["status"], answer["missing"]) == ("incomplete", missing)


def test_an_incomplete_group_beside_a_complete_one_is_left_out() -> None:
    given = {"urine_ml_kg_h": 0.4, "urine_hours": 12, "current_mg_dl": 9, "baseline_mg_dl": 1}
    assert run("KDIGO_AKI", given) == {"status": "ok", "stage": 2}


def test_result_keys_that_do_not_apply_are_null_and_the_status_is_ok() -> None:
    conventional, si = (
        run("CorrectedCalcium", VALID["CorrectedCalcium"]),
        run("CorrectedCalcium", OTHER_UNITS["CorrectedCalcium"]),
    )
    assert (conventional["value"], conventional["value_mmol_l"]) == (9.0, None)
    assert (si["value"], si["value_mmol_l"]) == (None, 2.25)
    assert run("AnionGap", {"na": 140, "cl": 104, "hco3": 24}) == {"status": "ok", "ag": 12.0, "ag_corrected": None}


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_plain_json(name: str) -> None:
    for given in (VALID[name], {}, {k: float("nan") for k in VALID[name]}):
        json.dumps(run(name, given), allow_nan=False)


def test_typed_results_have_attributes() -> None:
    outcome = calculators.calculate("NEWS2", {**VALID["NEWS2"], "rr": 25})
    assert outcome.status is Status.OK
    assert outcome.result is not None
    assert outcome.result.parts.rr == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_every_calculator_says_its_formula_sources_limits_and_units(name: str) -> None:
    calculator = CALCULATORS[name]
    assert calculator.text.formula
    assert calculator.text.limits
    assert calculator.text.version
    assert calculator.text.sources
    assert all(source.url.startswith("https://") and source.edition for source in calculator.text.sources)
    assert {output.key for output in calculator.outputs} == RESULT_KEYS[name]
    numbers = [item for item in calculator.inputs if item.kind in (Kind.NUMBER, Kind.INTEGER)]
    assert all(item.unit for item in numbers)
    measured = [item for item in numbers if item.concept]
    assert all(item.loinc for item in measured)
