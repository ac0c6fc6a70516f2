"""Whose images they are."""

from __future__ import annotations

import pytest

from cds_service.imaging.patient_check import Expected, check_of
from fhir_adapters.dicom.description import Identity

KNOWN = Expected(identifiers=("MRN1",), birth_date="19680203", sex="male")


@pytest.mark.parametrize(
    ("expected", "identity", "difference"),
    [
        (KNOWN, Identity(patient_id="MRN1", birth_date="19680203", sex="M"), ""),
        (KNOWN, Identity(patient_id="MRN1"), ""),
        (KNOWN, Identity(birth_date="19680203", sex="O"), ""),
        (KNOWN, Identity(patient_id="MRN2", birth_date="19680203"), "patient id"),
        (KNOWN, Identity(patient_id="MRN1", birth_date="19680204"), "birth date"),
        (KNOWN, Identity(patient_id="MRN1", sex="F"), "sex"),
        (Expected(sex="male"), Identity(patient_id="MRN1", sex="M"), "identity"),
        (KNOWN, Identity(), "identity"),
    ],
)
def test_images_are_the_patients_only_when_something_that_tells_people_apart_agrees_and_nothing_differs(
    expected: Expected, identity: Identity, difference: str
) -> None:
    told = check_of(expected)(identity)
    assert told.startswith(difference)
    assert bool(told) == bool(difference)
