"""Goal, Consent and Flag (https://hl7.org/fhir/R4/consent.html): where sites file code status and targets."""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Period, Quantity, Range, Reference
from fhir_adapters.read.view import View


class TargetView(Struct, gc=False):
    """Goal.target."""

    measure: CodeableConcept | None = None
    detailQuantity: Quantity | None = None  # noqa: N815
    detailRange: Range | None = None  # noqa: N815
    detailString: str | None = None  # noqa: N815
    detailCodeableConcept: CodeableConcept | None = None  # noqa: N815


class GoalView(View, tag="Goal", gc=False):
    """What is aimed at."""

    lifecycleStatus: str | None = None  # noqa: N815
    category: list[CodeableConcept] | None = None
    description: CodeableConcept | None = None
    subject: Reference | None = None
    startDate: str | None = None  # noqa: N815
    statusDate: str | None = None  # noqa: N815
    target: list[TargetView] | None = None
    note: list[Annotation] | None = None


class ProvisionView(Struct, gc=False):
    """Consent.provision: whether the named thing is permitted or denied."""

    type: str | None = None
    period: Period | None = None
    code: list[CodeableConcept] | None = None


class ConsentView(View, tag="Consent", gc=False):
    """Advance directives among other consents; ``scope`` and ``category`` tell which."""

    status: str | None = None
    scope: CodeableConcept | None = None
    category: list[CodeableConcept] | None = None
    patient: Reference | None = None
    dateTime: str | None = None  # noqa: N815
    provision: ProvisionView | None = None


class FlagView(View, tag="Flag", gc=False):
    """A warning shown with the patient."""

    status: str | None = None
    category: list[CodeableConcept] | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    period: Period | None = None
