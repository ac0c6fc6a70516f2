"""What the review pages say of a draft in each of its states."""

from __future__ import annotations

import re

import pytest
from msgspec import Raw
from msgspec.structs import replace

from cds_service.drafts.draft import Accept, Draft, Edit, Person, Reject
from cds_service.imaging.read import Instance
from cds_service.web.review import pages
from cds_service.web.review.router import none_made
from tests.drafts.reads import STUDY, read

WAITING = Draft(
    id="d1", identifier="urn:uuid:1", version=1, state="waiting", tenant="t", patient="p1", study_uid=STUDY,
    study_reference="ImagingStudy/s1", read=read(), created="2026-11-20T09:30:00.123+01:00", resources=Raw(b"{}"),
)  # fmt: skip
TAKEN = replace(
    WAITING, state="accepted", filed="preliminary", report="DiagnosticReport/r1", decision=Accept(),
    person=Person(reference="Practitioner/x", display="X"), decided="2026-11-20T08:40:00+00:00",
)  # fmt: skip


@pytest.mark.parametrize(
    ("draft", "said", "unsaid"),
    [
        (WAITING, "not reviewed", "Withdraw from the record"),
        (TAKEN, "AI-drafted, accepted by X, not signed", "Accept as drafted"),
        (replace(TAKEN, state="edited", decision=Edit(conclusion="Well.")), "Worded by X over an AI draft, not signed", "not reviewed"),
        (replace(TAKEN, state="edited", decision=Edit(conclusion="Well.")), "not part of the report", "Accept as drafted"),
        (TAKEN, "Withdrawing marks the report", "Accepting files"),
        (replace(TAKEN, state="rejected", filed="entered-in-error", decision=Reject()), "rejected by X: do not use", "not reviewed"),
        (replace(TAKEN, filed="", report="", fault="the record timed out"), "Not finished: the record timed out", "In the record"),
        (replace(TAKEN, filed="", report="", fault="the record timed out"), "Try again", "Withdraw from the record"),
    ],
)  # fmt: skip
def test_each_state_is_named_and_offers_what_can_still_be_done(draft: Draft, said: str, unsaid: str) -> None:
    shown = pages.page(draft, "token")
    assert said in shown
    assert unsaid not in shown


STORED = replace(TAKEN, structured_report="2.25.77")
REJECTED = replace(STORED, state="rejected", filed="entered-in-error", decision=Reject(reason="no consolidation <b>"))


@pytest.mark.parametrize(
    ("draft", "said", "unsaid"),
    [
        (STORED, "DICOM SR 2.25.77, PARTIAL and UNVERIFIED.", "still stands"),
        (REJECTED, "rejected: do not use", "Accept as drafted"),
        (TAKEN, "In the record", "DICOM SR"),
        (REJECTED, "DICOM SR 2.25.77 still stands in the archive, PARTIAL and UNVERIFIED", "Rejection note"),
        (replace(REJECTED, rejection_note="2.25.78"), "Rejection note 2.25.78", "still stands"),
        (replace(STORED, state="edited"), "is no longer what was signed for", "Rejection note"),
        (replace(WAITING, structured_report="2.25.77"), "stored unreviewed", "still stands"),
    ],
)  # fmt: skip
def test_a_report_in_the_archive_is_named_with_what_became_of_it(draft: Draft, said: str, unsaid: str) -> None:
    shown = pages.page(draft, "token")
    assert said in shown
    assert unsaid not in shown


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (("patient id", "birth date", "sex"), "Patient id, birth date, sex of the images agree with the patient"),
        (("birth date",), "could not be compared"),
        ((), "was not compared with the record"),
    ],
)
def test_what_says_that_the_images_are_the_patients_is_named(compared: tuple[str, ...], said: str) -> None:
    assert said in pages.page(replace(WAITING, read=read(compared=compared)), "token")


def test_drafts_that_no_key_opens_are_told_of_and_never_passed_over() -> None:
    assert "2 drafts cannot be opened with the configured keys" in pages.listing([WAITING], unopened=2)
    alone = pages.listing([], unopened=1)
    assert "1 draft cannot be opened" in alone
    assert "No draft is waiting" not in alone
    assert "cannot be opened" not in pages.listing([WAITING])


def test_the_words_of_a_rejected_draft_are_struck_out_and_the_reason_stands_beside_the_decision() -> None:
    shown = pages.page(REJECTED, "token")
    assert shown.count('class="void"') == 2
    assert "Reason given: no consolidation &lt;b&gt;" in shown
    assert 'class="void"' not in pages.page(TAKEN, "token")
    assert "Consolidation" not in pages.listing([REJECTED])


def test_a_refusal_is_a_page_too_and_leads_back_to_the_list() -> None:
    shown = pages.refusal("there is no <b>draft</b>")
    assert "There is no &lt;b&gt;draft&lt;/b&gt;." in shown
    assert 'href="/review/"' in shown


def test_no_key_pressed_in_a_field_decides() -> None:
    for draft in (WAITING, TAKEN):
        fields = re.findall(r"<input (?!type=\"hidden\")", pages.page(draft, "token"))
        assert fields == []  # Enter in an input of one line presses the form's first button, in a textarea none


def test_the_list_says_where_no_draft_will_ever_come() -> None:
    assert "No draft is waiting" in pages.listing([])
    for imaging, engine, said in ((False, "none", "CDS_IMAGING"), (True, "none", "CDS_IMAGE_ENGINE")):
        listing = pages.listing([], none_made(imaging=imaging, engine=engine))
        assert said in listing
        assert "No draft is waiting" not in listing
        assert "nothing is implied" in listing
    assert none_made(imaging=True, engine="openai") == ""


def test_of_a_volume_the_middle_slice_is_shown_and_all_are_linked() -> None:
    slices = tuple(Instance(study_uid="1.2", series_uid="1.2.1", instance_uid=f"1.2.1.{i}") for i in range(5))
    shown = pages.page(replace(WAITING, read=read(instances=slices)), "token")
    assert 'src="d1/image?number=3"' in shown
    assert "Image 3 of 5" in shown
    assert all(f'href="d1/image?number={i}"' in shown for i in range(1, 6))


def test_times_are_to_the_minute_in_utc_and_test_weights_are_named_in_the_list() -> None:
    listing = pages.listing([WAITING])
    assert "2026-11-20 08:30 UTC" in listing
    assert "test weights, not a read" in listing


@pytest.mark.parametrize(
    ("written", "shown"),
    [("2026-11-20T08:10:00", "2026-11-20 08:10"), ("", ""), ("20261120", "2026-11-20 00:00"), ("soon", "soon")],
)
def test_a_time_without_an_offset_or_sense_is_not_given_one(written: str, shown: str) -> None:
    assert pages.moment(written) == shown
