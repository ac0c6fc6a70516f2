"""Spans of time and ages said in words: "3 days ago", "over 48 hours", "72-year-old". Floor and nearest both count as right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence, moments

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629746, "year": 31556952}
_PARTS = {"morning": range(4, 12), "afternoon": range(12, 18), "evening": range(17, 24)}
_FLEETING = frozenset({"minute", "hour", "day"})


def span_holds(text: str, unit: str, ago: bool, cited: Sequence[Evidence], desk: Desk) -> bool:
    """A span equals the age of a cited fact, the time between two of them, or stands in a fact's own words."""
    if any((text, f"#{unit}") in each.quantities for evidence in cited for each in evidence.sources):
        return True
    if desk.lasting and ago and unit in _FLEETING:
        return False
    times = [moment for evidence in cited for moment, _ in moments(evidence.fact)]
    spans = [abs(desk.now - moment) for moment in times] if desk.now is not None else []
    if not ago:
        spans += [abs(a - b) for a in times for b in times if a is not b]
    return any(_fits(text, span, unit) for span in spans) or (unit == "day" and _calendar(text, times, ago, desk))


def _fits(text: str, span: timedelta, unit: str) -> bool:
    try:
        said = Decimal(text)
    except InvalidOperation:
        return False
    exact = Decimal(span.total_seconds()) / _SECONDS[unit]
    return said in (exact.to_integral_value("ROUND_FLOOR"), exact.to_integral_value("ROUND_HALF_EVEN")) and said > 0


def _calendar(text: str, times: Sequence[datetime], ago: bool, desk: Desk) -> bool:
    """Days are also counted by the calendar of the site."""
    days = [moment.astimezone(desk.zone).date() for moment in times]
    others = [desk.now.astimezone(desk.zone).date()] if desk.now is not None else []
    if not ago:
        others += days
    return any(text == str(abs((a - b).days)) for a in days for b in others if a != b)


def age_holds(text: str, unit: str, desk: Desk) -> bool:
    """An age is the patient's at the record's clock."""
    if desk.person is None or desk.now is None:
        return False
    years, months = desk.person.age(desk.now), desk.person.age_months(desk.now)
    if unit == "year":
        return years is not None and text == str(years)
    if months is None or desk.person.birth_date is None:
        return False
    days = (desk.now.astimezone(desk.zone).date() - desk.person.birth_date).days
    return text == str({"month": months, "week": days // 7, "day": days}.get(unit, -1))


def recent(days: int, cited: Sequence[Evidence], desk: Desk, part: str = "") -> bool:
    """ "today", "new", "recent": some cited fact is that young at the record's clock (calendar days of the site)."""
    if desk.now is None or (desk.lasting and days <= 1):
        return False
    today = desk.now.astimezone(desk.zone).date()
    local = [moment.astimezone(desk.zone) for each in cited for moment, _ in moments(each.fact)]
    if part in _PARTS:
        local = [moment for moment in local if moment.hour in _PARTS[part]]
    ages = [(today - moment.date()).days for moment in local]
    return any(0 <= age <= days if days > 1 else age == days for age in ages)


def previous(span: str, cited: Sequence[Evidence], desk: Desk) -> bool:
    """ "last week", "last month": some cited fact is of the calendar week, month or year before the present one."""
    if desk.now is None or desk.lasting:
        return False
    return any(
        _periods(desk.now.astimezone(desk.zone), span) - _periods(moment.astimezone(desk.zone), span) == 1
        for each in cited
        for moment, _ in moments(each.fact)
    )


def _periods(moment: datetime, span: str) -> int:
    """Weeks (from Monday), months or years since the beginning of the calendar."""
    if span == "week":
        return (moment.toordinal() - 1) // 7
    return moment.year * 12 + moment.month if span == "month" else moment.year
