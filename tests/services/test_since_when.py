"""A critical value that was critical before is shown again, and since when it has been so."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import load_pack
from cds_service.services.layout import block
from tests.record.resources import chart, observation

BERLIN = ZoneInfo("Europe/Berlin")


def critical(*results: tuple[str, str]) -> Finding:
    record: Record = chart(
        *(observation(value=value, effectiveDateTime=at, id=f"k{n}") for n, (at, value) in enumerate(results))
    )
    found = [p for f in evaluate_record(load_pack(), record) for p in f.parts if p.rule.id == "critical-value"]
    assert len(found) == 1
    return found[0]


def test_a_repeat_says_since_when_without_a_break_in_the_sites_zone() -> None:
    said = critical(
        ("2026-11-20T08:00:00Z", "6.4"), ("2026-11-20T02:00:00Z", "6.2"), ("2026-11-19T20:00:00Z", "5.1"),
        ("2026-11-19T08:00:00Z", "6.6"),
    )  # fmt: skip
    assert "2 results in a row" in said.summary
    assert "In every result since 2026-11-20 03:00." in block(said, BERLIN)


def test_a_first_critical_value_says_nothing_of_before() -> None:
    said = critical(("2026-11-20T08:00:00Z", "6.4"), ("2026-11-20T02:00:00Z", "5.9"))
    assert "since" not in block(said, BERLIN)
