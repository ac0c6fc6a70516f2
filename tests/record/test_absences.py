"""What the record cannot say, and why (fault matrix rows 5 and 13 on the record's side)."""

from __future__ import annotations

import pytest

from cds_service.record.facts import Absence, Reason
from tests.record.resources import PATIENT, Answered, answered, built, observation, resource


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("none found", Reason.NONE_FOUND), ("none reported", Reason.NONE_FOUND), ("not asked", Reason.NOT_ASKED),
        ("not permitted", Reason.NOT_PERMITTED), ("not offered", Reason.NOT_OFFERED), ("failed", Reason.FAILED), ("timed out", Reason.FAILED),
        ("gone", Reason.FAILED), ("unreadable", Reason.UNREADABLE), ("something new", Reason.FAILED),
    ],
)  # fmt: skip
def test_every_state_that_is_not_present_is_an_absence_with_its_reason(state: str, reason: Reason) -> None:
    record = built(Answered("allergies", "AllergyIntolerance", state))
    absence = record.absence("AllergyIntolerance")
    assert absence is not None
    assert absence.reason is reason
    assert record.looked_for("AllergyIntolerance") is (reason is Reason.NONE_FOUND)


def test_a_client_that_reports_none_is_told_from_a_search_that_found_none() -> None:
    reported, searched = (
        built(Answered("a", "Condition", s)).absence("Condition") for s in ("none reported", "none found")
    )
    assert reported != searched


def test_what_was_expected_and_never_asked_is_said() -> None:
    record = built(answered("patient", "Patient", PATIENT), expected=["Patient", "Condition"])
    assert record.absences == [Absence("Condition", Reason.NOT_ASKED)]


def test_a_type_that_came_under_another_key_was_asked() -> None:
    record = built(answered("everything", "Patient", PATIENT, observation()), expected=["Observation"])
    assert record.absences == []


def test_one_failed_part_is_said_though_another_part_came() -> None:
    record = built(
        answered("vital-signs", "Observation", observation("8867-4", "80", "/min")),
        Answered("laboratory", "Observation", "not permitted", detail="scope"),
        Answered("status", "Observation", "none found"),
    )
    assert record.absences == [Absence("Observation", Reason.NOT_PERMITTED, "laboratory, scope", "laboratory")]
    assert not record.looked_for("Observation")


def test_what_came_and_could_not_be_read_at_all_is_unreadable() -> None:
    record = built(answered("conditions", "Condition", {"resourceType": 7}))
    assert record.absences == [Absence("Condition", Reason.UNREADABLE, "conditions: no resourceType", "conditions")]
    assert record.faults == {"no resourceType": 1}


def test_an_error_a_server_reports_beside_its_entries_makes_the_list_doubtful() -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "timeout", "diagnostics": "x"}],
    }
    record = built(answered("labs", "Observation", observation(), outcome))
    assert record.absences == [Absence("Observation", Reason.FAILED, "labs: server reports timeout", "labs")]
    warning = outcome | {"issue": [{"severity": "warning", "code": "incomplete"}]}
    assert built(answered("labs", "Observation", observation(), warning)).absences == []


def test_what_gather_cut_is_said() -> None:
    record = built(answered("labs", "Observation", observation(), truncated="only the first 10 pages"))
    assert record.truncated == ["labs: only the first 10 pages"]


def test_nothing_at_all_is_still_a_record() -> None:
    record = built(expected=["Observation", "Condition"])
    assert record.person.reference == "Patient/p1"
    assert list(record.facts()) == []
    assert {a.what for a in record.absences} == {"Observation", "Condition"}


def test_types_without_a_reader_are_no_fault() -> None:
    assert not built(answered("x", "Claim", resource("Claim"))).faults


def test_other_resources_in_the_place_of_those_asked_for_are_no_answer() -> None:
    for kind in ("List", "Medication"):
        record = built(answered("allergies", "AllergyIntolerance", resource(kind, code={"text": "aspirin"})))
        said = Absence("AllergyIntolerance", Reason.UNREADABLE, f"allergies: {kind} in its place", "allergies")
        assert record.absences == [said]
        assert not record.looked_for("AllergyIntolerance")


def test_a_list_that_lost_a_resource_of_another_patient_was_not_seen() -> None:
    own = resource("AllergyIntolerance", code={"text": "latex"})
    strange = own | {"id": "x", "patient": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}}
    record = built(answered("allergies", "AllergyIntolerance", own, strange))
    assert [allergy.reference for allergy in record.allergies] == ["AllergyIntolerance/allergyintolerance"]
    assert record.absences == [Absence("AllergyIntolerance", Reason.STRANGE, "1 left out")]
    assert not record.looked_for("AllergyIntolerance")
