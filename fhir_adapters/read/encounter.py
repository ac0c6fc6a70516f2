"""Encounter (https://hl7.org/fhir/R4/encounter.html)."""

from __future__ import annotations

from msgspec import Struct, field

from fhir_adapters.read.datatypes import CodeableConcept, Coding, Period, Reference
from fhir_adapters.read.view import View


class HospitalizationView(Struct, gc=False):
    """Encounter.hospitalization: where the patient went."""

    dischargeDisposition: CodeableConcept | None = None  # noqa: N815


class EncounterView(View, tag="Encounter", gc=False):
    """A contact: visit, stay, telephone call."""

    status: str | None = None
    class_: Coding | None = field(default=None, name="class")
    type: list[CodeableConcept] | None = None
    subject: Reference | None = None
    period: Period | None = None
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    hospitalization: HospitalizationView | None = None
