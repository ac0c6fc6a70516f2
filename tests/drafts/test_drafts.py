"""A draft from a read to the simulator's record: decided by a person, written once, kept when the record fails."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import msgspec
import pytest

from cds_service.drafts import report_text
from cds_service.drafts.draft import Accept, Edit, Reject
from cds_service.drafts.drafts import DraftMoved, NotDecidable, UnknownDraft
from cds_service.web.simulator.misbehaviour import Rule
from tests.drafts.house import PERSON, WHERE, House
from tests.drafts.reads import STUDY, read


async def test_a_draft_waits_and_nothing_is_written_before_a_person_accepts(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    assert (draft.state, draft.filed, draft.version) == ("waiting", "", 1)
    assert house.reports(draft.identifier) == []
    assert draft.resource("DiagnosticReport")["status"] == "partial"
    assert (await house.drafts.put(read(), **WHERE)).id == draft.id
    assert (await house.drafts.of_study("t", STUDY)) == draft
    assert await house.drafts.of_study("other", STUDY) is None


def stored_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("d.sqlite3*"))


async def test_what_is_stored_holds_nothing_of_the_patient_in_the_clear(house: House, tmp_path: Path) -> None:
    await house.drafts.put(read(), **WHERE)
    await house.gateway.close()
    stored = stored_bytes(tmp_path)
    assert all(word not in stored for word in (b"demo-pneumonia", STUDY.encode(), b"Consolidation"))


async def test_accepting_writes_one_preliminary_report_with_its_provenance(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    accepted = await house.drafts.decide(draft.id, Accept(version=1), PERSON)
    assert (accepted.fault, accepted.state, accepted.filed) == ("", "accepted", "preliminary")
    (report,) = house.reports(draft.identifier)
    assert report["status"] == "preliminary"
    assert {label["code"] for label in report["meta"]["security"]} == {"AIAST", "PROCESSINLINELABEL"}
    text = base64.b64decode(report["presentedForm"][0]["data"]).decode()
    assert "TEST WEIGHTS" in text
    assert "- Consolidation: suggested (right lower zone)" in text
    assert "- Pleural effusion: not seen" in text
    assert "Reviewed by: Practitioner/demo-practitioner, " in text
    assert base64.b64decode(report["presentedForm"][1]["data"]).startswith(b"%PDF")
    (origin,) = house.provenances(accepted.report)
    assert [agent["type"]["coding"][0]["code"] for agent in origin["agent"]] == ["author", "verifier"]


async def test_accepting_again_and_at_once_makes_nothing_twice(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    first = await asyncio.gather(*(house.drafts.decide(draft.id, Accept(), PERSON) for _ in range(4)))
    assert {each.report for each in first} == {first[0].report}
    assert len(house.reports(draft.identifier)) == 1
    assert len(house.provenances(first[0].report)) == 1


async def test_replicas_that_accept_at_once_write_one_report(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    answers = await asyncio.gather(
        *(house.make().decide(draft.id, Accept(), PERSON) for _ in range(4)), return_exceptions=True
    )
    assert any(not isinstance(answer, BaseException) for answer in answers)
    assert all(isinstance(answer, DraftMoved) for answer in answers if isinstance(answer, BaseException))
    (report,) = house.reports(draft.identifier)
    assert len(house.provenances(f"DiagnosticReport/{report['id']}")) == 1


async def test_an_edit_puts_the_persons_words_in_the_conclusion(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    edited = await house.drafts.decide(draft.id, Edit(conclusion="No acute change."), PERSON)
    assert edited.filed == "preliminary"
    (report,) = house.reports(draft.identifier)
    assert report["conclusion"] == "No acute change."
    text = base64.b64decode(report["presentedForm"][0]["data"]).decode()
    assert text.startswith("WORDED BY A CLINICIAN OVER AN AI DRAFT, NOT SIGNED.")
    assert "No acute change." in text
    assert "onsolidation" not in text


async def test_the_drafts_own_words_are_not_taken_for_a_persons(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    drafted = report_text.conclusion(draft.read)
    with pytest.raises(NotDecidable, match="accept it as drafted"):
        await house.drafts.decide(draft.id, Edit(conclusion=f" {drafted}\r\n"), PERSON)
    assert house.reports(draft.identifier) == []


async def test_rejecting_an_unwritten_draft_writes_nothing(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    rejected = await house.drafts.decide(draft.id, Reject(reason="wrong side"), PERSON)
    assert (rejected.state, rejected.filed, rejected.fault) == ("rejected", "", "")
    assert house.reports(draft.identifier) == []
    with pytest.raises(NotDecidable):
        await house.drafts.decide(draft.id, Accept(), PERSON)


async def test_rejecting_a_written_draft_makes_it_entered_in_error(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    await house.drafts.decide(draft.id, Accept(), PERSON)
    rejected = await house.drafts.decide(draft.id, Reject(), PERSON)
    assert (rejected.filed, rejected.fault) == ("entered-in-error", "")
    assert [report["status"] for report in house.reports(draft.identifier)] == ["entered-in-error"]


async def test_a_site_may_file_partial_drafts_that_acceptance_moves_on(house: House) -> None:
    drafts = house.make(file_unreviewed=True)
    draft = await drafts.put(read(), **WHERE)
    assert (draft.state, draft.filed) == ("waiting", "partial")
    assert (await drafts.put(read(), **WHERE)).version == draft.version
    accepted = await drafts.decide(draft.id, Accept(), PERSON)
    assert (accepted.filed, accepted.fault) == ("preliminary", "")
    assert len(house.reports(draft.identifier)) == 1


@pytest.mark.parametrize("fault", ["server-error", "html", "html-error", "throttled", "unavailable"])
async def test_a_record_that_fails_leaves_the_draft_and_says_so(house: House, fault: str) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    house.record.misbehaviour.set(Rule(fault))
    failed = await house.drafts.decide(draft.id, Accept(), PERSON)
    assert failed.state == "accepted"
    assert failed.filed == ""
    assert "draft is kept" in failed.fault
    assert not failed.settled
    assert house.reports(draft.identifier) == []


async def test_trying_again_after_a_failure_finishes_it(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    house.record.misbehaviour.set(Rule("html"))
    assert (await house.drafts.decide(draft.id, Accept(), PERSON)).fault
    house.record.misbehaviour.clear()
    assert (await house.drafts.decide(draft.id, Accept(), PERSON)).settled
    assert len(house.reports(draft.identifier)) == 1


async def test_a_report_signed_in_the_record_is_left_alone(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    await house.drafts.decide(draft.id, Accept(), PERSON)
    (report,) = house.reports(draft.identifier)
    house.record.put("DiagnosticReport", report["id"], msgspec.json.encode({**report, "status": "final"}))
    rejected = await house.drafts.decide(draft.id, Reject(), PERSON)
    assert "as final" in rejected.fault
    assert house.reports(draft.identifier)[0]["status"] == "final"


async def test_a_decision_on_an_older_version_or_an_unknown_draft_is_refused(house: House) -> None:
    draft = await house.drafts.put(read(), **WHERE)
    with pytest.raises(DraftMoved):
        await house.drafts.decide(draft.id, Accept(version=9), PERSON)
    with pytest.raises(UnknownDraft):
        await house.drafts.decide("0" * 32, Accept(), PERSON)
    with pytest.raises(ValueError, match="refused"):
        await house.drafts.put(read(refused="blank"), **WHERE)
