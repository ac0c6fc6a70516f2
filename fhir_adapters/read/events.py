"""Procedure, Immunization and ImagingStudy (https://hl7.org/fhir/R4/resourcelist.html): things done to the patient."""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Coding, Identifier, Period, Reference
from fhir_adapters.read.view import View


class ProcedureView(View, tag="Procedure", gc=False):
    """A procedure done, under way, or not done."""

    status: str | None = None
    category: CodeableConcept | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performedDateTime: str | None = None  # noqa: N815
    performedPeriod: Period | None = None  # noqa: N815
    performedString: str | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    bodySite: list[CodeableConcept] | None = None  # noqa: N815
    outcome: CodeableConcept | None = None
    note: list[Annotation] | None = None


class ImmunizationView(View, tag="Immunization", gc=False):
    """A vaccination given or not given."""

    status: str | None = None
    statusReason: CodeableConcept | None = None  # noqa: N815
    vaccineCode: CodeableConcept | None = None  # noqa: N815
    patient: Reference | None = None
    occurrenceDateTime: str | None = None  # noqa: N815
    occurrenceString: str | None = None  # noqa: N815
    site: CodeableConcept | None = None


class SeriesView(Struct, gc=False):
    """ImagingStudy.series."""

    uid: str | None = None
    modality: Coding | None = None
    bodySite: Coding | None = None  # noqa: N815
    description: str | None = None


class ImagingStudyView(View, tag="ImagingStudy", gc=False):
    """A DICOM study; identifiers hold its UID as ``urn:oid:…`` (or, wrongly, ``urn:dicom:uid``)."""

    identifier: list[Identifier] | None = None
    status: str | None = None
    modality: list[Coding] | None = None
    subject: Reference | None = None
    started: str | None = None
    procedureCode: list[CodeableConcept] | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    description: str | None = None
    endpoint: list[Reference] | None = None
    series: list[SeriesView] | None = None
