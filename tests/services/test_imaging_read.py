"""The imaging-read card in each of its states: what it says, what it links, and what it never says."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from cds_service.drafts.draft import Accept, Draft, Edit, Reject
from cds_service.hooks.clients import profiles
from cds_service.hooks.protocol import Card, Context, HookRequest
from cds_service.imaging.read import ImageFinding, Instance, Read
from cds_service.imaging.wording import impression
from cds_service.imaging.work import Progress, Wanted
from cds_service.models.engine import Identity
from cds_service.record.facts import Event, Person, Record
from cds_service.rules.catalogue import Switch
from cds_service.rules.pack import load_pack
from cds_service.services import layout
from cds_service.services.chart import Chart
from cds_service.services.imaging_read import ImagingRead
from cds_service.services.service import Answer, Call
from cds_service.services.showing import Shown
from cds_service.settings import Settings
from fhir_adapters.read.resources import read as read_body
from fhir_adapters.retrieved import Retrieved, State

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
STUDY = Event(
    number=1, reference="ImagingStudy/s1", resource_type="ImagingStudy", label="Chest radiograph", time=NOW,
    modalities=("DX",), identifiers=("1.2.3",),
)  # fmt: skip
FINDINGS = (
    ImageFinding(
        key="consolidation", name="Consolidation", region="Lungs", state="present", location="right lower zone"
    ),
    ImageFinding(key="atelectasis", name="Atelectasis", region="Lungs", state="uncertain"),
    ImageFinding(key="pneumothorax", name="Pneumothorax", region="Pleura", state="absent"),
)
REPORT = {"resourceType": "DiagnosticReport", "status": "partial"}


class OneChart:
    """A chart that was opened already."""

    def __init__(self, studies: tuple[Event, ...], patient: bytes = b"") -> None:
        person = Person(reference="Patient/p1", sex="male", birth_date=date(1968, 2, 3), birth_precision="day")
        record = Record(now=NOW, person=person, imaging=studies)
        found = Retrieved(key="patient", resource_type="Patient", state=State.PRESENT, resources=[read_body(patient)])
        self._chart = Chart(
            record=record, findings=[], order_findings=[], pack=load_pack(None),
            retrieved={"patient": found} if patient else {},
        )  # fmt: skip

    async def open(self, *_: Any) -> Chart:
        return self._chart


class Sheets:
    """Nothing is quiet."""

    async def choose(self, *_: Any) -> Shown:
        return Shown(findings=[])

    def sheet(self, service: str, call: Call) -> layout.Sheet:
        return layout.Sheet(service=service, profile=call.profile, zone=ZoneInfo("UTC"), override_displays={})


class Told:
    """Reads that stand as they are told to."""

    def __init__(self, progress: Progress) -> None:
        self.progressed, self.wanted = progress, []  # type: ignore[var-annotated]

    async def progress(self, wanted: Wanted, deadline: float) -> Progress:
        self.wanted.append(wanted)
        return self.progressed


def draft(*, test_weights: bool = False, state: str = "waiting") -> Draft:
    read = Read(
        study_uid="1.2.3", modality="DX", body_part="CHEST", findings=FINDINGS, test_weights=test_weights,
        identity=Identity(engine="in-process", model="medgemma-double", revision="7"),
        prompts=("image-report@1 sha256:0",), limits=("The states are not calibrated for this site and engine.",),
        impression=impression(FINDINGS, test_weights=test_weights),
    )  # fmt: skip
    return Draft(
        id="d1", identifier="urn:uuid:1", version=1, state=state, tenant="ehr", patient="p1", study_uid="1.2.3",  # type: ignore[arg-type]
        study_reference="ImagingStudy/s1", read=read, created="2026-11-20T09:00:00Z",
        resources=Raw(msgspec.json.encode({"entry": [{"fullUrl": "urn:uuid:1", "resource": REPORT}]})),
    )  # fmt: skip


async def answered(
    reads: Told | None,
    *,
    profile: str = "spec",
    studies: tuple[Event, ...] = (STUDY,),
    ai: Switch = Switch.ON,
    tenant: str = "",
    patient: bytes = b"",
) -> Answer:
    service = ImagingRead(OneChart(studies, patient), Sheets(), Settings(), reads, lambda: ai)  # type: ignore[arg-type]
    request = HookRequest(hook="patient-view", hookInstance="h", context=Context(patientId="p1", userId="u"))
    deadline = asyncio.get_running_loop().time() + 1
    return await service.answer(
        Call(request=request, profile=profiles.read()[profile], client="ehr", tenant=tenant, now=NOW, deadline=deadline)
    )


async def card(reads: Told | None, **options: Any) -> Card:
    return (await answered(reads, **options)).cards[0]


async def test_without_an_image_model_the_card_says_that_nothing_was_read() -> None:
    said = await card(None)
    assert "no image model is configured" in said.summary
    assert "nothing is implied" in (said.detail or "")


async def test_a_draft_is_shown_with_its_impression_its_model_its_limits_and_links_but_no_image() -> None:
    said = await card(Told(Progress(state="drafted", draft=draft())))
    detail = said.detail or ""
    assert said.summary.startswith("AI draft, unverified: Consolidation suggested, right lower zone")
    assert "Investigational" in detail
    assert "medgemma-double" in detail
    assert "Atelectasis: uncertain" in detail
    assert "not calibrated" in detail
    assert "%" not in detail
    assert "![" not in detail
    assert "base64" not in detail
    assert [link.url for link in said.links] == ["http://127.0.0.1:8000/review/d1"]


async def test_a_headline_that_names_one_finding_says_how_many_more_are_suggested() -> None:
    other = replace(FINDINGS[0], key="fracture", name="Fracture", location="")
    made = draft()
    two = (*FINDINGS, other)
    more = replace(made, read=replace(made.read, findings=two, impression=impression(two, test_weights=False)))
    said = await card(Told(Progress(state="drafted", draft=more)))
    assert said.summary == "AI draft, unverified: Consolidation suggested, right lower zone; 1 more suggested"


async def test_the_picture_is_linked_to_where_the_read_names_one() -> None:
    one = Instance(study_uid="1.2.3", series_uid="1.2.3.1", instance_uid="1.2.3.1.1")
    made = draft()
    pictured = replace(made, read=replace(made.read, instances=(one,)))
    said = await card(Told(Progress(state="drafted", draft=pictured)))
    assert said.links[1].url == "http://127.0.0.1:8000/review/d1/image"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("preparing", "made by another model or other prompts"),
        ("refused", "made by another model or other prompts"),
        ("waiting", "whether this model made it cannot be told now"),
    ],
)
async def test_row_60_an_older_read_is_said_to_be_there_and_none_of_its_words_are_shown(state: str, words: str) -> None:
    said = await card(Told(Progress(state=state, older=draft())))  # type: ignore[arg-type]
    assert words in (said.detail or "")
    assert "Consolidation" not in f"{said.summary} {said.detail}"
    assert [link.url for link in said.links] == ["http://127.0.0.1:8000/review/d1"]


async def test_what_is_read_is_kept_under_the_tenant_of_the_call() -> None:
    reads = Told(Progress(state="preparing"))
    await answered(reads, tenant="https://ehr.example.org\nward")
    assert reads.wanted[0].tenant == "https://ehr.example.org\nward"


async def test_a_client_that_takes_reports_is_offered_the_unverified_draft_and_no_other_client_is() -> None:
    offered = await card(Told(Progress(state="drafted", draft=draft())))
    action = offered.suggestions[0].actions[0]
    assert action.type == "create"
    assert msgspec.json.decode(bytes(action.resource or b"")) == {**REPORT, "contained": []}
    assert (await card(Told(Progress(state="drafted", draft=draft())), profile="epic")).suggestions == []
    assert (await card(Told(Progress(state="drafted", draft=draft(state="accepted"))))).suggestions == []


async def test_what_a_person_accepted_is_said_to_be_accepted_and_no_longer_unchecked() -> None:
    said = await card(Told(Progress(state="drafted", draft=replace(draft(state="accepted"), decision=Accept()))))
    assert said.summary.startswith("AI draft accepted by a person, not signed: Consolidation suggested")
    assert "not checked by a person" not in (said.detail or "")
    assert "Atelectasis: uncertain" in (said.detail or "")


@pytest.mark.parametrize(
    "more", ["", "Compared with the film of last year nothing has changed in the upper zones. " * 3]
)
async def test_a_persons_own_words_take_the_place_of_what_the_model_said(more: str) -> None:
    edited = replace(draft(state="edited"), decision=Edit(conclusion=f"No *consolidation*.\n{more}"))
    said = await card(Told(Progress(state="drafted", draft=edited)))
    assert ("No *consolidation*." in said.summary) == (
        not more
    )  # whole or not at all: a cut sentence may say the contrary
    assert "No \\*consolidation\\*." in (said.detail or "")
    assert "suggested" not in f"{said.summary} {said.detail}"
    assert "Atelectasis" not in (said.detail or "")


async def test_nothing_of_a_rejected_draft_is_shown() -> None:
    rejected = replace(draft(state="rejected"), decision=Reject(reason="wrong side"))
    said = await card(Told(Progress(state="drafted", draft=rejected)))
    assert said.summary == "AI draft rejected by a person: do not use"
    for words in ("Consolidation", "Atelectasis", "pneumothorax", "wrong side"):
        assert words not in f"{said.summary} {said.detail}"


async def test_a_decision_that_did_not_reach_the_record_is_said_to_be_unfinished() -> None:
    kept = replace(draft(state="accepted"), decision=Accept(), fault="the record did not take it (timed out)")
    said = await card(Told(Progress(state="drafted", draft=kept)))
    assert "**Not finished:** the record did not take it (timed out)." in (said.detail or "")


async def test_test_weights_are_named_first_and_are_never_offered_for_the_record() -> None:
    said = await card(Told(Progress(state="drafted", draft=draft(test_weights=True))))
    assert said.summary.startswith("TEST WEIGHTS, not a read")
    assert "know nothing of images" in (said.detail or "")
    assert said.suggestions == []


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(state="preparing"), "being prepared"),
        (Progress(state="refused", why="this is a lateral view"), "this is a lateral view"),
        (Progress(state="failed", why="timeout"), "did not succeed: the model did not answer in time (timeout)"),
        (Progress(state="waiting", why="too much is waiting"), "cannot be started now: too much is waiting"),
    ],
)
async def test_a_read_that_is_not_there_is_said_to_be_so_with_its_reason(progress: Progress, words: str) -> None:
    assert words in ((await card(Told(progress))).detail or "")


async def test_a_client_that_shows_every_card_as_an_alert_gets_none_that_only_says_being_prepared() -> None:
    assert (await answered(Told(Progress(state="preparing")), profile="epic")).cards == []


async def test_a_study_without_a_uid_is_told_and_not_asked_for() -> None:
    reads = Told(Progress(state="preparing"))
    said = await card(reads, studies=(msgspec.structs.replace(STUDY, identifiers=()),))
    assert "no Study Instance UID" in (said.detail or "")
    assert reads.wanted == []


async def test_with_all_ai_off_nothing_is_asked_for_and_the_card_says_so() -> None:
    reads = Told(Progress(state="drafted", draft=draft()))
    said = await card(reads, ai=Switch.OFF)
    assert "switched off" in said.summary
    assert reads.wanted == []
    assert "Consolidation" not in (said.detail or "")


async def test_in_shadow_a_read_is_made_and_not_shown() -> None:
    reads = Told(Progress(state="drafted", draft=draft()))
    said = await card(reads, ai=Switch.SHADOW)
    assert len(reads.wanted) == 1
    assert "Consolidation" not in (said.detail or "")


async def test_the_job_is_told_whose_images_they_must_be_and_knows_nothing_of_the_calls_token() -> None:
    reads = Told(Progress(state="preparing"))
    await answered(reads, studies=(STUDY, msgspec.structs.replace(STUDY, identifiers=("1.2.2",))))
    wanted = reads.wanted[0]
    assert wanted.expected.birth_date == "19680203"
    assert [prior.study_uid for prior in wanted.earlier] == ["1.2.2"]
    assert "token" not in msgspec.json.encode(wanted).decode()


@pytest.mark.parametrize(
    ("patient", "identifiers"),
    [
        (
            b'{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:x","value":"7"},{"value":"8"},{"system":"y"}]}',
            (("urn:x", "7"), ("", "8")),
        ),
        (b'{"resourceType":"Patient","id":"p2","identifier":[{"system":"urn:x","value":"7"}]}', ()),
        (b'{"resourceType":"Patient","id":"p1","identifier":[{"system":1,"value":{}}]}', ()),
        (b'{"resourceType":"Patient","id":"p1"}', ()),
    ],
)
async def test_the_job_is_told_the_identifiers_of_this_patient_to_compare_with_the_images(
    patient: bytes, identifiers: tuple[tuple[str, str], ...]
) -> None:
    reads = Told(Progress(state="preparing"))
    await answered(reads, patient=patient)
    assert reads.wanted[0].expected.identifiers == identifiers


async def test_no_study_no_card() -> None:
    assert (await answered(None, studies=())).cards == []
