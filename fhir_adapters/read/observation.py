"""Observation with every kind of value, its components and its members (https://hl7.org/fhir/R4/observation.html)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from fhir_adapters.read import tolerant
from fhir_adapters.read.datatypes import (
    Annotation,
    CodeableConcept,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
    Timing,
)
from fhir_adapters.read.view import View


class ReferenceRange(Struct, gc=False):
    """Observation.referenceRange; a range with ``appliesTo`` or ``age`` is not for everybody."""

    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    appliesTo: list[CodeableConcept] | None = None  # noqa: N815
    age: Range | None = None


_CODE: msgspec.json.Decoder[CodeableConcept | None] = msgspec.json.Decoder(CodeableConcept | None)
_CONCEPTS = msgspec.json.Decoder(list[CodeableConcept] | None)
_RANGES = msgspec.json.Decoder(list[ReferenceRange] | None)
NONE = Raw(b"")


# A record repeats a few codes, flags and ranges hundreds of times: they are kept as written and read once.


def code_of(written: Raw) -> CodeableConcept | None:
    """``code``; None where there is none. Raises tolerant.Misfit where what stands there is no CodeableConcept."""
    if not memoryview(written).nbytes:
        return None
    try:
        return _CODE.decode(written)
    except (ValueError, RecursionError):
        return tolerant.single(written, CodeableConcept)


def interpretations(written: Raw) -> list[CodeableConcept]:
    """``interpretation``; empty where it cannot be read."""
    if not memoryview(written).nbytes:
        return []
    try:
        return _CONCEPTS.decode(written) or []
    except (ValueError, RecursionError):
        return tolerant.listed(written, CodeableConcept)


def ranges(written: Raw) -> list[ReferenceRange]:
    """``referenceRange``; empty where it cannot be read."""
    if not memoryview(written).nbytes:
        return []
    try:
        return _RANGES.decode(written) or []
    except (ValueError, RecursionError):
        return tolerant.listed(written, ReferenceRange)


class ComponentView(Struct, gc=False):
    """Observation.component: one measured part of a panel such as a blood pressure."""

    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    valueRatio: Ratio | None = None  # noqa: N815
    valueSampledData: Any = None  # noqa: N815
    valueTime: str | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    interpretation: Raw = NONE  # read by ``interpretations``
    referenceRange: Raw = NONE  # noqa: N815 - read by ``ranges``


class ObservationView(View, tag="Observation", gc=False):
    """A measurement or assertion. The value members are those of ComponentView."""

    status: str | None = None
    code: Raw = NONE  # read by ``code_of``
    subject: Reference | None = None
    focus: list[Reference] | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    effectiveInstant: str | None = None  # noqa: N815
    effectiveTiming: Timing | None = None  # noqa: N815
    issued: str | None = None
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    valueRatio: Ratio | None = None  # noqa: N815
    valueSampledData: Any = None  # noqa: N815
    valueTime: str | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    interpretation: Raw = NONE  # read by ``interpretations``
    referenceRange: Raw = NONE  # noqa: N815 - read by ``ranges``
    note: list[Annotation] | None = None
    identifier: list[Identifier] | None = None
    component: list[ComponentView] | None = None
    hasMember: list[Reference] | None = None  # noqa: N815
    modifierExtension: Any = None  # noqa: N815 - a member that changes the meaning in a way we cannot know
