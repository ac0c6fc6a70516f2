"""One result for each measurement: corrections, copies, differing results of one moment (fault matrix row 49)."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

from cds_service.record.facts import Record, Refusal
from tests.record.resources import chart, concept, observation


def values(record: Record, key: str = "potassium") -> list[str]:
    return [str(r.value) for r in record.readings.get(key, ())]


def test_the_newest_reading_stands_first_whatever_came_first() -> None:
    made = [observation(id=f"k{d}", value=f"4.{d}", effectiveDateTime=f"2026-11-1{d}T08:00:00Z") for d in range(5)]
    for order in permutations(made):
        assert values(chart(*order)) == ["4.4", "4.3", "4.2", "4.1", "4.0"]


def test_a_corrected_result_replaces_the_one_of_the_same_moment() -> None:
    record = chart(observation(id="a", value="8.1"), observation(id="b", value="4.1", status="corrected"))
    assert values(record) == ["4.1"]
    (old,) = record.refused
    assert (old.reference, old.refusal) == ("Observation/a", Refusal.SUPERSEDED)
    assert "Observation/b" in old.note


def test_a_final_result_replaces_the_preliminary_one_of_the_same_moment() -> None:
    record = chart(observation(id="a", value="8.1", status="preliminary"), observation(id="b", value="4.1"))
    assert values(record) == ["4.1"]


def test_a_preliminary_result_alone_is_shown_as_preliminary() -> None:
    (reading,) = chart(observation(status="preliminary")).readings["potassium"]
    assert reading.status == "preliminary"


def test_a_corrected_result_with_the_same_identifier_replaces_one_of_another_time() -> None:
    number: dict[str, Any] = {"identifier": [{"system": "urn:lab", "value": "77"}]}
    record = chart(
        observation(id="a", value="8.1", effectiveDateTime="2026-11-20T08:00:00Z", **number),
        observation(id="b", value="4.1", status="corrected", effectiveDateTime="2026-11-20T08:05:00Z", **number),
    )
    assert values(record) == ["4.1"]
    assert [r.reference for r in record.refused] == ["Observation/a"]


def test_a_series_under_one_accession_number_is_not_one_result() -> None:
    number: dict[str, Any] = {"identifier": [{"system": "urn:lab", "value": "77"}]}
    times = ("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z")
    statuses = ("final", "final", "corrected")
    made = [
        observation("2345-7", f"{100 + i}", "mg/dL", id=f"g{i}", effectiveDateTime=t, status=s, **number)
        for i, (t, s) in enumerate(zip(times, statuses, strict=True))
    ]
    assert values(chart(*made), "glucose") == ["102", "101", "100"]


def test_the_same_identifier_of_another_test_is_another_result() -> None:
    number: dict[str, Any] = {"identifier": [{"system": "urn:lab", "value": "77"}]}
    record = chart(observation(id="a", **number), observation("2951-2", "140", id="b", status="corrected", **number))
    assert set(record.readings) == {"potassium", "sodium"}


def test_a_copy_is_shown_once_and_both_ids_are_kept() -> None:
    record = chart(observation(id="a"), observation(id="b"))
    assert [r.reference for r in record.readings["potassium"]] == ["Observation/a"]
    assert [(r.reference, r.refusal) for r in record.refused] == [("Observation/b", Refusal.SUPERSEDED)]
    assert "Observation/a" in record.refused[0].note


def test_two_different_results_of_one_moment_both_stand_and_say_so() -> None:
    record = chart(observation(id="a", value="4.1"), observation(id="b", value="6.1"))
    assert values(record) == ["4.1", "6.1"]
    assert all("another result at the same time" in r.note for r in record.readings["potassium"])


def test_an_error_never_replaces_anything() -> None:
    record = chart(observation(id="a"), observation(id="b", value="9.9", status="entered-in-error"))
    assert values(record) == ["4.1"]
    assert record.refused[0].refusal is Refusal.ENTERED_IN_ERROR


def test_unknown_observations_are_settled_code_by_code() -> None:
    other = {"code": concept("9999-1", display="Something")}
    record = chart({**observation(id="a"), **other}, {**observation(id="b"), **other})
    assert len(record.others) == 1
    assert [r.refusal for r in record.refused] == [Refusal.SUPERSEDED]


def test_the_same_resource_on_two_pages_is_one_and_its_newer_version_counts() -> None:
    old = observation(value="9.9", meta={"versionId": "1", "lastUpdated": "2026-11-20T08:00:00Z"})
    new = observation(value="4.1", meta={"versionId": "2", "lastUpdated": "2026-11-20T09:00:00Z"})
    for order in ((old, new), (new, old)):
        record = chart(*order)
        assert values(record) == ["4.1"]
        assert not record.refused


def test_of_two_copies_without_a_version_the_error_counts() -> None:
    for order in permutations((observation(), observation(status="entered-in-error"))):
        assert chart(*order).latest("potassium") is None


def test_readings_without_an_id_are_all_kept() -> None:
    made = [observation(id=None, value=f"4.{i}", effectiveDateTime=f"2026-11-1{i}T08:00:00Z") for i in range(3)]
    record = chart(*made)
    assert values(record) == ["4.2", "4.1", "4.0"]
    assert {r.reference for r in record.readings["potassium"]} == {"Observation (no id)"}


def test_bounds_and_values_of_one_moment_are_different_results() -> None:
    bound = observation(id="b", value=None, valueQuantity={"value": 4.1, "unit": "mmol/L", "comparator": ">"})
    record = chart(observation(id="a"), bound)
    assert [(r.comparator, r.value) for r in record.readings["potassium"]] == [
        ("", Decimal("4.1")),
        (">", Decimal("4.1")),
    ]
