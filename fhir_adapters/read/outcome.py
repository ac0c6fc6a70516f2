"""OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html): what a server says went wrong."""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.read.datatypes import CodeableConcept
from fhir_adapters.read.view import View


class IssueView(Struct, gc=False):
    """OperationOutcome.issue as sent."""

    severity: str | None = None
    code: str | None = None
    details: CodeableConcept | None = None
    diagnostics: str | None = None


class OperationOutcomeView(View, tag="OperationOutcome", gc=False):
    """An outcome alone or inside a Bundle."""

    issue: list[IssueView] | None = None


class Issue(Struct, frozen=True):
    """One issue: severity (fatal, error, warning, information), issue-type code, words of the server (untrusted, bounded)."""

    severity: str
    code: str
    text: str = ""
