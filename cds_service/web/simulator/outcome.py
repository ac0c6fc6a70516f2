"""OperationOutcome, and the one exception by which an interaction of the server fails."""

from __future__ import annotations

import msgspec


class FhirError(Exception):
    """An interaction failed: HTTP status, R4 issue-type code and one sentence on what to mend."""

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.code = code
        self.diagnostics = diagnostics

    @property
    def body(self) -> bytes:
        """The OperationOutcome of this failure."""
        return outcome("error", self.code, self.diagnostics)


def outcome(severity: str, code: str, diagnostics: str) -> bytes:
    """An OperationOutcome with one issue (R4 §OperationOutcome)."""
    issue = {"severity": severity, "code": code, "diagnostics": diagnostics}
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})
