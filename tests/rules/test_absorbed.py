"""Findings about the patient that stand inside another: one card for one harm, and no critical finding under a lesser."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from checking import on_record, one, pack
from feeding_records import problem, reading, record, vitals

from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding, Severity, Switch, Urgency
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import Pack
from cds_service.services import layout

SIX: dict[str, Any] = {
    "respiratory_rate": 22,
    "systolic_bp": 100,
    "heart_rate": 110,
    "body_temperature": 38.1,
}  # 2+2+1+1
SEVEN: dict[str, Any] = {**SIX, "heart_rate": 111}
EIGHT: dict[str, Any] = {**SEVEN, "body_temperature": 39.1}


def heads(subject: Record, using: Pack | None = None) -> dict[str, list[str]]:
    """Each finding on its own with what stands inside it."""
    return {f.rule.id: [p.rule.id for p in f.absorbed] for f in evaluate_record(using or pack(), subject)}


def test_from_news2_of_7_on_shock_index_and_qsofa_of_the_same_signs_stand_inside_it() -> None:
    assert heads(record(*vitals(**SIX))) == {"news2": [], "qsofa": [], "shock-index": []}
    assert heads(record(*vitals(**SEVEN))) == {"news2": ["qsofa", "shock-index"]}


def test_what_rests_on_another_sign_stays_a_finding_of_its_own() -> None:
    subject = record(*vitals(**SEVEN), reading("gcs", 13))
    assert heads(subject) == {"news2": ["shock-index"], "qsofa": []}


def test_the_card_still_says_every_sentence_and_cites_every_rule() -> None:
    finding = one([f for f in evaluate_record(pack(), record(*vitals(**EIGHT))) if f.rule.id == "news2"])
    text = layout.block(finding, ZoneInfo("UTC"))
    assert "Also: qSOFA 2 of 3" in text
    assert "Also: Shock index 1.11" in text
    assert text.count("*Rule ") == 3
    assert finding.urgency is Urgency.ASAP


@pytest.mark.parametrize(("value", "alone"), [("5.9", True), ("6.0", False), ("6.4", False), ("7.1", False)])
def test_a_critical_potassium_and_the_advice_for_an_ecg_are_one_finding(value: str, alone: bool) -> None:
    found = heads(record(reading("potassium", value, flags=("HH",))))
    assert found == ({"critical-flag": []} if alone else {"red-flag-hyperkalaemia": ["critical-value"]})


def test_since_when_and_the_gaps_of_what_stands_inside_pass_on() -> None:
    repeated = record(reading("potassium", "6.4"), reading("potassium", "6.2", hours=9), born=None)
    finding = one(evaluate_record(pack(), repeated))
    (inside,) = finding.absorbed
    assert (finding.since, finding.missing) == (inside.since, inside.missing)
    assert finding.since is not None
    assert finding.summary == "potassium 6.4: consider a 12-lead ECG now"


@pytest.mark.parametrize(
    ("value", "severity"),
    [("5.9", None), ("6.0", Severity.WARNING), ("6.4", Severity.WARNING), ("6.5", Severity.CRITICAL)],
)
def test_in_kidney_failure_an_ecg_is_advised_from_6_0_and_critical_from_that_populations_limit(
    value: str, severity: Severity | None
) -> None:
    failure = [problem("Kidney failure", icd10="N18.6")]
    found = on_record("red-flag-hyperkalaemia", record(reading("potassium", value), problems=failure))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_critical_finding_never_stands_inside_a_lesser_one() -> None:
    failure = [problem("Kidney failure", icd10="N18.6")]
    found = heads(record(reading("potassium", "6.2", flags=("HH",)), problems=failure))
    assert found == {"critical-flag": [], "red-flag-hyperkalaemia": [], "kidney-function": []}


@pytest.mark.parametrize("shadowed", ["red-flag-hyperkalaemia", "critical-value"])
def test_a_rule_in_shadow_takes_in_nothing_that_is_shown_and_stands_inside_nothing(shadowed: str) -> None:
    using = pack().switched({shadowed: Switch.SHADOW})
    found = heads(record(reading("potassium", "6.4")), using)
    assert found == {"red-flag-hyperkalaemia": [], "critical-value": []}


def test_every_critical_finding_is_among_the_parts_whatever_stands_inside_what() -> None:
    subject = record(*vitals(**EIGHT), reading("potassium", "6.9"), reading("sodium", 110), reading("lactate", "4.4"))
    every: list[Finding] = [part for f in evaluate_record(pack(), subject) for part in f.parts]
    assert {f.rule.id for f in every} >= {"news2", "qsofa", "shock-index", "red-flag-hyperkalaemia", "critical-value"}
    assert sum(f.rule.id == "critical-value" for f in every) == 3


def test_how_bad_a_potassium_is_rises_with_it_and_is_not_the_value_that_is_kept_with_the_card() -> None:
    levels = ["6.0", "6.4", "6.5", "7.1", "13"]
    worse = [one(on_record("red-flag-hyperkalaemia", record(reading("potassium", v)))).worse for v in levels]
    assert worse == sorted(set(worse))
    assert [int(each) for each in worse] == [1, 1, 2, 2, 2]
