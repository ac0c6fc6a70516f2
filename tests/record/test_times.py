"""When a measurement was made: precision, zones, skew, and times no measurement can have (fault matrix rows 45 and 46)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cds_service.record import times
from cds_service.record.facts import Refusal
from tests.record.resources import NOW, chart, observation, only

SYDNEY = ZoneInfo("Australia/Sydney")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-20T08:10:00Z", "2026-11-20T08:10:00+00:00"),
        ("2026-11-20T08:10:00.123Z", "2026-11-20T08:10:00.123000+00:00"),
        ("2026-11-20T08:10:00+11:00", "2026-11-19T21:10:00+00:00"),
        ("2026-11-20T08:10Z", "2026-11-20T08:10:00+00:00"),
        ("2026-11-20 08:10:00Z", "2026-11-20T08:10:00+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
    ],
)
def test_a_time_with_a_day_dates_a_reading(written: str, moment: str) -> None:
    reading = only(observation(effectiveDateTime=written))
    assert reading.refusal is None
    assert reading.time == datetime.fromisoformat(moment)
    assert reading.time_text == written


def test_a_time_without_zone_is_read_in_the_site_s_zone_and_says_so() -> None:
    reading = only(observation(effectiveDateTime="2026-11-20T18:10:00"), zone=SYDNEY)
    assert reading.time == datetime(2026, 11, 20, 7, 10, tzinfo=UTC)
    assert "without zone" in reading.note


def test_a_day_stands_at_its_first_moment_in_the_site_s_zone() -> None:
    assert only(observation(effectiveDateTime="2026-11-20"), zone=SYDNEY).time == datetime(2026, 11, 19, 13, tzinfo=UTC)


def test_today_of_the_site_is_never_the_future() -> None:
    tomorrow_in_utc = "2026-11-21"
    now = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)  # 01:00 of the 21st in Sydney
    assert only(observation(effectiveDateTime=tomorrow_in_utc), zone=SYDNEY, now=now).refusal is None
    assert only(observation(effectiveDateTime=tomorrow_in_utc), now=now).refusal is Refusal.FUTURE


@pytest.mark.parametrize(("ahead", "refused"), [(300, False), (301, True)])
def test_five_minutes_of_clock_skew_are_allowed_and_no_more(ahead: int, refused: bool) -> None:
    written = (NOW + timedelta(seconds=ahead)).isoformat()
    assert (only(observation(effectiveDateTime=written)).refusal is Refusal.FUTURE) is refused


@pytest.mark.parametrize(
    ("written", "refusal"),
    [
        ("2031-01-01T00:00:00Z", Refusal.FUTURE),
        ("2027", Refusal.FUTURE),
        ("2026-12", Refusal.FUTURE),
        ("1899-12-31T23:59:59Z", Refusal.IMPLAUSIBLE_TIME),
        ("1899", Refusal.IMPLAUSIBLE_TIME),
        ("1900", Refusal.IMPLAUSIBLE_TIME),
        ("1900-01", Refusal.IMPLAUSIBLE_TIME),
        ("1900-01-01", Refusal.IMPLAUSIBLE_TIME),
        ("1900-01-01T00:00:00+14:00", Refusal.IMPLAUSIBLE_TIME),
        ("0001-01-01T00:00:00+14:00", Refusal.IMPLAUSIBLE_TIME),
        ("9999-12-31T23:59:59-14:00", Refusal.FUTURE),
        ("11/20/2026 08:10", Refusal.NO_TIME),
        ("20261120081000", Refusal.NO_TIME),
        ("2026-02-30", Refusal.NO_TIME),
        ("2026-13", Refusal.NO_TIME),
        ("2026-W47-5", Refusal.NO_TIME),
        ("yesterday", Refusal.NO_TIME),
        ("", Refusal.NO_TIME),
        ("x" * 5000, Refusal.NO_TIME),
    ],
)
def test_an_impossible_time_is_refused_and_kept_as_written(written: str, refusal: Refusal) -> None:
    reading = only(observation(effectiveDateTime=written))
    assert reading.refusal is refusal
    assert len(reading.time_text) <= 40


@pytest.mark.parametrize("written", ["2026-11", "2026", "2019"])
def test_a_month_or_a_year_is_kept_and_is_never_the_latest(written: str) -> None:
    record = chart(observation(effectiveDateTime=written))
    assert record.latest("potassium") is None
    (reading,) = record.readings["potassium"]
    assert (reading.time, reading.time_text, reading.refusal) == (None, written, None)


def test_an_undated_reading_stands_behind_every_dated_one() -> None:
    record = chart(
        observation(id="a", effectiveDateTime="2026"), observation(id="b", value="5.0", effectiveDateTime="2020-01-01")
    )
    assert [r.reference for r in record.readings["potassium"]] == ["Observation/b", "Observation/a"]


def test_a_period_counts_from_its_end_unless_that_lies_ahead() -> None:
    ended = {"start": "2026-11-18T08:00:00Z", "end": "2026-11-19T08:00:00Z"}
    running = {"start": "2026-11-20T08:00:00Z", "end": "2026-11-21T08:00:00Z"}
    assert only(observation(effectiveDateTime=None, effectivePeriod=ended)).time_text == ended["end"]
    assert only(observation(effectiveDateTime=None, effectivePeriod=running)).time_text == running["start"]


def test_instant_and_timing_are_times_too() -> None:
    written = "2026-11-20T08:10:00Z"
    assert only(observation(effectiveDateTime=None, effectiveInstant=written)).time_text == written
    events = {"event": ["2026-11-19T08:10:00Z", written]}
    assert only(observation(effectiveDateTime=None, effectiveTiming=events)).time_text == written


def test_the_time_of_issue_is_a_last_resort_and_said() -> None:
    reading = only(observation(effectiveDateTime=None, issued="2026-11-20T08:10:00Z"))
    assert reading.refusal is None
    assert "time of issue" in reading.note


def test_an_unreadable_time_is_not_replaced_by_the_time_of_issue() -> None:
    reading = only(observation(effectiveDateTime=["x"], issued="2026-11-20T08:10:00Z"))
    assert reading.refusal is Refusal.NO_TIME


def test_fresh_is_what_the_caller_says_it_is() -> None:
    record = chart(observation(effectiveDateTime="2026-11-20T08:00:00Z"))
    assert record.latest("potassium", timedelta(hours=4)) is not None
    assert record.latest("potassium", timedelta(hours=3, minutes=59)) is None


def test_a_moment_is_the_same_object_of_utc_whatever_the_zone() -> None:
    assert times.parse("2026-11-20T08:10:00+11:00", UTC).time == times.parse("2026-11-19T21:10:00Z", UTC).time
