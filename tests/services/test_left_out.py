"""A summary says how much of the record it states, and of what kind the rest is."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

from cds_service.models.prompting import templates
from cds_service.models.summarise import Summariser
from cds_service.record import salience
from cds_service.services.patient_summary import left_out
from tests.record.resources import chart, observation

RESULTS = [
    observation(code, value, unit, id=f"{code}-{day}", effectiveDateTime=f"2026-11-{day:02}T08:00:00Z")
    for day in range(10, 20)
    for code, value, unit in (("2823-3", f"4.{day - 10}", "mmol/L"), ("8867-4", f"{60 + day}", "/min"))
]


def line(budget: int) -> tuple[str, Counter[str]]:
    record = chart(*RESULTS)
    selection = salience.rank(record, budget)
    summary = Summariser(templates.load()).summarise(record, selection, ZoneInfo("UTC"))
    return left_out(selection, summary), Counter(salience.kind_of(fact) for fact in record.facts())


def test_what_is_not_stated_is_counted_by_kind_and_nothing_is_lost_from_the_sum() -> None:
    said, kinds = line(2)
    assert kinds == {"laboratory results": 10, "vital signs": 10}
    assert said == "2 of the 20 facts read are stated; left out: vital signs (9), laboratory results (9)."


def test_facts_offered_but_not_worded_count_as_left_out() -> None:
    record = chart(*RESULTS)
    selection = salience.rank(record, 24)
    summary = Summariser(templates.load()).summarise(record, selection, ZoneInfo("UTC"))
    summary.statements.clear()
    assert left_out(selection, summary).startswith("0 of the 20 facts read are stated; left out: ")


def test_a_summary_that_states_everything_has_no_such_line() -> None:
    record = chart(observation())
    selection = salience.rank(record, 24)
    assert left_out(selection, Summariser(templates.load()).summarise(record, selection, ZoneInfo("UTC"))) == ""
