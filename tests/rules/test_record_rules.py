"""Rules over the record: scores at their thresholds, and what must be kept in mind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from checking import allergy, event, on_record, one, pack, stay, taking
from feeding_records import NOW, born, creatinine, medication, problem, reading, record, vitals

from cds_service.record.facts import Absence, Event, Reason
from cds_service.rules.catalogue import Severity, Urgency
from cds_service.rules.evaluate import evaluate_record

# --- NEWS2 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "severity", "urgency"),
    [
        ({"respiratory_rate": 25, "heart_rate": 91}, None, Urgency.ROUTINE),  # 4, one parameter scoring 3
        ({"respiratory_rate": 25, "heart_rate": 111}, Severity.WARNING, Urgency.URGENT),  # 5
        ({"respiratory_rate": 25, "heart_rate": 131}, Severity.WARNING, Urgency.URGENT),  # 6
        ({"respiratory_rate": 25, "heart_rate": 131, "body_temperature": 38.1}, Severity.CRITICAL, Urgency.ASAP),  # 7
    ],
)
def test_news2_speaks_from_5_and_is_raised_from_7(
    change: dict[str, Any], severity: Severity | None, urgency: Urgency
) -> None:
    finding = one(on_record("news2", record(*vitals(**change))))
    assert finding.severity is (severity or Severity.INFO)
    assert finding.urgency is urgency
    assert len(finding.facts) == 7


def test_news2_of_4_in_small_parts_is_not_mentioned() -> None:
    change = {"respiratory_rate": 21, "heart_rate": 91, "body_temperature": 38.1}  # 2 + 1 + 1
    assert on_record("news2", record(*vitals(**change))) == []


def test_news2_with_missing_parts_is_a_bound_that_names_them() -> None:
    change = {"respiratory_rate": 25, "heart_rate": 131, "consciousness": None, "oxygen_therapy": None}
    finding = one(on_record("news2", record(*vitals(**change))))
    assert finding.summary == "NEWS2 at least 6; not recorded: oxygen, consciousness"
    assert finding.missing == ("oxygen", "consciousness")
    assert finding.urgency is Urgency.URGENT


@pytest.mark.parametrize(
    ("change", "in_hospital", "speaks"),
    [
        ({"respiratory_rate": 21, "heart_rate": 91, "consciousness": None}, True, True),  # at least 3
        ({"respiratory_rate": 21, "heart_rate": 91, "body_temperature": 38.1, "consciousness": None}, True, True),  # 4
        ({"respiratory_rate": 21, "consciousness": None}, True, False),  # at least 2
        ({"respiratory_rate": 21, "heart_rate": 91, "consciousness": None}, False, False),
        ({"respiratory_rate": 21, "heart_rate": 91, "oxygen_therapy": None}, True, False),
        ({"respiratory_rate": 21, "heart_rate": 91}, True, False),
    ],
)
def test_a_bound_of_3_without_consciousness_is_a_remark_during_a_stay(
    change: dict[str, Any], in_hospital: bool, speaks: bool
) -> None:
    found = on_record("news2", record(*vitals(**change), encounters=[stay()] if in_hospital else []))
    assert [(f.key, f.severity, f.urgency) for f in found] == (
        [("news2:incomplete", Severity.INFO, Urgency.ROUTINE)] if speaks else []
    )
    assert all("not recorded: consciousness; new confusion alone would add 3" in f.summary for f in found)


def test_news2_is_silent_for_children_and_in_pregnancy() -> None:
    sick = vitals(respiratory_rate=30, heart_rate=140)
    assert on_record("news2", record(*sick, born=born(10))) == []
    assert on_record("news2", record(*sick, born=born(30), sex="female", problems=[problem("Pregnant")])) == []


# --- other vital signs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "pressure", "speaks"), [(22, 100, True), (21, 100, False), (22, 101, False)])
def test_qsofa_speaks_from_2(rate: int, pressure: int, speaks: bool) -> None:
    assert bool(on_record("qsofa", record(*vitals(respiratory_rate=rate, systolic_bp=pressure)))) is speaks


@pytest.mark.parametrize(
    ("heart_rate", "speaks", "urgency"), [(89, False, 0), (90, True, 0), (99, True, 0), (100, True, 1)]
)
def test_shock_index_speaks_from_0_9_and_asks_for_urgency_from_1(heart_rate: int, speaks: bool, urgency: int) -> None:
    found = on_record("shock-index", record(*vitals(heart_rate=heart_rate, systolic_bp=100)))
    assert bool(found) is speaks
    assert [f.urgency for f in found] == [Urgency(urgency)] * len(found)


@pytest.mark.parametrize(
    ("age", "heart_rate", "speaks"),
    [
        ({"months": 2}, 181, True),
        ({"months": 2}, 180, False),
        ({"years": 2}, 161, True),
        ({"years": 2}, 160, False),
        ({"years": 5}, 141, True),
        ({"years": 5}, 140, False),
        ({"years": 12}, 101, True),
        ({"years": 12}, 100, False),
    ],
)
def test_the_danger_zone_depends_on_age(age: dict[str, Any], heart_rate: int, speaks: bool) -> None:
    subject = record(reading("heart_rate", heart_rate), born=born(**age))
    found = on_record("danger-zone-vitals", subject)
    assert bool(found) is speaks
    assert [f.urgency for f in found] == [Urgency.URGENT] * len(found)


def test_the_danger_zone_is_for_children_and_news2_for_the_rest() -> None:
    assert on_record("danger-zone-vitals", record(reading("heart_rate", 150), born=born(17))) == []


@pytest.mark.parametrize(("pressure", "speaks"), [(79, True), (80, False)])
def test_low_pressure_of_a_child_of_5_is_below_80(pressure: int, speaks: bool) -> None:
    found = on_record("paediatric-hypotension", record(reading("systolic_bp", pressure), born=born(5.5)))
    assert bool(found) is speaks


RED = [
    ("red-flag-shock", {"systolic_bp": 90, "lactate": "4.0"}, {"systolic_bp": 91, "lactate": "4.0"}, Urgency.STAT),
    ("red-flag-shock", {"systolic_bp": 80, "lactate": "4.0"}, {"systolic_bp": 80, "lactate": "3.9"}, Urgency.STAT),
    ("red-flag-coma", {"gcs": 8}, {"gcs": 9}, Urgency.STAT),
    ("red-flag-hyperkalaemia", {"potassium": "6.0"}, {"potassium": "5.9"}, Urgency.URGENT),
    ("red-flag-hyperkalaemia", {"potassium": "6.4"}, {"potassium": "5.9"}, Urgency.URGENT),
    ("red-flag-hyperkalaemia", {"potassium": "6.5"}, {"potassium": "5.9"}, Urgency.ASAP),
]


@pytest.mark.parametrize(("rule", "beyond", "inside", "urgency"), RED)
def test_red_flags_on_both_sides_of_their_limits(
    rule: str, beyond: dict[str, Any], inside: dict[str, Any], urgency: Urgency
) -> None:
    subject = record(*(reading(concept, value) for concept, value in beyond.items()))
    finding = one(on_record(rule, subject))
    assert (finding.severity, finding.urgency) == (Severity.CRITICAL, urgency)
    assert len(finding.facts) == len(beyond)
    assert on_record(rule, record(*(reading(concept, value) for concept, value in inside.items()))) == []


def test_a_red_flag_needs_every_one_of_its_values_and_none_of_them_old() -> None:
    hours = pack().rules["red-flag-shock"].given.hours
    low = reading("systolic_bp", 80)
    assert on_record("red-flag-shock", record(low)) == []
    assert on_record("red-flag-shock", record(low, reading("lactate", 6, hours=hours + 1))) == []
    assert on_record("red-flag-shock", record(low, reading("lactate", 6, comparator=">")))
    assert on_record("red-flag-shock", record(low, reading("lactate", 6, comparator="<"))) == []


@pytest.mark.parametrize(("interval", "speaks"), [("500", True), ("499", False)])
def test_a_reported_qtc_speaks_from_500_ms(interval: str, speaks: bool) -> None:
    assert bool(on_record("qtc-long", record(reading("qtc", interval, unit="ms")))) is speaks


def test_a_qtc_is_computed_by_fridericia_where_none_is_reported() -> None:
    # RR 0.5 s: 400 ms / 0.5^(1/3) = 504 ms; 390 ms gives 491 ms
    long = one(on_record("qtc-long", record(reading("qt", 400, unit="ms"), reading("heart_rate", 120))))
    assert {fact.concept for fact in long.facts} == {"qt", "heart_rate"}
    assert on_record("qtc-long", record(reading("qt", 390, unit="ms"), reading("heart_rate", 120))) == []
    assert on_record("qtc-long", record(reading("qtc", 450), reading("qt", 400), reading("heart_rate", 120))) == []


# --- kidneys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "stage", "severity", "urgency"),
    [
        ("1.49", 0, None, None),
        ("1.50", 1, Severity.WARNING, Urgency.ROUTINE),
        ("2.00", 2, Severity.WARNING, Urgency.URGENT),
        ("3.00", 3, Severity.CRITICAL, Urgency.URGENT),
    ],
)
def test_aki_by_stage(now: str, stage: int, severity: Severity | None, urgency: Urgency | None) -> None:
    found = on_record("aki-stage", record(creatinine("1.00", days=5), creatinine(now)))
    if severity is None:
        assert found == []
        return
    finding = one(found)
    assert finding.values["stage"] == stage
    assert (finding.severity, finding.urgency) == (severity, urgency)
    assert {fact.reference for fact in finding.facts} == {
        f.reference for f in finding.facts if f.concept == "creatinine"
    }


def test_an_aki_that_has_passed_is_a_remark_without_urgency() -> None:
    subject = record(creatinine("1.0", days=30), creatinine("2.4", days=4), creatinine("1.1"))
    finding = one(on_record("aki-stage", subject))
    assert (finding.severity, finding.urgency) == (Severity.INFO, Urgency.ROUTINE)


@pytest.mark.parametrize(
    ("egfr", "severity"), [(60, None), (59, Severity.INFO), (30, Severity.INFO), (29, Severity.WARNING)]
)
def test_kidney_function_speaks_below_60_and_is_raised_below_30(egfr: int, severity: Severity | None) -> None:
    found = on_record("kidney-function", record(reading("egfr", egfr, unit="mL/min/{1.73_m2}")))
    assert [f.severity for f in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("days", "said"), [(90.1, True), (89.9, False)])
def test_a_category_that_holds_names_the_day_of_the_earlier_low_value(days: float, said: bool) -> None:
    earlier = creatinine("1.9", days=days)
    summary = one(on_record("kidney-function", record(creatinine("2.0", hours=0), earlier))).summary
    assert earlier.time is not None
    assert (f"(also below 60 on {earlier.time:%Y-%m-%d})" in summary) is said
    assert ("single value" in summary) is not said


def test_one_low_egfr_is_called_a_range_of_a_single_value() -> None:
    assert "single value" in one(on_record("kidney-function", record(reading("egfr", 40)))).summary


def test_no_category_is_shown_while_aki_criteria_are_met() -> None:
    subject = record(creatinine("1.0", days=5), creatinine("2.6"))
    assert on_record("kidney-function", subject) == []
    assert on_record("aki-stage", subject)


# --- allergies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "severe",
    [
        {"severity": "severe"},
        {"criticality": "high"},
        {"manifestations": ("Anaphylaxis",)},
        {"manifestations": ("Stevens-Johnson syndrome",)},
        {"manifestations": ("Angioedema of the tongue",)},
    ],
)
def test_a_severe_allergy_is_mentioned(severe: dict[str, Any]) -> None:
    manifestations = severe.pop("manifestations", ())
    finding = one(on_record("severe-allergy", record(allergies=[allergy("Peanut", *manifestations, **severe)])))
    assert finding.summary.startswith("Severe allergy: Peanut")
    severe["manifestations"] = manifestations  # parametrised values are shared


@pytest.mark.parametrize(
    "mild",
    [
        allergy("Peanut", "Hives", severity="moderate", criticality="low"),
        allergy("Peanut", "Anaphylaxis", active=False),
        allergy("Peanut", "Anaphylaxis", negated=True),
        allergy("No known allergies", criticality="high", no_known=True, negated=True),
    ],
    ids=["mild", "inactive", "refuted", "none known"],
)
def test_other_allergies_are_not_called_severe(mild: Any) -> None:
    assert on_record("severe-allergy", record(allergies=[mild])) == []


def test_an_empty_allergy_list_is_said_in_hospital_alone_and_only_where_it_was_searched() -> None:
    searched = [Absence("AllergyIntolerance", Reason.NONE_FOUND)]
    failed = [Absence("AllergyIntolerance", Reason.FAILED)]
    rule = "allergies-not-recorded"
    assert on_record(rule, record(encounters=[stay()], absences=searched))
    assert on_record(rule, record(absences=searched)) == []
    assert on_record(rule, record(encounters=[stay()], absences=failed)) == []
    none_known = allergy("No known allergies", no_known=True, negated=True)
    assert on_record(rule, record(encounters=[stay()], absences=searched, allergies=[none_known])) == []


# --- what must be kept in mind -------------------------------------------------------------------------------------


def test_an_active_anticoagulant_is_mentioned_and_a_stopped_one_or_a_flush_is_not() -> None:
    rule = "anticoagulant-active"
    assert one(on_record(rule, record(medications=taking("apixaban 5 mg", "Warfarin 3 mg")))).summary.endswith(
        "apixaban, warfarin"
    )
    assert on_record(rule, record(medications=[medication("apixaban 5 mg", active=False)])) == []
    assert on_record(rule, record(medications=[medication("apixaban 5 mg", do_not_perform=True)])) == []
    assert on_record(rule, record(medications=taking("Heparin lock flush 10 units/mL"))) == []


def test_code_status_is_mentioned_wherever_it_is_recorded() -> None:
    stated = reading("code_status", text="Do not resuscitate")
    assert one(on_record("code-status", record(stated))).summary == "Code status: Do not resuscitate"
    goal = event("DNAR", "Goal", category="code-status", status="active")
    assert one(on_record("code-status", record(goals=[goal]))).summary == "Code status: DNAR"
    other = event("Walk daily", "Goal", category="goal", status="active")
    assert on_record("code-status", record(goals=[other])) == []


@pytest.mark.parametrize(
    ("change", "speaks"),
    [
        ({"born": born(65.1), "encounters": [stay()]}, True),
        ({"born": born(64.9), "encounters": [stay()]}, False),
        ({"born": born(30), "encounters": [stay()], "problems": [problem("Carcinoma of lung")]}, True),
        ({"born": born(80)}, False),
        ({"born": born(80), "encounters": [stay("AMB")]}, False),
        ({"born": born(80), "encounters": [stay(end=NOW - timedelta(hours=1))]}, False),
    ],
)
def test_a_missing_code_status_is_said_during_a_stay_where_it_matters(change: dict[str, Any], speaks: bool) -> None:
    found = on_record("code-status", record(**change))
    assert [(f.key, f.missing) for f in found] == ([("code-status:missing", ())] if speaks else [])


@pytest.mark.parametrize("reason", [Reason.FAILED, Reason.NOT_PERMITTED, Reason.NOT_ASKED, Reason.UNREADABLE])
def test_a_code_status_that_may_stand_where_nobody_could_look_is_not_called_missing(reason: Reason) -> None:
    unseen = [Absence("Observation", reason)]
    found = one(on_record("code-status", record(born=born(80), encounters=[stay()], absences=unseen)))
    assert (found.summary, found.key) == ("Code status not seen", "code-status:unseen")
    none = [Absence("Observation", Reason.NONE_FOUND)]
    found = one(on_record("code-status", record(born=born(80), encounters=[stay()], absences=none)))
    assert found.summary == "Code status not recorded"


def test_pregnancy_is_mentioned_when_recorded_and_never_inferred() -> None:
    woman: dict[str, Any] = {"sex": "female", "born": born(30)}
    assert on_record("pregnancy", record(problems=[problem("Normal pregnancy")], **woman))
    assert on_record("pregnancy", record(**woman)) == []
    assert on_record("pregnancy", record(problems=[problem("History of pregnancy")], **woman)) == []


@pytest.mark.parametrize(
    ("label", "icd10", "speaks"),
    [
        ("Malignant neoplasm of breast", "", True),
        ("coded", "C50.9", True),
        ("Acute myeloid leukaemia", "", True),
        ("History of breast cancer", "", False),
        ("Family history of cancer", "", False),
        ("Carcinoma in situ of cervix", "D06.9", False),
        ("Prostate cancer in remission", "", False),
        ("Screening for colon cancer", "Z12.11", False),
        ("Malignant hypertension", "", False),
    ],
)
def test_active_cancer_by_code_or_word(label: str, icd10: str, speaks: bool) -> None:
    assert bool(on_record("active-cancer", record(problems=[problem(label, icd10=icd10)]))) is speaks


def test_a_resolved_or_refuted_cancer_is_not_active() -> None:
    gone = [problem("Lung cancer", active=False), problem("Lung cancer", negated=True)]
    assert on_record("active-cancer", record(problems=gone)) == []


@pytest.mark.parametrize(("days", "speaks"), [(0.1, True), (30, True), (30.1, False)])
def test_a_discharge_is_recent_for_30_days(days: float, speaks: bool) -> None:
    discharged = event("Stay", "Encounter", category="IMP", status="finished", end=NOW - timedelta(days=days))
    found = on_record("recent-discharge", record(encounters=[discharged]))
    assert [f.values["days"] for f in found] == ([int(days)] if speaks else [])


@pytest.mark.parametrize("category", ["AMB", "EMER", "VR", ""])
def test_other_contacts_are_no_discharge(category: str) -> None:
    visit: Event = event("Visit", "Encounter", category=category, end=NOW - timedelta(days=1))
    assert on_record("recent-discharge", record(encounters=[visit])) == []


def test_must_mention_rules_are_those_of_the_design() -> None:
    named = {rule.id for rule in pack().rules.values() if rule.must_mention}
    assert named >= {
        "critical-value", "severe-allergy", "anticoagulant-active", "code-status", "pregnancy", "active-cancer",
        "aki-stage", "news2", "recent-discharge",
    }  # fmt: skip


def test_a_healthy_record_has_nothing_to_say() -> None:
    assert evaluate_record(pack(), record(*vitals(), creatinine("0.9"), reading("potassium", "4.2"))) == []


def test_findings_stand_worst_first() -> None:
    subject = record(
        reading("potassium", "6.9"), reading("egfr", 45), medications=taking("apixaban"), problems=[problem("Cancer")]
    )
    ranks = [(-f.severity.rank, -f.urgency) for f in evaluate_record(pack(), subject)]
    assert ranks == sorted(ranks)
    assert len(ranks) == 4  # the critical potassium stands inside the red flag
