"""ServiceRequest, DeviceRequest, NutritionOrder, VisionPrescription (https://hl7.org/fhir/R4/servicerequest.html).

MedicationRequest stands with the medications; ``orders.read_orders`` reads the drafts of a hook.
"""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Period, Reference, Timing
from fhir_adapters.read.view import View


class ServiceRequestView(View, tag="ServiceRequest", gc=False):
    """An order for an examination, a treatment or a consult."""

    status: str | None = None
    intent: str | None = None
    category: list[CodeableConcept] | None = None
    priority: str | None = None
    doNotPerform: bool | None = None  # noqa: N815
    code: CodeableConcept | None = None
    orderDetail: list[CodeableConcept] | None = None  # noqa: N815
    subject: Reference | None = None
    occurrenceDateTime: str | None = None  # noqa: N815
    occurrencePeriod: Period | None = None  # noqa: N815
    occurrenceTiming: Timing | None = None  # noqa: N815
    authoredOn: str | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    reasonReference: list[Reference] | None = None  # noqa: N815
    bodySite: list[CodeableConcept] | None = None  # noqa: N815
    note: list[Annotation] | None = None
    patientInstruction: str | None = None  # noqa: N815


class DeviceRequestView(View, tag="DeviceRequest", gc=False):
    """An order for a device."""

    status: str | None = None
    intent: str | None = None
    priority: str | None = None
    codeCodeableConcept: CodeableConcept | None = None  # noqa: N815
    codeReference: Reference | None = None  # noqa: N815
    subject: Reference | None = None
    occurrenceDateTime: str | None = None  # noqa: N815
    occurrencePeriod: Period | None = None  # noqa: N815
    authoredOn: str | None = None  # noqa: N815
    reasonCode: list[CodeableConcept] | None = None  # noqa: N815
    note: list[Annotation] | None = None


class OralDietView(Struct, gc=False):
    """NutritionOrder.oralDiet."""

    type: list[CodeableConcept] | None = None
    instruction: str | None = None


class SupplementView(Struct, gc=False):
    """NutritionOrder.supplement."""

    type: CodeableConcept | None = None
    productName: str | None = None  # noqa: N815
    instruction: str | None = None


class EnteralFormulaView(Struct, gc=False):
    """NutritionOrder.enteralFormula."""

    baseFormulaType: CodeableConcept | None = None  # noqa: N815
    baseFormulaProductName: str | None = None  # noqa: N815


class NutritionOrderView(View, tag="NutritionOrder", gc=False):
    """A diet, a supplement or a tube feed."""

    status: str | None = None
    intent: str | None = None
    patient: Reference | None = None
    dateTime: str | None = None  # noqa: N815
    oralDiet: OralDietView | None = None  # noqa: N815
    supplement: list[SupplementView] | None = None
    enteralFormula: EnteralFormulaView | None = None  # noqa: N815
    note: list[Annotation] | None = None


class LensView(Struct, gc=False):
    """VisionPrescription.lensSpecification."""

    product: CodeableConcept | None = None
    eye: str | None = None


class VisionPrescriptionView(View, tag="VisionPrescription", gc=False):
    """Glasses or lenses."""

    status: str | None = None
    patient: Reference | None = None
    dateWritten: str | None = None  # noqa: N815
    created: str | None = None
    lensSpecification: list[LensView] | None = None  # noqa: N815
