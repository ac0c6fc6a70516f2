"""Kidney scores from a record: baselines found by stated rules, withheld eGFR, categories, clearance."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from feeding_records import NOW, born, creatinine, creatinine_umol, problem, procedure, reading, record

from cds_service.record.facts import Reading
from cds_service.rules.catalogue import Severity
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.from_record import Feed, aki_stage, all_scores, crcl, dialysis_state, egfr_now, g_stage
from cds_service.rules.pack import load_pack


def test_a_rise_of_0_3_within_48_hours_is_stage_1_exactly() -> None:
    result = aki_stage(record(creatinine(0.9, hours=48), creatinine(1.2, hours=1)))
    assert result.result["stage"] == 1
    assert "the lowest of the last 48 h (0.9 mg/dL)" in result.text
    assert aki_stage(record(creatinine(0.9, hours=50), creatinine(1.2, hours=1))).result["stage"] == 0


def test_the_lowest_value_of_the_last_7_days_is_a_baseline_for_the_ratio() -> None:
    result = aki_stage(record(creatinine(1.0, days=6), creatinine(1.4, days=5), creatinine(1.5)))
    assert result.result["stage"] == 1
    assert "1.5 × the lowest of the last 7 days (1.0 mg/dL)" in result.text


def test_the_median_of_8_to_365_days_is_a_baseline_and_its_middle_values_are_cited() -> None:
    older = [creatinine(0.9, days=100), creatinine(1.1, days=60), creatinine(3.0, days=30)]
    now = creatinine(2.2)
    result = aki_stage(record(*older, now))
    assert result.result["stage"] == 2
    assert "2.0 × the median of 8–365 days before (1.1 mg/dL)" in result.text
    assert result.inputs == (now, older[1])


def test_the_highest_stage_of_all_baselines_counts_so_that_day_2_does_not_hide_day_1() -> None:
    result = aki_stage(record(creatinine(1.0, days=60), creatinine(3.0, days=1), creatinine(3.1)))
    assert result.result["stage"] == 3


def test_without_an_earlier_value_no_baseline_is_invented() -> None:
    result = aki_stage(record(creatinine(3.0)))
    assert result.result["status"] == "incomplete"
    assert result.result["stage"] is None
    assert result.missing == ("an earlier creatinine",)
    assert result.text.startswith("AKI not excluded")
    assert aki_stage(record(creatinine(3.0), creatinine(1.0, days=366))).result["stage"] is None


def test_a_creatinine_older_than_7_days_says_nothing_of_now() -> None:
    result = aki_stage(record(creatinine(3.0, days=8), creatinine(1.0, days=10)))
    assert result.result["status"] == "incomplete"
    assert result.missing == ("creatinine (older than 7 d)",)


def test_values_written_in_umol_l_are_compared_by_the_limits_of_that_unit() -> None:
    risen = aki_stage(record(creatinine_umol(80, hours=24), creatinine_umol("106.5")))
    not_risen = aki_stage(record(creatinine_umol(80, hours=24), creatinine_umol("106.4")))
    assert (risen.result["stage"], not_risen.result["stage"]) == (1, 0)
    multiplied = aki_stage(record(creatinine_umol(80, days=3), creatinine_umol(120)))
    assert multiplied.result["stage"] == 1


def test_row_48_a_bound_is_neither_baseline_nor_current_value() -> None:
    below = creatinine(0.3, comparator="<", hours=24)
    assert aki_stage(record(below, creatinine(1.2))).missing == ("an earlier creatinine",)
    above = creatinine(15, comparator=">", hours=1)
    result = aki_stage(record(creatinine(1.0, days=2), above))
    assert result.missing == ("creatinine (recorded as >15 mg/dL)",)
    assert egfr_now(record(creatinine(1.0, days=2), above)).missing == ("creatinine (recorded as >15 mg/dL)",)


def test_the_peak_of_the_last_7_days_is_kept_while_creatinine_falls() -> None:
    result = aki_stage(record(creatinine(1.0, days=30), creatinine(3.2, days=3), creatinine(1.3)))
    assert result.result["stage"] == 0
    assert result.result["peak_stage"] == 3
    assert result.text.endswith("stage 3 within the last 7 days")
    assert egfr_now(record(creatinine(1.0, days=30), creatinine(3.2, days=3), creatinine(1.3))).result["reason"] == (
        "acute-state"
    )


def test_recent_renal_replacement_is_stage_3() -> None:
    dialysis = procedure(snomed="302497006", days=2)
    result = aki_stage(record(creatinine(2.0), procedures=[dialysis]))
    assert result.result["stage"] == 3
    assert dialysis in result.inputs
    refused = procedure(snomed="302497006", days=2, status="not-done")
    assert aki_stage(record(creatinine(2.0), procedures=[refused])).result["stage"] is None


@pytest.mark.parametrize(
    "problems",
    [
        [problem(snomed="105502003")],
        [problem(icd10="Z99.2")],
        [problem("Dependence on renal dialysis")],
    ],
)
def test_on_maintenance_dialysis_nothing_is_staged_or_estimated(problems: list[object]) -> None:
    source = record(creatinine(8, days=2), creatinine(9), reading("body_weight", 70, days=3), problems=problems)
    assert aki_stage(source).result["reason"] == "maintenance-dialysis"
    assert egfr_now(source).text == "eGFR withheld: on maintenance dialysis"
    assert crcl(source).result["reason"] == "acute-state"
    assert g_stage(source).result["status"] == "not-applicable"


def test_end_stage_failure_counts_as_dialysis_only_with_a_recent_dialysis() -> None:
    failure = problem(snomed="46177005")
    assert not dialysis_state(record(problems=[failure])).maintenance
    assert dialysis_state(record(problems=[failure], procedures=[procedure(snomed="265764009", days=3)])).maintenance
    assert not dialysis_state(record(procedures=[procedure(snomed="265764009", days=3)])).maintenance


def test_egfr_is_computed_from_the_newest_creatinine_of_90_days() -> None:
    result = egfr_now(record(creatinine(1.4, days=90), sex="female", born=date(1950, 1, 1)))
    assert result.result["reported"] == 39
    assert result.text == "eGFR 39 mL/min/1.73 m² (CKD-EPI 2021)"
    old = egfr_now(record(creatinine(1.4, days=91)))
    assert old.missing == ("creatinine (older than 90 d)",)


def test_an_egfr_of_the_laboratory_that_contradicts_its_own_creatinine_is_said() -> None:
    ours, theirs = creatinine(0.8), reading("egfr", Decimal("26.7"))
    result = egfr_now(record(ours, theirs))
    assert result.text.endswith("(CKD-EPI 2021; the laboratory's own, 26.7, disagrees)")
    assert result.inputs == (ours, theirs)


@pytest.mark.parametrize(
    "theirs", [reading("egfr", 92), reading("egfr", 26, days=3), reading("egfr", 26, comparator=">")]
)
def test_an_egfr_of_the_same_category_an_older_one_and_a_bound_contradict_nothing(theirs: Reading) -> None:
    result = egfr_now(record(creatinine(0.8), theirs))
    assert "disagrees" not in result.text
    assert len(result.inputs) == 1


def test_a_reduced_egfr_of_the_laboratory_beside_a_normal_creatinine_is_a_remark_and_not_silence() -> None:
    found = evaluate_record(load_pack(), record(creatinine(0.8), reading("egfr", 26)))
    (said,) = [each for each in found if each.rule.id == "kidney-function"]
    assert said.severity is Severity.INFO
    assert "disagrees): check which of the two is right" in said.summary
    assert not [e for e in evaluate_record(load_pack(), record(creatinine(0.8))) if e.rule.id == "kidney-function"]


def test_egfr_of_a_value_written_in_umol_l_uses_the_value_as_written() -> None:
    molar, mass = egfr_now(record(creatinine_umol("123.76"))), egfr_now(record(creatinine(1.4)))
    assert molar.result == mass.result


def test_egfr_is_withheld_while_criteria_of_kidney_injury_are_met() -> None:
    baseline, now = creatinine(0.9, days=20), creatinine(1.8)
    result = egfr_now(record(baseline, now))
    assert result.result["status"] == "not-applicable"
    assert result.result["reason"] == "acute-state"
    assert set(result.inputs) == {baseline, now}
    assert "kidney injury" in result.text


def test_egfr_of_an_older_creatinine_that_was_itself_injury_is_withheld_too() -> None:
    source = record(creatinine(0.9, days=60), creatinine(3.0, days=20))
    assert aki_stage(source).result["status"] == "incomplete"
    assert egfr_now(source).result["reason"] == "acute-state"


def test_egfr_is_withheld_in_pregnancy_and_under_18() -> None:
    pregnancy, value = problem(snomed="77386006"), creatinine(0.7)
    pregnant = record(value, creatinine(0.7, days=3), sex="female", born=born(30), problems=[pregnancy])
    assert egfr_now(pregnant).text == "eGFR withheld: pregnancy"
    assert egfr_now(pregnant).inputs == (value, pregnancy)
    assert egfr_now(record(creatinine(0.7), born=born(10))).text == "eGFR withheld: under 18 years"


@pytest.mark.parametrize("sex", ["other", "unknown", ""])
def test_row_51_without_a_usable_sex_both_results_are_named_and_none_is_chosen(sex: str) -> None:
    result = egfr_now(record(creatinine(1.4), sex=sex, born=date(1950, 1, 1)))
    assert result.result["status"] == "incomplete"
    assert result.missing == ("sex",)
    assert result.text == "eGFR 39 if female, 52 if male (CKD-EPI 2021; sex not recorded)"
    assert "missing: sex" in g_stage(record(creatinine(1.4), sex=sex)).text


def test_the_laboratory_s_egfr_is_used_where_there_is_no_creatinine() -> None:
    result = egfr_now(record(reading("egfr", 52, days=10)))
    assert result.result == {"status": "ok", "egfr": 52.0, "reported": 52}
    assert result.text.endswith("(as reported by the laboratory)")
    bound = egfr_now(record(reading("egfr", 90, comparator=">", days=1)))
    assert bound.result["status"] == "incomplete"
    assert bound.text == "eGFR >90 mL/min/1.73 m² as reported by the laboratory, a bound"


def test_a_category_of_one_value_is_called_a_range() -> None:
    result = g_stage(record(creatinine(1.8)))
    assert result.text == "G3b range, single value"
    assert result.result["chronic"] is False


@pytest.mark.parametrize(
    ("earlier", "chronic"),
    [
        (creatinine(1.5, days=91), True),
        (creatinine(1.5, days=89), False),  # less than 90 days apart
        (creatinine(1.2, days=200), False),  # above 60 then
    ],
)
def test_a_category_is_chronic_only_with_a_reduced_value_90_days_before(earlier: Reading, chronic: bool) -> None:
    result = g_stage(record(creatinine(1.5), creatinine(1.5, days=7), earlier))
    assert result.result["chronic"] is chronic


def test_a_normal_category_is_never_called_chronic() -> None:
    assert g_stage(record(creatinine(0.9), creatinine(0.9, days=200))).text == "G1 range, single value"


def test_the_category_is_taken_from_the_reported_integer() -> None:
    source = record(creatinine("1.317"), born=date(1960, 1, 1))
    assert 59.5 < egfr_now(source).result["egfr"] < 60
    assert g_stage(source).result["stage"] == "G2"


def test_clearance_uses_the_actual_weight_and_says_so() -> None:
    result = crcl(record(creatinine(1.0), reading("body_weight", 72, days=20, unit="kg"), born=date(1966, 1, 1)))
    assert result.result["crcl_ml_min"] == 80.0
    assert "actual weight 72 kg" in result.text


def test_clearance_names_what_is_missing() -> None:
    assert crcl(record(creatinine(1.0))).missing == ("weight",)
    assert crcl(record(creatinine(1.0), reading("body_weight", 72, days=91), sex="")).missing == (
        "weight (older than 90 d)",
        "sex",
    )


def test_one_feed_serves_many_scores_with_the_same_answers() -> None:
    source = record(creatinine(1.4), creatinine(1.4, days=100), reading("body_weight", 72))
    shared = Feed(source)
    for ask in (aki_stage, egfr_now, g_stage, crcl):
        assert ask(shared) == ask(source)
    assert {r.name for r in all_scores(shared)} == {r.name for r in all_scores(source)}


def test_a_birth_date_after_the_observation_is_no_crash() -> None:
    result = egfr_now(record(creatinine(1.0, days=5), born=NOW.date()))
    assert result.result["status"] in ("invalid-input", "not-applicable")
    assert result.text
