"""Laboratory and condition scores from a record: one window, preferred measurements, bounds, relevance."""

from __future__ import annotations

import pytest
from feeding_records import born, creatinine, medication, problem, procedure, reading, record, vitals

from cds_service.record.facts import Absence, Reading, Reason, Record
from cds_service.rules.from_record import all_scores, score

FIBRILLATION = problem(snomed="49436004")
CIRRHOSIS = problem(snomed="19943007")


def liver_panel(hours: float = 2) -> list[Reading]:
    values = {"bilirubin_total": 2, "inr": 1.5, "creatinine": 1.2, "sodium": 135, "albumin": 3}
    return [reading(concept, value, hours=hours) for concept, value in values.items()]


def test_corrected_calcium_of_one_day() -> None:
    result = score("CorrectedCalcium", record(reading("calcium", 8, hours=2), reading("albumin", 2, hours=20)))
    assert result.result["value"] == 9.6
    assert result.text == "Calcium corrected for albumin 9.6 mg/dL"


def test_values_of_different_days_are_not_put_together() -> None:
    result = score("CorrectedCalcium", record(reading("calcium", 8, hours=2), reading("albumin", 2, hours=27)))
    assert result.result["status"] == "incomplete"
    assert result.missing == ("values within 24 h of each other",)


def test_an_older_pair_of_one_day_is_used_where_the_newest_values_do_not_match() -> None:
    pair = [reading("calcium", 8.4, hours=50), reading("albumin", 3, hours=49)]
    result = score("CorrectedCalcium", record(reading("calcium", 8, hours=1), *pair))
    assert result.result["value"] == 9.2


def test_a_measured_ionised_calcium_is_preferred_and_named() -> None:
    ionised = reading("ionised_calcium", 1.12, hours=2, unit="mmol/L")
    result = score("CorrectedCalcium", record(reading("calcium", 8), reading("albumin", 2), ionised))
    assert result.text.endswith("; the measured ionised calcium 1.12 mmol/L is preferred")
    assert ionised in result.inputs


def test_row_48_a_bound_never_enters_a_formula() -> None:
    below = reading("albumin", 1.5, comparator="<", unit="g/dL")
    result = score("CorrectedCalcium", record(reading("calcium", 8), below))
    assert result.result["value"] is None
    assert result.missing == ("albumin (recorded as <1.5 g/dL)",)


def test_anion_gap_is_corrected_only_by_an_albumin_of_the_same_window() -> None:
    ions = [reading("sodium", 140), reading("chloride", 100), reading("bicarbonate", 14)]
    near = score("AnionGap", record(*ions, reading("albumin", 2, hours=4)))
    far = score("AnionGap", record(*ions, reading("albumin", 2, hours=6)))
    assert (near.result["ag"], near.result["ag_corrected"]) == (26.0, 31.0)
    assert (far.result["ag"], far.result["ag_corrected"]) == (26.0, None)


def test_hba1c_category_and_its_population() -> None:
    assert score("HbA1c", record(reading("hba1c", 6.5, days=30))).text == "HbA1c in the diabetes range"
    pregnant = record(reading("hba1c", 6.5), sex="female", born=born(30), problems=[problem(snomed="77386006")])
    assert score("HbA1c", pregnant).text == "HbA1c does not apply in pregnancy"
    assert score("HbA1c", record(reading("hba1c", 6.5, days=121))).missing == ("HbA1c (older than 120 d)",)


def test_ldl_prefers_the_reported_value_and_stops_at_400() -> None:
    lipids = [reading("cholesterol", 200), reading("hdl", 40)]
    reported = reading("ldl", 128, unit="mg/dL")
    result = score("LDL_Friedewald", record(*lipids, reading("triglycerides", 150), reported))
    assert result.result["ldl"] == 130.0
    assert "the reported LDL 128 mg/dL is preferred" in result.text
    high = score("LDL_Friedewald", record(*lipids, reading("triglycerides", 401)))
    assert high.text.endswith("does not apply with triglycerides above 400 mg/dL")


def test_ldl_of_values_that_contradict_each_other_is_refused() -> None:
    result = score(
        "LDL_Friedewald", record(reading("cholesterol", 60), reading("hdl", 50), reading("triglycerides", 150))
    )
    assert result.result["status"] == "invalid-input"
    assert "contradict" in result.text


def test_qtc_takes_the_heart_rate_of_the_same_tracing() -> None:
    assert score("QTc", record(reading("qt", 400), reading("heart_rate", 60))).result["bazett"] == 400.0
    apart = score("QTc", record(reading("qt", 400, hours=2), reading("heart_rate", 60, hours=1)))
    assert apart.result["status"] == "incomplete"


def test_meld_is_computed_only_where_a_chronic_liver_disease_is_recorded() -> None:
    assert score("MELD_3_0", record(*liver_panel())).missing == ("a recorded chronic liver disease",)
    result = score("MELD_3_0", record(*liver_panel(), problems=[CIRRHOSIS]))
    assert result.result["score"] == 17
    assert len(result.inputs) == 5


