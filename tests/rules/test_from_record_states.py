"""Pregnancy from the record: evidence, its age, what ends it, and where it does not apply."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from feeding_records import NOW, born, problem, procedure, reading, record

from cds_service.record.facts import Fact, Record
from cds_service.rules.from_record import pregnancy_state

AGE = born(30)


def woman(*readings: object, **more: object) -> Record:
    return record(*readings, sex="female", born=AGE, **more)  # type: ignore[arg-type]


def status(text: str, *, days: float = 1) -> object:
    return reading("pregnancy_status", text=text, days=days)


def due(day: date, *, days: float = 30) -> object:
    return reading("estimated_delivery_date", text=day.isoformat(), days=days)


def test_silence_is_unknown_for_a_woman_of_child_bearing_age_and_never_an_inference() -> None:
    state = pregnancy_state(woman())
    assert (state.state, state.facts) == ("unknown", ())
    assert state.text == "pregnancy status not recorded"


@pytest.mark.parametrize(
    ("sex", "age", "expected"),
    [
        ("male", 30, "not-applicable"),
        ("female", 9, "not-applicable"),
        ("female", 10, "unknown"),
        ("female", 55, "unknown"),
        ("female", 56.5, "not-applicable"),
        ("other", 30, "unknown"),
        ("", 30, "unknown"),
        ("", 70, "not-applicable"),
    ],
)
def test_row_51_where_an_unrecorded_pregnancy_is_possible(sex: str, age: float, expected: str) -> None:
    assert pregnancy_state(record(sex=sex, born=born(age))).state == expected


def test_without_a_birth_date_it_is_unknown() -> None:
    assert pregnancy_state(record(sex="female", born=None)).state == "unknown"


@pytest.mark.parametrize(
    "source",
    [
        woman(status("pregnant")),
        woman(reading("pregnancy_test", text="positive", days=20)),
        woman(due(NOW.date() + timedelta(days=100))),
        woman(due(NOW.date() - timedelta(days=14))),
        woman(reading("gestational_age", 20, days=30)),
        woman(problems=[problem(snomed="72892002")]),
        woman(problems=[problem(icd10="O26.892")]),
        woman(problems=[problem(icd10="Z34.01")]),
        woman(problems=[problem("Twin pregnancy, second trimester")]),
        woman(problems=[problem("Pregnancy", days=None)]),
        record(sex="male", born=AGE, problems=[problem(snomed="77386006")]),
    ],
)
def test_recorded_evidence_makes_it_pregnant_and_is_cited(source: Record) -> None:
    state = pregnancy_state(source)
    assert state.state == "pregnant"
    assert all(isinstance(fact, Fact) for fact in state.facts)
    assert state.facts


@pytest.mark.parametrize(
    "source",
    [
        woman(status("pregnant", days=302)),
        woman(due(NOW.date() - timedelta(days=15))),
        woman(due(NOW.date() + timedelta(days=302))),
        woman(reading("estimated_delivery_date", text="in spring")),
        woman(reading("gestational_age", 20, days=170)),
        woman(problems=[problem(snomed="77386006", days=302)]),
        woman(problems=[problem(snomed="77386006", active=False)]),
        woman(problems=[problem(snomed="77386006", negated=True)]),
        woman(problems=[problem("Pregnancy test done")]),
        woman(problems=[problem("History of pregnancy loss")]),
        woman(problems=[problem("Pregnancy-like symptoms coded as gout", snomed="90560007")]),
    ],
)
def test_old_ended_refuted_or_unrelated_entries_are_no_evidence(source: Record) -> None:
    assert pregnancy_state(source).state == "unknown"


def test_a_delivery_or_a_later_negative_statement_ends_the_evidence() -> None:
    pregnancy = problem(snomed="77386006", days=200)
    delivered = woman(problems=[pregnancy], procedures=[procedure(snomed="11466000", days=5)])
    assert pregnancy_state(delivered).state == "unknown"
    denied = woman(status("not pregnant", days=3), problems=[pregnancy])
    assert pregnancy_state(denied).state == "not-pregnant"
    again = woman(status("pregnant", days=1), status("not pregnant", days=3))
    assert pregnancy_state(again).state == "pregnant"
    not_done = woman(problems=[pregnancy], procedures=[procedure(snomed="11466000", days=5, status="not-done")])
    assert pregnancy_state(not_done).state == "pregnant"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status("not pregnant", days=28), "not-pregnant"),
        (status("not pregnant", days=29), "unknown"),
        (reading("pregnancy_test", text="negative", days=7), "not-pregnant"),
        (reading("pregnancy_test", text="negative", days=8), "unknown"),
        (status("possibly pregnant"), "unknown"),
        (status("unknown"), "unknown"),
    ],
)
def test_an_answer_holds_for_a_while(answer: object, expected: str) -> None:
    assert pregnancy_state(woman(answer)).state == expected


def test_a_possible_pregnancy_after_a_negative_test_stays_open() -> None:
    state = pregnancy_state(
        woman(reading("pregnancy_test", text="negative", days=3), status("possibly pregnant", days=1))
    )
    assert state.state == "unknown"
    assert state.text == "pregnancy possible, not confirmed"


def test_a_newborn_s_gestational_age_is_its_mother_s_fact() -> None:
    newborn = record(reading("gestational_age", 39, days=1), sex="female", born=born(days=2))
    assert pregnancy_state(newborn).state == "not-applicable"
