"""Patient (https://hl7.org/fhir/R4/patient.html) without names, addresses and contacts: nobody here needs them."""

from __future__ import annotations

from fhir_adapters.read.datatypes import Identifier
from fhir_adapters.read.view import View


class PatientView(View, tag="Patient", gc=False):
    """Who the record is about."""

    identifier: list[Identifier] | None = None  # compared with the patient of images, read by nothing else
    gender: str | None = None
    birthDate: str | None = None  # noqa: N815
    deceasedBoolean: bool | None = None  # noqa: N815
    deceasedDateTime: str | None = None  # noqa: N815
