"""The durable job's work: from a study's UID to a stored draft, or to a refusal that is told and audited."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cds_service.drafts.draft import Draft
from cds_service.drafts.drafts import Drafts
from cds_service.imaging import catalogue
from cds_service.imaging.patient_check import Expected
from cds_service.imaging.read import Read
from cds_service.imaging.reading import Reader
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import Viewer
from cds_service.imaging.work import ReadWork, Wanted
from cds_service.models.engine import Generation, Request
from cds_service.models.faults import NotReady, ServerFault
from cds_service.models.prompting import templates
from fhir_adapters.dicom.description import Identity
from tests.imaging.image_engines import ScriptedEngine, by_finding, finding
from tests.imaging.pictures import chest

WANTED = Wanted(
    tenant="ehr",
    patient="p1",
    expected=Expected(birth_date="19680203", sex="male"),
    study_uid="1.2.3",
    study_reference="ImagingStudy/s1",
)


class Archive(Viewer):
    """Stands for the archive: one study, of somebody."""

    def __init__(self, study: Seen | Refused, of: Identity) -> None:
        self._study, self._of = study, of

    async def study(self, study_uid: str, *, patient_check: Any, deadline: float, archive: str = "") -> Seen | Refused:
        if patient_check(self._of).differs:
            return Refused(reason="the images are of another patient: birth date differs", code="other-patient")
        return self._study


class Kept(Drafts):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.reads: list[Read] = []

    async def put(self, read: Read, **_: Any) -> Draft:
        self.reads.append(read)
        return None  # type: ignore[return-value]


def work(
    study: Seen | Refused, of: Identity, engine: ScriptedEngine, *, off: bool = False
) -> tuple[ReadWork, Kept, list[str]]:
    kept, told = Kept(), []  # type: ignore[var-annotated]
    reader = Reader(templates.load(), catalogue.load())
    return ReadWork(Archive(study, of), reader, engine, kept, security=told.append, off=lambda: off), kept, told


HIS = Identity(birth_date="19680203", sex="M")
RIGHT = finding("present", "right", "right lower zone", "Dense right lower zone.")


async def test_a_study_that_is_read_leaves_one_draft_and_the_read_itself() -> None:
    job, kept, told = work(chest(), HIS, ScriptedEngine(by_finding({"consolidation": RIGHT}), lambda _: 0.97))
    read = msgspec.json.decode(await job("k", msgspec.json.encode(WANTED)), type=Read)
    assert kept.reads == [read]
    assert read.refused == ""
    assert told == []


async def test_a_read_that_was_at_work_when_all_ai_was_switched_off_leaves_no_draft() -> None:
    job, kept, _ = work(chest(), HIS, ScriptedEngine(by_finding({"consolidation": RIGHT}), lambda _: 0.97), off=True)
    with pytest.raises(NotReady, match="switched off"):
        await job("k", msgspec.json.encode(WANTED))
    assert kept.reads == []


async def test_row_58_images_of_another_patient_are_refused_and_audited_and_never_reach_the_model() -> None:
    engine = ScriptedEngine(by_finding({}))
    job, kept, told = work(chest(), Identity(birth_date="19990101", sex="M"), engine)
    read = msgspec.json.decode(await job("k", msgspec.json.encode(WANTED)), type=Read)
    assert "another patient" in read.refused
    assert told == ["other-patient"]
    assert kept.reads == []
    assert engine.asked == []


async def test_row_59_a_lateral_view_is_refused_with_words_and_leaves_no_draft() -> None:
    engine = ScriptedEngine(by_finding({}))
    job, kept, _ = work(chest(view="LATERAL"), HIS, engine)
    read = msgspec.json.decode(await job("k", msgspec.json.encode(WANTED)), type=Read)
    assert "lateral" in read.refused
    assert kept.reads == []
    assert engine.asked == []


async def test_an_engine_that_cannot_be_asked_leaves_nothing_behind_so_that_the_job_is_tried_again() -> None:
    class Broken(ScriptedEngine):
        async def generate(self, request: Request) -> Generation:
            raise ServerFault

    job, kept, _ = work(chest(), HIS, Broken(by_finding({})))
    with pytest.raises(ServerFault):
        await job("k", msgspec.json.encode(WANTED))
    assert kept.reads == []
