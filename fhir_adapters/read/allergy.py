"""AllergyIntolerance (https://hl7.org/fhir/R4/allergyintolerance.html)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from fhir_adapters.read.datatypes import Annotation, CodeableConcept, Period, Reference
from fhir_adapters.read.view import View


class ReactionView(Struct, gc=False):
    """AllergyIntolerance.reaction."""

    substance: CodeableConcept | None = None
    manifestation: list[CodeableConcept] | None = None
    description: str | None = None
    severity: str | None = None


class AllergyIntoleranceView(View, tag="AllergyIntolerance", gc=False):
    """A propensity to react, or the statement that none is known."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    type: str | None = None
    category: list[str] | None = None
    criticality: str | None = None
    code: CodeableConcept | None = None
    patient: Reference | None = None
    onsetDateTime: str | None = None  # noqa: N815
    onsetPeriod: Period | None = None  # noqa: N815
    recordedDate: str | None = None  # noqa: N815
    note: list[Annotation] | None = None
    reaction: list[ReactionView] | None = None
    modifierExtension: Any = None  # noqa: N815
