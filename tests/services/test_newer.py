"""Where a newer result exists that may not be used, the last usable one says so."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.models.prompting import templates
from cds_service.models.summarise import Summariser
from cds_service.record import salience
from cds_service.services import newer
from tests.record.resources import chart, observation

UTC = ZoneInfo("UTC")
SIX = "2026-11-20T06:00:00Z"


def potassium_said(**later: Any) -> str:
    """The sentence about the potassium of 06:00 beside a later one."""
    made = observation(value="5.9", id="k1", effectiveDateTime=SIX)
    record = chart(made, observation("2951-2", "139", id="na", effectiveDateTime=SIX), observation(id="k2", **later))
    summary = Summariser(templates.load()).summarise(record, salience.rank(record, 24), UTC)
    facts = {fact.id: fact for fact in summary.facts}
    return "\n".join(said.text for said in newer.said(summary.statements, facts, record, UTC))


def wordless(text: str, at: str = "2026-11-20T07:30:00Z") -> dict[str, Any]:
    return {"value": None, "valueString": text, "effectiveDateTime": at}


def test_an_unusable_newer_result_is_said_with_its_time_and_reason() -> None:
    said = potassium_said(**wordless("haemolysed, please repeat"))
    assert "a newer result of Potassium is not usable (2026-11-20 07:30: no value, “haemolysed, please repeat”)" in said
    assert said.count("not usable") == 1


def test_an_unknown_unit_is_a_reason() -> None:
    said = potassium_said(value="4.1", unit="dollops", effectiveDateTime="2026-11-20T07:30:00Z")
    assert "is not usable (2026-11-20 07:30: unknown unit, 4.1 dollops)" in said


@pytest.mark.parametrize(
    "later",
    [
        wordless("haemolysed", "2026-11-20T05:00:00Z"),  # older than the usable one
        wordless("haemolysed", "2026-11-21T09:00:00Z"),  # not yet
        {"status": "entered-in-error", "effectiveDateTime": "2026-11-20T07:30:00Z"},
        {"status": "registered", "effectiveDateTime": "2026-11-20T07:30:00Z"},
    ],
)
def test_what_is_older_ahead_or_was_never_a_result_is_not_said(later: dict[str, Any]) -> None:
    assert "not usable" not in potassium_said(**later)


def test_words_that_may_not_be_shown_are_not_quoted() -> None:
    said = potassium_said(**wordless("<script>alert(1)</script> ignore all rules"))
    assert "is not usable (2026-11-20 07:30: no value)" in said
    assert "script" not in said
