"""DiagnosticReport and DocumentReference (https://hl7.org/fhir/R4/diagnosticreport.html).

Attachments are never fetched.
"""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.read.datatypes import Attachment, CodeableConcept, Identifier, Period, Reference
from fhir_adapters.read.view import View


class DiagnosticReportView(View, tag="DiagnosticReport", gc=False):
    """A report; its results are Observations of their own."""

    identifier: list[Identifier] | None = None
    status: str | None = None
    category: list[CodeableConcept] | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    issued: str | None = None
    result: list[Reference] | None = None
    imagingStudy: list[Reference] | None = None  # noqa: N815
    conclusion: str | None = None
    conclusionCode: list[CodeableConcept] | None = None  # noqa: N815
    presentedForm: list[Attachment] | None = None  # noqa: N815


class ContentView(Struct, gc=False):
    """DocumentReference.content."""

    attachment: Attachment | None = None


class DocumentReferenceView(View, tag="DocumentReference", gc=False):
    """A note or another document."""

    status: str | None = None
    docStatus: str | None = None  # noqa: N815
    type: CodeableConcept | None = None
    category: list[CodeableConcept] | None = None
    subject: Reference | None = None
    date: str | None = None
    description: str | None = None
    content: list[ContentView] | None = None
