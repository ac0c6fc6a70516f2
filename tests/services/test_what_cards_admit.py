"""What was refused is named with its reason; lists that mix tiers say how many are critical."""

from __future__ import annotations

from cds_service.record.facts import Record, Refusal
from cds_service.rules.catalogue import Severity
from cds_service.services.not_seen import not_seen
from tests.record.resources import PATIENT, answered, built, observation
from tests.services.golden_cards import FOLDER


def record() -> Record:
    refused = [
        observation(value="6.9", unit="dollops", id="a"),
        observation(value=None, valueString="haemolysed, please repeat", id="b"),
    ]
    return built(answered("patient", "Patient", PATIENT), answered("labs", "Observation", *refused))


def test_a_refused_result_is_named_with_what_was_written_and_its_day() -> None:
    found = record()
    assert {r.refusal for r in found.refused} == {Refusal.UNKNOWN_UNIT, Refusal.NO_VALUE}
    line = next(each for each in not_seen(found) if "not used" in each)
    assert line.startswith("2 results were not used: ")
    assert "unknown unit (Potassium 6.9 dollops on " in line
    assert "no value (Potassium “haemolysed, please repeat” on " in line


def summary(page: str) -> str:
    text = (FOLDER / page).read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("## 1."))


def test_a_list_of_mixed_tiers_does_not_call_all_of_them_critical() -> None:
    said = summary("demo-sepsis.encounter-start.md")
    assert f"[{Severity.CRITICAL}] 4 findings, 2 critical: " in said
    assert f"[{Severity.CRITICAL}] 2 critical findings: " in summary("demo-sepsis.patient-view.md")


def test_a_report_that_is_not_final_says_so() -> None:
    page = (FOLDER / "demo-pneumonia.patient-view.md").read_text(encoding="utf-8")
    assert "Chest radiograph, posteroanterior, preliminary, 2026-11-20 08:10: Consolidation" in page


def test_a_hostile_entry_that_is_withheld_is_said_to_be_left_out() -> None:
    page = (FOLDER / "demo-dirty.patient-view.md").read_text(encoding="utf-8")
    assert "1 entry was left out" in page
    assert "onerror" not in page
