"""Condition (https://hl7.org/fhir/R4/condition.html)."""

from __future__ import annotations

from typing import Any

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Period, Reference
from fhir_adapters.read.view import View


class ConditionView(View, tag="Condition", gc=False):
    """A problem or diagnosis."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    category: list[CodeableConcept] | None = None
    severity: CodeableConcept | None = None
    code: CodeableConcept | None = None
    bodySite: list[CodeableConcept] | None = None  # noqa: N815
    subject: Reference | None = None
    onsetDateTime: str | None = None  # noqa: N815
    onsetPeriod: Period | None = None  # noqa: N815
    onsetString: str | None = None  # noqa: N815
    abatementDateTime: str | None = None  # noqa: N815
    abatementPeriod: Period | None = None  # noqa: N815
    abatementString: str | None = None  # noqa: N815
    abatementBoolean: bool | None = None  # noqa: N815 - older servers
    abatementAge: Any = None  # noqa: N815
    recordedDate: str | None = None  # noqa: N815
    note: list[Annotation] | None = None
    modifierExtension: Any = None  # noqa: N815
