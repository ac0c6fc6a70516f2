"""Row 58: images of another patient, or another object than the one asked for. Row 60: a read of an earlier model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.assessments.store import Store as Results
from cds_service.db.gateway import Gateway
from cds_service.drafts.draft import Accept, Person
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import WriteBack
from cds_service.encryption import Cipher
from cds_service.imaging import catalogue
from cds_service.imaging.patient_check import Expected, check_of
from cds_service.imaging.reading import Reader
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import AUDITED, Viewer
from cds_service.imaging.work import ImageReads, Wanted
from cds_service.models.engine import Identity
from cds_service.models.prompting import templates
from fhir_adapters.addresses import Policy
from fhir_adapters.dicom import qido
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.outbound import Outbound
from tests.drafts.reads import STUDY, read
from tests.imaging.image_engines import ScriptedEngine, by_finding
from tests.web.simulated import simulated


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The simulator's DICOMweb address, and the study of the pneumonia patient."""
    with simulated(tmp_path_factory.mktemp("images")) as (base, store):
        rows = [msgspec.json.decode(row.body) for row in store.compartment("ImagingStudy").rows.values()]
        (study,) = (r for r in rows if r["id"] == "demo-pneumonia-imaging-1")
        yield f"{base.removesuffix('/fhir')}/dicomweb", study["identifier"][0]["value"].removeprefix("urn:oid:")


class Confused(DicomWeb):
    """An archive that answers with the one object it has, whichever is asked for."""

    async def instance(self, study: str, series: str, uid: str, *, deadline: float) -> Any:
        (found, *_) = await self.instances(study, series, deadline=deadline)
        return await super().instance(study, series, found.uid, deadline=deadline)


async def look(base: str, study: str, expected: Expected, instance: str = "") -> Seen | Refused:
    """The study, or one instance of its first series."""
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/dicomweb")])) as outbound:
        server = Confused(outbound, base)
        viewer = Viewer(server)
        check, deadline = check_of(expected), asyncio.get_running_loop().time() + 30
        try:
            if not instance:
                return await viewer.study(study, patient_check=check, deadline=deadline)
            (series, *_) = await server.series(study, deadline=deadline)
            return await viewer.instance(study, series.uid, instance, patient_check=check, deadline=deadline)
        finally:
            await viewer.aclose()


async def born(base: str, study: str) -> str:
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/dicomweb")])) as outbound:
        row = await DicomWeb(outbound, base).study(study, deadline=asyncio.get_running_loop().time() + 30)
        return qido.identity(row).birth_date


async def test_row_58_a_study_of_another_patient_is_refused_before_it_is_shown_and_is_a_security_event(
    archive: tuple[str, str],
) -> None:
    base, study = archive
    his = await born(base, study)
    assert isinstance(await look(base, study, Expected(birth_date=his, sex="male")), Seen)
    refused = await look(base, study, Expected(birth_date="19010101", sex="male"))
    assert isinstance(refused, Refused)
    assert refused.code in AUDITED
    assert "19010101" not in refused.reason
    assert his not in refused.reason


async def test_row_58_an_archive_that_sends_another_object_than_the_one_asked_for_is_refused(
    archive: tuple[str, str],
) -> None:
    base, study = archive
    refused = await look(base, study, Expected(birth_date=await born(base, study), sex="male"), instance="1.2.3.4")
    assert isinstance(refused, Refused)
    assert refused.code in AUDITED


class NoJobs:
    """Nothing is under way; what is asked for is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def look(self, _keys: Any, _deadline: float) -> dict[str, Any]:
        return {}

    def ask(self, key: str, *_: Any) -> str:
        self.asked.append(key)
        return ""


@pytest.fixture
async def drafts(tmp_path: Path) -> AsyncIterator[Drafts]:
    gateway, cipher = Gateway(f"sqlite:///{tmp_path / 'd.sqlite3'}", tmp_path), Cipher([bytes(32)])
    await gateway.start()
    yield Drafts(DraftStore(gateway, cipher), cipher, WriteBack(None, {}))
    await gateway.close()


def reads(drafts: Drafts, jobs: NoJobs, identity: Identity, why: str = "") -> ImageReads:
    engine, cipher = ScriptedEngine(by_finding({})), Cipher([bytes(32)])
    engine.identity = identity
    reader = Reader(templates.load(), catalogue.load())
    return ImageReads(cipher, Results(cipher, ttl_s=60), jobs, drafts, reader, engine, lambda: why)  # type: ignore[arg-type]


WANTED = Wanted(
    tenant="t", patient="p", expected=Expected(), study_uid=STUDY, study_reference="ImagingStudy/s1"
)  # fmt: skip


async def test_row_60_a_draft_of_another_model_or_other_prompts_is_an_older_read_and_a_new_one_is_made(
    drafts: Drafts,
) -> None:
    prompts = (templates.load()["image-report"].label,)
    first, second = Identity("in-process", "m", "1"), Identity("in-process", "m", "2")
    made = await drafts.put(
        read(identity=first, prompts=prompts), patient="p", study_reference="ImagingStudy/s1", tenant="t"
    )
    jobs, soon = NoJobs(), asyncio.get_running_loop().time() + 60
    assert (await reads(drafts, jobs, first).progress(WANTED, soon)).draft == made
    assert jobs.asked == []
    now = await reads(drafts, jobs, second).progress(WANTED, soon)
    assert (now.state, now.draft, now.older) == ("preparing", None, made)
    assert len(jobs.asked) == 1
    loading = await reads(drafts, jobs, second, "the image model is loading").progress(WANTED, soon)
    assert (loading.state, loading.older) == ("waiting", made)
    await drafts.put(
        read(identity=second, prompts=("image-report@0 sha256:00",)), patient="p", study_reference="ImagingStudy/s1",
        tenant="t",
    )  # fmt: skip
    assert (await reads(drafts, jobs, second).progress(WANTED, soon)).state == "preparing"
    assert (await reads(drafts, jobs, first).progress(WANTED, soon)).draft == made  # the model is put back


async def test_row_60_what_a_person_accepted_stays_shown_when_the_model_changes(drafts: Drafts) -> None:
    made = await drafts.put(read(), patient="p", study_reference="ImagingStudy/s1", tenant="t")
    await drafts.decide(made.id, Accept(), Person(reference="Practitioner/x"))
    jobs = NoJobs()
    progress = await reads(drafts, jobs, Identity("in-process", "m", "2")).progress(
        WANTED, asyncio.get_running_loop().time() + 60
    )
    assert progress.draft is not None
    assert (progress.state, progress.draft.id, jobs.asked) == ("drafted", made.id, [])
