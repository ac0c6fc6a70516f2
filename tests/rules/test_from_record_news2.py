"""NEWS2 and its kin from a record: windows, bounds, provenance, scale 2, population."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from feeding_records import NOW, born, problem, reading, record, vitals
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.record.facts import Reading, Refusal
from cds_service.rules import calculators
from cds_service.rules.from_record import all_scores, news2, qsofa, score, shock_index


def test_a_complete_set_gives_the_total_with_every_input_as_a_fact() -> None:
    observations = vitals(respiratory_rate=25, heart_rate=111)
    result = news2(record(*observations))
    assert result.ok
    assert not result.bound
    assert result.result["total"] == 5
    assert result.text == "NEWS2 5, medium risk"
    assert set(result.inputs) == set(observations)


def test_missing_parts_give_a_bound_that_says_what_was_not_recorded() -> None:
    ill = vitals(
        respiratory_rate=25,
        oxygen_saturation=91,
        body_temperature=39.2,
        heart_rate=95,
        consciousness=None,
        oxygen_therapy=None,
    )
    result = news2(record(*ill))
    assert result.bound
    assert result.at_least == 9
    assert result.text == "NEWS2 at least 9; not recorded: oxygen, consciousness"
    assert result.result["status"] == "incomplete"
    assert result.result["total"] is None
    assert result.result["lower_bound"]["risk"] == "high"
    assert result.result["known"] == {"rr": 3, "spo2": 3, "sbp": 0, "hr": 1, "temp": 2}
    assert result.missing == ("oxygen", "consciousness")


def test_no_vital_signs_at_all_is_no_bound() -> None:
    result = news2(record())
    assert not result.bound
    assert result.at_least is None
    assert result.inputs == ()
    assert result.text == "NEWS2 not computed: no vital signs within 12 h"


def test_observations_more_than_an_hour_apart_do_not_make_one_score() -> None:
    set_of_two = [*vitals(hours=3, respiratory_rate=None), reading("respiratory_rate", 16, hours=1.9)]
    result = news2(record(*set_of_two))
    assert result.bound
    assert "heart rate (too long before the others)" in result.missing


@pytest.mark.parametrize(("minutes", "complete"), [(60, True), (61, False)])
def test_the_window_is_sixty_minutes(minutes: int, complete: bool) -> None:
    late = reading("body_temperature", 37, hours=3 - minutes / 60)
    assert news2(record(*vitals(hours=3, body_temperature=None), late)).ok is complete


def test_observations_older_than_twelve_hours_are_not_used_and_said_to_be_old() -> None:
    assert news2(record(*vitals(hours=12))).ok
    result = news2(record(*vitals(hours=12.1, respiratory_rate=None), reading("respiratory_rate", 16)))
    assert "heart rate (older than 12 h)" in result.missing


def test_the_newest_complete_set_counts_when_newer_observations_are_partial_and_no_worse() -> None:
    older = vitals(hours=4, respiratory_rate=25, heart_rate=95)
    result = news2(record(*older, reading("heart_rate", 80, hours=0.5)))
    assert result.ok
    assert result.result["total"] == 4
    assert {fact.time for fact in result.inputs} == {NOW - timedelta(hours=4)}


def test_newer_and_worse_observations_are_not_hidden_behind_an_older_complete_set() -> None:
    newer = [reading("heart_rate", 135, hours=0.5), reading("systolic_bp", 85, hours=0.5)]
    result = news2(record(*vitals(hours=4), *newer))
    assert result.bound
    assert result.at_least == 6


def test_row_48_a_comparator_never_enters_the_total_and_bounds_its_part() -> None:
    low = reading("oxygen_saturation", 85, comparator="<", unit="%", hours=1)
    result = news2(record(*vitals(oxygen_saturation=None), low))
    assert result.bound
    assert result.at_least == 3
    assert result.missing == ("oxygen saturation (recorded as <85 %)",)
    assert low in result.inputs
    high = reading("oxygen_saturation", 90, comparator=">", unit="%", hours=1)
    assert news2(record(*vitals(oxygen_saturation=None), high)).at_least == 0


def test_a_newer_bound_hides_an_older_exact_value_of_its_item() -> None:
    bound = reading("oxygen_saturation", 80, comparator="<", hours=0.5, unit="%")
    result = news2(record(*vitals(hours=1), bound))
    assert result.bound
    assert result.at_least == 3


def test_consciousness_may_come_from_the_glasgow_coma_scale() -> None:
    alert = news2(record(*vitals(consciousness=None), reading("gcs", 15)))
    drowsy = news2(record(*vitals(consciousness=None), reading("gcs", 13)))
    assert (alert.result["total"], drowsy.result["total"]) == (0, 3)


@pytest.mark.parametrize(
    ("observation", "points"),
    [
        (reading("oxygen_therapy", text="Room air"), 0),
        (reading("oxygen_therapy", text="supplemental oxygen"), 2),
        (reading("oxygen_flow", 2), 2),
        (reading("oxygen_flow", 0), 0),
        (reading("inhaled_oxygen", 21), 0),
        (reading("inhaled_oxygen", 28), 2),
    ],
)
def test_oxygen_is_read_from_therapy_flow_or_concentration(observation: Reading, points: int) -> None:
    assert news2(record(*vitals(oxygen_therapy=None), observation)).result["parts"]["o2"] == points


def test_oxygen_words_nobody_knows_leave_oxygen_missing() -> None:
    result = news2(record(*vitals(oxygen_therapy="see notes")))
    assert result.missing == ("oxygen (recorded as “see notes”)",)


def test_scale_2_is_used_only_with_a_documented_hypercapnic_target() -> None:
    observations = vitals(oxygen_saturation=89, oxygen_therapy="supplemental oxygen")
    copd = problem("COPD with hypercapnic respiratory failure", snomed="13645005")
    target = reading("hypercapnic_target", text="88–92 %", hours=24 * 30)
    assert news2(record(*observations, problems=[copd])).result["parts"]["spo2"] == 3
    result = news2(record(*observations, target))
    assert result.result["parts"]["spo2"] == 0
    assert target in result.inputs
    normal = reading("hypercapnic_target", text="94–98 %", hours=24)
    assert news2(record(*observations, target, normal)).result["parts"]["spo2"] == 3


@pytest.mark.parametrize(
    ("birth", "status", "reason"),
    [
        (date(2010, 11, 21), "not-applicable", "age<16"),  # 15 years and 364 days
        (date(2010, 11, 20), "ok", None),  # 16 today
        (date(2026, 11, 19), "not-applicable", "age<16"),
        (date(1906, 1, 1), "ok", None),
    ],
)
def test_row_50_the_age_of_the_day_decides(birth: date, status: str, reason: str | None) -> None:
    result = news2(record(*vitals(), born=birth)).result
    assert (result["status"], result.get("reason")) == (status, reason)


def test_row_50_without_a_birth_date_there_is_no_score_and_no_bound() -> None:
    result = news2(record(*vitals(respiratory_rate=30), born=None))
    assert result.missing == ("age",)
    assert not result.bound
    impossible = news2(record(*vitals(), born=date(1850, 1, 1)))
    assert impossible.missing == ("age",)


def test_row_50_a_deceased_patient_has_no_scores() -> None:
    gone = record(*vitals(respiratory_rate=30), deceased=True)
    assert all_scores(gone) == []
    result = news2(gone)
    assert (result.result["status"], result.result["reason"]) == ("not-applicable", "deceased")


def test_pregnancy_in_the_record_makes_news2_not_applicable_and_cites_it() -> None:
    pregnant = problem(snomed="77386006")
    result = news2(record(*vitals(), sex="female", born=born(30), problems=[pregnant]))
    assert result.result["reason"] == "pregnancy"
    assert result.inputs == (pregnant,)


def test_row_51_an_unrecorded_pregnancy_does_not_withhold_the_score() -> None:
    assert news2(record(*vitals(), sex="female", born=born(30))).ok


def test_qsofa_takes_acvpu_for_the_glasgow_coma_scale_and_is_bounded() -> None:
    confused = vitals(respiratory_rate=22, consciousness="C")
    assert qsofa(record(*confused)).result["score"] == 2
    assert qsofa(record(*vitals(consciousness=None), reading("gcs", 14))).result["score"] == 1
    partial = qsofa(record(*vitals(respiratory_rate=22, systolic_bp=95, consciousness=None)))
    assert partial.text == "qSOFA at least 2; not recorded: consciousness"
    assert partial.result["lower_bound"]["positive"] is True


def test_sirs_takes_white_cells_near_the_vital_signs() -> None:
    observations = vitals(heart_rate=95, respiratory_rate=22)
    near = score("SIRS", record(*observations, reading("leukocytes", 15, hours=12)))
    assert near.result["score"] == 3
    far = score("SIRS", record(*observations, reading("leukocytes", 15, hours=14)))
    assert far.bound
    assert far.at_least == 2
    with_bands = score("SIRS", record(*observations, reading("leukocytes", 8), reading("bands", 12)))
    assert with_bands.result["score"] == 3


def test_shock_index_needs_both_values_and_has_no_bound() -> None:
    result = shock_index(record(*vitals(heart_rate=120, systolic_bp=90)))
    assert result.result["value"] == pytest.approx(4 / 3)
    alone = shock_index(record(reading("heart_rate", 150)))
    assert not alone.bound
    assert "at_least" not in alone.result
    assert alone.missing == ("systolic blood pressure",)


def test_one_sign_in_the_danger_zone_is_enough() -> None:
    result = score("ESI_danger_zone", record(reading("heart_rate", 101)))
    assert result.bound
    assert result.at_least == 1
    calm = score("ESI_danger_zone", record(reading("heart_rate", 80)))
    assert calm.at_least == 0
    assert "none among the signs recorded" in calm.text


@pytest.mark.parametrize(
    ("birth", "sbp", "hypotensive"),
    [(born(days=10), 59, True), (born(days=10), 60, False), (born(months=6), 69, True), (born(5), 79, True)],
)
def test_hypotension_of_a_child_by_its_age(birth: date, sbp: int, hypotensive: bool) -> None:
    result = score("PedsHypotension", record(reading("systolic_bp", sbp), born=birth))
    assert result.result["hypotensive"] is hypotensive


def test_hypotension_by_age_says_nothing_of_adults() -> None:
    assert score("PedsHypotension", record(reading("systolic_bp", 60))).inputs == ()


def test_scores_that_need_a_person_are_not_fed() -> None:
    for name in ("Wells_PE", "HEART"):
        with pytest.raises(KeyError):
            score(name, record())


SETS = st.fixed_dictionaries(
    {
        "respiratory_rate": st.none() | st.integers(4, 45),
        "oxygen_saturation": st.none() | st.integers(70, 100),
        "systolic_bp": st.none() | st.integers(50, 240),
        "heart_rate": st.none() | st.integers(30, 190),
        "body_temperature": st.none() | st.integers(330, 410).map(lambda n: n / 10),
        "consciousness": st.none() | st.sampled_from("ACVPU"),
        "oxygen_therapy": st.none() | st.sampled_from(["room air", "supplemental oxygen"]),
    }
)


@settings(max_examples=150, deadline=None)
@given(SETS, st.data())
def test_a_bound_is_never_above_what_the_complete_set_gives(known: dict[str, Any], data: st.DataObject) -> None:
    fill = {k: data.draw(SETS.map(lambda s, k=k: s[k]).filter(lambda v: v is not None)) for k in known}
    complete = {k: fill[k] if v is None else v for k, v in known.items()}
    bound = news2(record(*vitals(**known)))
    total = news2(record(*vitals(**complete)))
    assert total.ok
    if bound.at_least is not None:
        assert bound.at_least <= total.result["total"]
    if None not in known.values():
        assert bound.result == total.result


@settings(max_examples=60, deadline=None)
@given(st.permutations(vitals(respiratory_rate=25)))
def test_the_order_of_observations_changes_nothing(observations: list[Reading]) -> None:
    assert news2(record(*observations)).result["total"] == 3


def test_irrelevant_facts_change_nothing() -> None:
    base = record(*vitals(respiratory_rate=25))
    more = record(
        *vitals(respiratory_rate=25), reading("potassium", 6.1), problems=[problem("Gout", snomed="90560007")]
    )
    assert news2(base).result == news2(more).result


def test_every_fed_calculator_answers_an_empty_record_without_inventing_anything() -> None:
    from cds_service.rules.from_record import FED

    for name in FED:
        result = score(name, record())
        assert result.result["status"] in ("incomplete", "not-applicable")
        assert not result.bound
        assert result.text
        assert set(calculators.CALCULATORS[name].outputs) == {
            o for o in calculators.CALCULATORS[name].outputs if result.result[o.key] is None
        }
    assert all_scores(record()) == []


def test_row_46_an_undated_value_is_never_the_newest() -> None:
    result = news2(record(*vitals(heart_rate=None), reading("heart_rate", 140, time=None)))
    assert result.bound
    assert result.missing == ("heart rate (undated)",)


def test_row_47_a_value_that_could_not_be_read_is_missing_with_the_reason() -> None:
    unknown = reading("body_temperature", 98.6, refusal=Refusal.UNKNOWN_UNIT)
    result = news2(record(*vitals(body_temperature=None), refused=[unknown]))
    assert result.missing == ("temperature (unknown unit)",)


def test_row_49_a_result_entered_in_error_is_simply_not_there() -> None:
    error = reading("body_temperature", 40, refusal=Refusal.ENTERED_IN_ERROR)
    assert news2(record(*vitals(body_temperature=None), refused=[error])).missing == ("temperature",)
