"""Patient (https://hl7.org/fhir/R4/patient.html) without names, identifiers, addresses and contacts: nobody here needs them."""

from __future__ import annotations

from fhir_adapters.read.view import View


class PatientView(View, tag="Patient", gc=False):
    """Who the record is about."""

    gender: str | None = None
    birthDate: str | None = None  # noqa: N815
    deceasedBoolean: bool | None = None  # noqa: N815
    deceasedDateTime: str | None = None  # noqa: N815
