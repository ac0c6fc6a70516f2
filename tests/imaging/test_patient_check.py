"""Whose images they are."""

from __future__ import annotations

import pytest

from cds_service.imaging.patient_check import Expected, check_of
from cds_service.imaging.seen import Compared
from fhir_adapters.dicom.description import Identity

HOSPITAL, OTHER = "http://hospital.example/mrn", "urn:oid:1.2.36.146"
KNOWN = Expected(identifiers=((HOSPITAL, "MRN1"), (OTHER, "77")), birth_date="19680203", sex="male")
BORN = {"birth_date": "19680203"}


@pytest.mark.parametrize(
    ("expected", "identity", "difference"),
    [
        (KNOWN, Identity(patient_id="MRN1", birth_date="19680203", sex="M"), ""),
        (KNOWN, Identity(patient_id="MRN1"), ""),
        (KNOWN, Identity(birth_date="19680203", sex="O"), ""),
        (KNOWN, Identity(patient_id="MRN1", birth_date="19680204"), "birth date"),
        (KNOWN, Identity(patient_id="MRN1", sex="F"), "sex"),
        (Expected(sex="male"), Identity(patient_id="MRN1", sex="M"), "unknown"),
        (KNOWN, Identity(), "unknown"),
    ],
)
def test_images_are_the_patients_only_when_something_that_tells_people_apart_agrees_and_nothing_differs(
    expected: Expected, identity: Identity, difference: str
) -> None:
    told = check_of(expected)(identity)
    assert told.known == (difference == "")
    assert told.differs == ("" if difference == "unknown" else difference)


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        # an issuer both sides know: the id must be one of the patient's
        (Identity(patient_id="MRN1", issuer=HOSPITAL, **BORN), Compared(agree=("patient id", "birth date"))),
        (Identity(patient_id="MRN2", issuer=HOSPITAL, **BORN), Compared(differs="patient id")),
        (Identity(patient_id="MRN2", issuer="HTTP://hospital.example/mrn/", **BORN), Compared(differs="patient id")),
        (Identity(patient_id="78", issuer="1.2.36.146", **BORN), Compared(differs="patient id")),
        (Identity(patient_id="77", issuer="LAB", issuer_uid="1.2.36.146"), Compared(agree=("patient id",))),
        (Identity(patient_id="78", issuer="LAB", issuer_uid="1.2.36.146", **BORN), Compared(differs="patient id")),
        # an id of another of the patient's domains is none of this one
        (Identity(patient_id="77", issuer=HOSPITAL, **BORN), Compared(differs="patient id")),
        # an issuer nobody knows: the same id counts, another one says nothing
        (Identity(patient_id="MRN1", issuer="ELSEWHERE"), Compared(agree=("patient id",))),
        (Identity(patient_id="9", issuer="ELSEWHERE", **BORN), Compared(agree=("birth date",))),
        (Identity(patient_id="9", **BORN), Compared(agree=("birth date",))),
    ],
)
def test_a_patient_id_contradicts_only_within_a_domain_both_sides_know(identity: Identity, told: Compared) -> None:
    assert check_of(KNOWN)(identity) == told


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (Identity(patient_id="MRN1", issuer="RADIOLOGY", **BORN), Compared(agree=("patient id", "birth date"))),
        (Identity(patient_id="MRN2", issuer="RADIOLOGY", **BORN), Compared(differs="patient id")),
        (Identity(patient_id="MRN2", **BORN), Compared(differs="patient id")),  # no issuer: the site said whose it is
        (
            Identity(patient_id="MRN1", issuer="ANNEX", **BORN),
            Compared(agree=("birth date",)),
        ),  # has none of its own there
    ],
)
def test_a_site_says_which_domain_an_issuer_is(identity: Identity, told: Compared) -> None:
    issuers = {"RADIOLOGY": HOSPITAL, "": HOSPITAL, "ANNEX": "http://annex.example"}
    assert check_of(KNOWN, issuers)(identity) == told


def test_an_id_that_differs_is_not_enough_to_tell_whose_images_they_are() -> None:
    known = Expected(identifiers=((HOSPITAL, "MRN1"),), sex="male")
    assert check_of(known)(Identity(patient_id="9", sex="M")) == Compared(agree=("sex",))
    assert not Compared(agree=("sex",)).known
