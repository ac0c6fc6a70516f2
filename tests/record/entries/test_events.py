"""Encounters, procedures, immunizations, imaging, placed orders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.record.resources import SNOMED, chart, concept, resource

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def test_a_discharge_is_the_end_of_an_inpatient_encounter() -> None:
    period = {"start": "2026-11-01T08:00:00Z", "end": "2026-11-10T12:00:00Z"}
    went = {"dischargeDisposition": {"text": "Home"}}
    stay = resource("Encounter", status="finished", period=period, hospitalization=went) | {
        "class": {"system": ACT, "code": "IMP"},
        "reasonCode": [{"text": "Pneumonia"}],
    }
    (made,) = chart(stay).encounters
    assert (made.category, made.status, made.end) == ("IMP", "finished", datetime(2026, 11, 10, 12, tzinfo=UTC))
    assert (made.label, made.text, made.note) == ("Inpatient stay", "Pneumonia", "discharge: Home")


def test_the_class_of_another_release_is_read_too() -> None:
    (made,) = chart(resource("Encounter", status="in-progress") | {"class": [concept("EMER", ACT)]}).encounters
    assert made.category == "EMER"


def test_a_cancelled_visit_did_not_happen() -> None:
    record = chart(resource("Encounter", status="cancelled"), resource("ImagingStudy", status="cancelled"))
    assert (record.encounters, record.imaging, record.excluded.total()) == ([], [], 2)


def test_what_was_not_done_says_so() -> None:
    record = chart(
        resource("Procedure", status="not-done", code={"text": "CABG"}),
        resource("Immunization", status="not-done", vaccineCode={"text": "Influenza"}, occurrenceDateTime="2026-10-01"),
    )
    assert (record.procedures[0].note, record.immunizations[0].note) == ("not done", "not given")


@pytest.mark.parametrize(
    "members",
    [
        {"performedDateTime": "2031-01-01"},
        {"performedPeriod": {"start": "2031-01-01"}},
    ],
)
def test_something_done_is_never_dated_in_the_future(members: dict[str, Any]) -> None:
    (made,) = chart(resource("Procedure", status="completed", code={"text": "CABG"}, **members)).procedures
    assert (made.time, made.note) == (None, "dated in the future")


def test_an_imaging_study_names_its_modalities_sites_and_uid() -> None:
    study = resource(
        "ImagingStudy",
        status="available",
        started="2026-11-19T10:00:00Z",
        identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.840.99"}, {"value": "ACC-17"}],
        modality=[{"code": "CT"}],
        series=[{"modality": {"code": "CT"}, "bodySite": {"system": SNOMED, "code": "51185008", "display": "Chest"}}],
        description="CT chest",
    )
    (made,) = chart(study).imaging
    assert (made.modalities, made.identifiers, made.label) == (("CT",), ("1.2.840.99",), "CT chest")
    assert made.body_sites[0].code == "51185008"


@pytest.mark.parametrize("value", ["urn:oid:1.2.3", "urn:dicom:uid:1.2.3", "1.2.3"])
def test_a_study_uid_is_known_by_every_prefix(value: str) -> None:
    assert chart(resource("ImagingStudy", identifier=[{"value": value}])).imaging[0].identifiers == ("1.2.3",)


@pytest.mark.parametrize(
    ("words", "modalities"),
    [
        ("CT abdomen and pelvis with contrast", ("CT",)),
        ("Computed tomography of chest", ("CT",)),
        ("MRI brain", ("MR",)),
        ("Ultrasound abdomen", ("US",)),
        ("Chest X-ray 2 views", ("CR",)),
        ("CT angiography of pulmonary arteries", ("CT",)),
        ("PET/CT whole body", ("PT", "CT")),
        ("Echocardiography", ()),
        ("Direct referral", ()),
        ("Basic metabolic panel", ()),
    ],
)
def test_the_modality_of_an_order_is_told_by_its_words(words: str, modalities: tuple[str, ...]) -> None:
    (made,) = chart(resource("ServiceRequest", status="active", intent="order", code={"text": words})).requests
    assert made.modalities == modalities


def test_every_kind_of_order_has_a_name() -> None:
    record = chart(
        resource("DeviceRequest", codeCodeableConcept={"text": "Walker"}, authoredOn="2026-11-01"),
        resource("NutritionOrder", oralDiet={"type": [{"text": "Low salt"}]}, dateTime="2026-11-02"),
        resource("VisionPrescription", lensSpecification=[{"product": {"text": "Lens"}}], dateWritten="2026-11-03"),
        resource("ServiceRequest", code={"text": "Consult"}, orderDetail=[{"text": "Cardiology"}], priority="urgent"),
    )
    assert [r.label for r in record.requests] == ["Lens", "Low salt", "Walker", "Consult · Cardiology"]
    assert record.requests[3].note == "urgent"


def test_the_category_of_an_order_may_be_an_object() -> None:
    (made,) = chart(resource("ServiceRequest", code={"text": "X"}, category=concept("363679005", SNOMED))).requests
    assert made.category == "363679005"
