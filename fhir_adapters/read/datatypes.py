"""FHIR R4 datatypes, only the members somebody reads (https://hl7.org/fhir/R4/datatypes.html). Numbers stay as written.

Every member may be missing or null. ``gc=False`` is safe because these are trees, and keeps thousands of them cheap.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct


class Coding(Struct, gc=False):
    """R4 Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Struct, gc=False):
    """R4 CodeableConcept. ``system`` and ``code`` are those of a lone Coding that was sent in its place."""

    coding: list[Coding] | None = None
    text: str | None = None
    system: str | None = None
    code: str | None = None
    display: str | None = None

    @property
    def codings(self) -> list[Coding]:
        """The codings, however they were sent."""
        if self.coding is not None:
            return self.coding
        return [Coding(self.system, self.code, self.display)] if self.code else []


class Identifier(Struct, gc=False):
    """R4 Identifier. Read only where results or imaging studies are matched by it."""

    system: str | None = None
    value: str | None = None


class Reference(Struct, gc=False):
    """R4 Reference."""

    reference: str | None = None
    type: str | None = None
    display: str | None = None


class Quantity(Struct, gc=False):
    """R4 Quantity; ``value`` keeps its digits (7.40 stays 7.40)."""

    value: Decimal | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Struct, gc=False):
    """R4 Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Struct, gc=False):
    """R4 Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Struct, gc=False):
    """R4 Period, dateTimes as written."""

    start: str | None = None
    end: str | None = None


class Timing(Struct, gc=False):
    """R4 Timing: only the listed events and its code."""

    event: list[str] | None = None
    code: CodeableConcept | None = None


class Annotation(Struct, gc=False):
    """R4 Annotation: the text alone."""

    text: str | None = None


class Attachment(Struct, gc=False):
    """R4 Attachment. ``data`` is base64; ``url`` is kept to say that it was not fetched."""

    contentType: str | None = None  # noqa: N815 - the specification's name
    data: str | None = None
    url: str | None = None
    title: str | None = None


class Meta(Struct, gc=False):
    """R4 Meta: which of two copies of one resource is the newer."""

    versionId: str | None = None  # noqa: N815
    lastUpdated: str | None = None  # noqa: N815


class DoseAndRate(Struct, gc=False):
    """R4 Dosage.doseAndRate."""

    doseQuantity: Quantity | None = None  # noqa: N815
    doseRange: Range | None = None  # noqa: N815
    rateQuantity: Quantity | None = None  # noqa: N815


class Dosage(Struct, gc=False):
    """R4 Dosage (and MedicationAdministration.dosage, whose ``dose`` stands beside)."""

    text: str | None = None
    patientInstruction: str | None = None  # noqa: N815
    timing: Timing | None = None
    route: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] | None = None  # noqa: N815
    dose: Quantity | None = None
