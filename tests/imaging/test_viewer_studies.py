"""A study from an archive to what the model is shown: Orthanc, the simulator, and answers that must not pass."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from pydicom import Dataset

from cds_service.imaging.patient_check import Expected, PatientCheck, check_of
from cds_service.imaging.seen import Compared, Refused, Seen
from cds_service.imaging.viewer import Identity, PriorStudy, Viewer
from cds_service.web.simulator.archive import studies
from cds_service.web.simulator.patients import load_patients
from cds_service.web.simulator.router import attach_simulator
from fhir_adapters.dicom import qido
from fhir_adapters.dicom.dicomweb import DicomWeb
from tests.fhir_adapters.dicom import orthanc as servers
from tests.fhir_adapters.dicom.made import dicom, ramp
from tests.fhir_adapters.dicom.serving import door, serving

orthanc = servers.orthanc
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def soon() -> float:
    return asyncio.get_running_loop().time() + 60


def is_p1(identity: Identity) -> Compared:
    return Compared(agree=("patient id",)) if identity.patient_id == "P1" else Compared(differs="patient id")


@asynccontextmanager
async def looking(base: str) -> AsyncIterator[tuple[DicomWeb, Viewer]]:
    async with door(base) as outbound:
        server = DicomWeb(outbound, base)
        viewer = Viewer(server)
        try:
            yield server, viewer
        finally:
            await viewer.aclose()


@pytest.mark.integration
async def test_a_radiograph_goes_through_orthanc_pa_before_lateral_and_finds_its_prior(orthanc: str) -> None:
    def film(study: str, uid: str, view: str, day: str) -> bytes:
        return dicom(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=uid, ViewPosition=view,
                     StudyDate=day, AcquisitionDate=day, PresentationIntentType="FOR PRESENTATION")  # fmt: skip

    async with looking(orthanc) as (server, viewer):
        await server.store(
            [film("1.2.10", "1.2.10.7", "LL", "20261120"), film("1.2.10", "1.2.10.8", "PA", "20261120")],
            deadline=soon(),
        )
        await server.store([film("1.2.11", "1.2.11.7", "PA", "20250101")], deadline=soon())
        seen = await viewer.study("1.2.10", patient_check=is_p1, deadline=soon())
        assert isinstance(seen, Seen), seen
        assert (seen.view, seen.body_part, seen.instances[0].instance_uid) == ("PA", "CHEST", "1.2.10.8")
        studies = [
            PriorStudy(study_uid="1.2.11", started="2025-01-01"),
            PriorStudy(study_uid="1.2.10", started="2026-11-20"),
        ]
        prior = await viewer.prior(seen, studies, patient_check=is_p1, deadline=soon())
        assert isinstance(prior, Seen), prior
        assert prior.study_uid == "1.2.11"
        absent = await viewer.study("1.2.99", patient_check=is_p1, deadline=soon())
        assert isinstance(absent, Refused)
        assert absent.code == "no-study"


@pytest.mark.integration
async def test_row_58_images_of_another_patient_are_refused_before_they_are_fetched(orthanc: str) -> None:
    async with looking(orthanc) as (server, viewer):
        await server.store(
            [dicom(StudyInstanceUID="1.2.20", SeriesInstanceUID="1.2.20.1", PatientID="SOMEBODY")], deadline=soon()
        )
        seen = await viewer.study("1.2.20", patient_check=is_p1, deadline=soon())
        assert isinstance(seen, Refused)
        assert seen.code == "other-patient"
        assert "SOMEBODY" not in seen.reason


@pytest.mark.integration
async def test_row_58_an_id_of_the_same_issuer_that_differs_is_refused_by_search_and_by_header_alike(
    orthanc: str,
) -> None:
    oid = Dataset()
    oid.UniversalEntityID, oid.UniversalEntityIDType = "1.2.36.146", "ISO"
    object_ = dicom(
        StudyInstanceUID="1.2.21", SeriesInstanceUID="1.2.21.1", SOPInstanceUID="1.2.21.7", PatientID="77",
        IssuerOfPatientID="LAB", IssuerOfPatientIDQualifiersSequence=[oid],
    )  # fmt: skip

    def patient(own_id: str) -> PatientCheck:
        return check_of(Expected(identifiers=(("urn:oid:1.2.36.146", own_id),), birth_date="19700101", sex="female"))

    async with looking(orthanc) as (server, viewer):
        await server.store([object_], deadline=soon())
        seen = await viewer.study("1.2.21", patient_check=patient("77"), deadline=soon())
        assert isinstance(seen, Seen), seen
        assert seen.compared == ("patient id", "birth date", "sex")
        by_header = viewer.instance("1.2.21", "1.2.21.1", "1.2.21.7", patient_check=patient("78"), deadline=soon())
        for refused in (await viewer.study("1.2.21", patient_check=patient("78"), deadline=soon()), await by_header):
            assert isinstance(refused, Refused)
            assert (refused.code, refused.reason) == (
                "other-patient", "the images are of another patient: patient id differs",
            )  # fmt: skip


class Sparse(DicomWeb):
    """A server whose searches leave out the birth date."""

    async def study(self, study: str, *, deadline: float) -> qido.Row:
        row = await super().study(study, deadline=deadline)
        return {tag: value for tag, value in row.items() if tag != "00100030"}


@pytest.mark.integration
async def test_what_a_search_leaves_out_is_compared_in_the_object_and_without_any_it_is_refused(orthanc: str) -> None:
    def patient(born: str) -> PatientCheck:
        return check_of(Expected(identifiers=(("http://hospital.example/mrn", "A"),), birth_date=born, sex="female"))

    async with door(orthanc) as outbound:
        server = Sparse(outbound, orthanc)
        viewer = Viewer(server)
        try:
            await server.store([dicom(StudyInstanceUID="1.2.22", SeriesInstanceUID="1.2.22.1")], deadline=soon())
            seen = await viewer.study("1.2.22", patient_check=patient("19700101"), deadline=soon())
            assert isinstance(seen, Seen), seen
            assert seen.compared == ("birth date", "sex")
            for born, code in (("19700102", "other-patient"), ("", "unknown-patient")):
                refused = await viewer.study("1.2.22", patient_check=patient(born), deadline=soon())
                assert isinstance(refused, Refused)
                assert refused.code == code
        finally:
            await viewer.aclose()


@pytest.mark.integration
async def test_only_the_sampled_slices_of_a_large_ct_are_shown_in_the_order_of_space(orthanc: str) -> None:
    slices = [
        dicom(ramp(32, 32) + i, "CT", StudyInstanceUID="1.2.30", SeriesInstanceUID="1.2.30.1", SOPInstanceUID=f"1.2.30.1.{i + 1}",
              ImagePositionPatient=[0, 0, -1.5 * i], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], InstanceNumber=i + 1,
              ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
        for i in range(120)
    ]  # fmt: skip
    async with looking(orthanc) as (server, viewer):
        await server.store(slices, deadline=soon())
        seen = await viewer.study("1.2.30", patient_check=is_p1, deadline=soon())
        assert isinstance(seen, Seen), seen
        shown = [120 - int(i.instance_uid.rsplit(".", 1)[1]) for i in seen.instances]
        assert shown == [round(i / 85 * 119) for i in range(1, 86)]
        assert "slices sorted along the slice normal" in seen.steps


@pytest.mark.integration
async def test_every_stored_sample_file_comes_back_from_orthanc_as_it_went(orthanc: str, sample_data: Path) -> None:
    data = (sample_data / "dicom" / "RG1_J2KI.dcm").read_bytes()
    async with looking(orthanc) as (server, viewer):
        await server.store([data], deadline=soon())
        local = await viewer.file(sample_data / "dicom" / "RG1_J2KI.dcm")
        assert isinstance(local, Seen)
        seen = await viewer.study(local.study_uid, patient_check=None, deadline=soon())
        assert isinstance(seen, Seen), seen
        assert seen.images == local.images


async def test_the_demo_radiograph_is_drawn_served_and_shown_under_the_uids_of_the_record(tmp_path: Path) -> None:
    app = FastAPI()
    attach_simulator(app, base_url=None, clock=lambda: NOW, folder=tmp_path)
    patient = next(p for p in load_patients(NOW) if p.id == "demo-pneumonia")
    (study,) = studies(patient.resources)

    def check(identity: Identity) -> Compared:
        his = (identity.patient_id, identity.sex) == (study["patient_id"], "M")
        return Compared(agree=("patient id", "sex")) if his else Compared(differs="patient id")

    with serving(app) as base:
        async with looking(f"{base}/simulator/dicomweb") as (server, viewer):
            seen = await viewer.study(study["study"], patient_check=check, deadline=soon())
            assert isinstance(seen, Seen), seen
            assert (seen.kind, seen.view, seen.body_part, seen.modality) == ("radiograph", "PA", "CHEST", "DX")
            assert seen.instances[0].instance_uid == study["instance"]
            assert seen.performed.startswith("2026-11-20T08:00")
            assert np.asarray(Image.open(io.BytesIO(seen.images[0].data))).std() > 30
            await server.store([dicom(StudyInstanceUID="1.2.40", SeriesInstanceUID="1.2.40.1")], deadline=soon())
            stored = await viewer.study("1.2.40", patient_check=is_p1, deadline=soon())
            assert isinstance(stored, Seen), stored
            refused = await viewer.study("1.2.40", patient_check=check, deadline=soon())
            assert isinstance(refused, Refused)
            assert refused.code == "other-patient"
