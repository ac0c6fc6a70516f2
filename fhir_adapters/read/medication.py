"""Medication, MedicationRequest, MedicationStatement, MedicationAdministration (https://hl7.org/fhir/R4/medicationrequest.html)."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Dosage, Period, Reference
from fhir_adapters.read.view import View


class IngredientView(Struct, gc=False):
    """Medication.ingredient."""

    itemCodeableConcept: CodeableConcept | None = None  # noqa: N815
    isActive: bool | None = None  # noqa: N815


class MedicationView(View, tag="Medication", gc=False):
    """What a medication reference points at."""

    code: CodeableConcept | None = None
    form: CodeableConcept | None = None
    ingredient: list[IngredientView] | None = None


class DispenseRequestView(Struct, gc=False):
    """MedicationRequest.dispenseRequest: how long the prescription is valid."""

    validityPeriod: Period | None = None  # noqa: N815


class MedicationRequestView(View, tag="MedicationRequest", gc=False):
    """A prescription or an order of the record, or a draft."""

    status: str | None = None
    intent: str | None = None
    category: list[CodeableConcept] | None = None
    priority: str | None = None
    doNotPerform: bool | None = None  # noqa: N815
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    contained: list[Raw] | None = None
    subject: Reference | None = None
    authoredOn: str | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    note: list[Annotation] | None = None
    dosageInstruction: list[Dosage] | None = None  # noqa: N815
    dispenseRequest: DispenseRequestView | None = None  # noqa: N815
    modifierExtension: Any = None  # noqa: N815


class MedicationStatementView(View, tag="MedicationStatement", gc=False):
    """What somebody says the patient takes."""

    status: str | None = None
    category: CodeableConcept | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    contained: list[Raw] | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    dateAsserted: str | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    note: list[Annotation] | None = None
    dosage: list[Dosage] | None = None
    modifierExtension: Any = None  # noqa: N815


class MedicationAdministrationView(View, tag="MedicationAdministration", gc=False):
    """What was given."""

    status: str | None = None
    category: CodeableConcept | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    contained: list[Raw] | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    note: list[Annotation] | None = None
    dosage: Dosage | None = None
    modifierExtension: Any = None  # noqa: N815
