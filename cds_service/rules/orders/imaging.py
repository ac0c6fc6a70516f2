"""An imaging order that repeats another: same modality, region and side within a site's window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cds_service.record.facts import Event, Fact, Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.imaging import Study
from cds_service.rules.logic import Given, conclude, order_logic
from cds_service.rules.situation import Situation

NOT_DONE = frozenset(
    ("cancelled", "revoked", "entered-in-error", "unknown", "not-done", "draft", "stopped", "inactive")
)


class Windows(Given, frozen=True):
    """Hours, by DICOM modality; ``default`` for the rest."""

    hours: dict[str, int]

    def __post_init__(self) -> None:
        if "default" not in self.hours or min(self.hours.values()) <= 0:
            raise ValueError("hours needs a default, and positive numbers")

    def of(self, study: Study) -> timedelta:
        """The longest window of the study's modalities."""
        return timedelta(hours=max(self.hours.get(m, self.hours["default"]) for m in study.modalities))


@order_logic("duplicate-imaging", Windows, found="study earlier how ago", draft="study earlier")
def duplicate_imaging(rule: Rule, given: Windows, situation: Situation, order: Order) -> Iterator[Finding]:
    """Placed, done or drafted already. Reported once an order, against the newest."""
    study = situation.study(order)
    if order.resource_type != "ServiceRequest" or not study.modalities or not study.regions:
        return
    window = given.of(study)
    earlier = _earlier(situation, order, study, window)
    if earlier is not None:
        yield _finding(
            rule, "found", order, earlier, {"how": _how(earlier), "ago": _ago(situation.record.now, earlier)}
        )
        return
    for other in situation.record.orders:
        if other.do_not_perform or not situation.owns(order, other):
            continue
        if other.resource_type == "ServiceRequest" and study.same_region(situation.study(other)):
            yield _finding(rule, "draft", order, other, {})
            return


def _earlier(situation: Situation, order: Order, study: Study, window: timedelta) -> Event | None:
    record = situation.record
    found: list[Event] = []
    for events in (record.imaging, record.requests, record.reports, record.procedures):
        for event in events:
            if event.time is None or event.status in NOT_DONE or event.reference == order.reference:
                continue
            if abs(record.now - event.time) > window:
                continue
            if study.same_region(situation.tables.imaging.event(event)):
                found.append(event)
                break
    return max(found, key=lambda event: (event.time, event.reference)) if found else None


def _how(event: Event) -> str:
    return {
        "ImagingStudy": "was done",
        "DiagnosticReport": "was reported",
        "Procedure": "was done",
        "ServiceRequest": "is ordered" if event.status in ("active", "on-hold") else "was ordered",
    }.get(event.resource_type, "stands in the record")


def _ago(now: datetime, event: Event) -> str:
    """'50 minutes ago', '3 hours ago', '2 days ago'; a planned one lies ahead."""
    if event.time is None or event.time > now:
        return "for a time ahead"
    minutes = int((now - event.time).total_seconds() // 60)
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        count = minutes // size
        if count >= (2 if size > 1 else 0):
            return f"{count} {word}{'' if count == 1 else 's'} ago"
    return "now"


def _finding(rule: Rule, text: str, order: Order, other: Fact, more: dict[str, str]) -> Finding:
    return conclude(
        rule,
        text,
        {"study": order.label, "earlier": other.label, **more},
        key=f"{order.label}:{other.reference or other.label}",
        facts=(order, other),
        order=order,
    )


CHECKS = (duplicate_imaging,)