def test_meld_counts_dialysis_of_the_last_week_and_does_not_guess_it() -> None:
    twice = [procedure(snomed="302497006", days=1), procedure(snomed="302497006", days=3)]
    plain = score("MELD_3_0", record(*liver_panel(), problems=[CIRRHOSIS]))
    dialysed = score("MELD_3_0", record(*liver_panel(), problems=[CIRRHOSIS], procedures=twice))
    assert dialysed.result["raw"] > plain.result["raw"]
    unseen = Absence("Procedure", Reason.NOT_PERMITTED)
    unknown = score("MELD_3_0", record(*liver_panel(), problems=[CIRRHOSIS], absences=[unseen]))
    assert unknown.result["status"] == "incomplete"
    assert unknown.result["missing"] == ["dialysis_2x_7d"]


def test_fib4_of_one_day() -> None:
    panel = [reading("ast", 80, days=3), reading("alt", 64, days=3), reading("platelets", 132, days=3)]
    assert score("FIB4", record(*panel)).text == "FIB-4 5.00"


def test_cha2ds2_vasc_is_a_bound_because_a_problem_list_is_never_complete() -> None:
    source = record(
        sex="female", born=born(76), problems=[FIBRILLATION, problem(icd10="I10"), problem("Type 2 diabetes mellitus")]
    )
    result = score("CHA2DS2_VASc", source)
    assert result.bound
    assert result.at_least == 5
    assert result.result["lower_bound"]["cha2ds2_va"] == 4
    assert result.missing == ("heart failure", "stroke or TIA", "vascular disease")
    assert result.text == "CHA2DS2-VASc at least 5; not recorded: heart failure, stroke or TIA, vascular disease"


def test_a_resolved_stroke_still_counts_and_a_refuted_one_does_not() -> None:
    def at_least(**more: object) -> int | None:
        return score("CHA2DS2_VASc", record(problems=[FIBRILLATION, problem(snomed="230690007", **more)])).at_least  # type: ignore[arg-type]

    base = score("CHA2DS2_VASc", record(problems=[FIBRILLATION])).at_least
    assert base == 1  # 66 years
    assert at_least(active=False) == 3
    assert at_least(negated=True) == 1


def test_scores_of_atrial_fibrillation_need_it_recorded() -> None:
    for name in ("CHA2DS2_VASc", "HAS_BLED"):
        result = score(name, record(problems=[problem(icd10="I10")]))
        assert result.missing == ("a recorded atrial fibrillation",)
        assert not result.inputs


def test_has_bled_from_the_record_is_a_bound() -> None:
    source = record(
        reading("systolic_bp", 170),
        creatinine(2.26),
        problems=[FIBRILLATION, problem(icd10="K92.2", active=False)],
        medications=[medication("Aspirin 100 mg tablet")],
    )
    result = score("HAS_BLED", source)
    assert result.at_least == 5  # pressure, creatinine, bleeding, aspirin, age 66
    assert result.result["lower_bound"]["high_risk"] is True
    assert "alcohol" in result.missing
    stopped = score("HAS_BLED", record(problems=[FIBRILLATION], medications=[medication("Aspirin", active=False)]))
    assert stopped.at_least == 1


def test_curb_65_needs_a_pneumonia_and_is_bounded() -> None:
    observations = [*vitals(respiratory_rate=30, consciousness="C"), reading("diastolic_bp", 60)]
    assert score("CURB_65", record(*observations)).missing == ("a recorded pneumonia",)
    pneumonia = problem(snomed="233604007")
    partial = score("CURB_65", record(*observations, problems=[pneumonia]))
    assert partial.at_least == 4  # confusion, rate, pressure, 66 years
    assert partial.missing == ("urea nitrogen",)
    whole = score("CURB_65", record(*observations, reading("urea_nitrogen", 25, hours=20), problems=[pneumonia]))
    assert whole.result["score"] == 5
    assert pneumonia in whole.inputs


@pytest.mark.parametrize("source", [record(*vitals(), *liver_panel(), problems=[CIRRHOSIS])])
def test_all_scores_gives_only_scores_with_facts_behind_them(source: Record) -> None:
    names = [result.name for result in all_scores(source)]
    assert {"NEWS2", "MELD_3_0", "KDIGO_AKI"} <= set(names)
    assert not {"HbA1c", "QTc", "CHA2DS2_VASc", "FIB4"} & set(names)
    assert all(result.inputs and result.text for result in all_scores(source))


def test_all_scores_leaves_out_bounds_of_zero_and_what_could_not_be_computed() -> None:
    source = record(reading("heart_rate", 75), reading("body_weight", 70), creatinine("0.7630770376230118"))
    found = {result.name: result for result in all_scores(source)}
    assert set(found) == {"KDIGO_AKI", "eGFR_CKD_EPI_2021", "CKD_G_stage", "CockcroftGault"}
    assert found["KDIGO_AKI"].text.endswith("to compare 0.7631 mg/dL with")
    assert not {result.name for result in all_scores(record(reading("body_weight", 70)))}
