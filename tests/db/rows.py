"""Rows as the rooms queue them."""

from __future__ import annotations

from typing import Any


def audit_row(identity: str, **members: Any) -> dict[str, Any]:
    """An audit event."""
    row: dict[str, Any] = {
        "id": identity,
        "at": 1_790_000_000_000,
        "kind": "hook",
        "client": "https://ehr.example.org",
        "service": "patient-summary",
        "outcome": "complete",
        "patient": "0123456789abcdef",
        "detail": "{}",
    }
    return row | members


def quiet_row(**members: Any) -> dict[str, Any]:
    """A quietness."""
    row: dict[str, Any] = {"who": "who", "finding": "finding", "sealed": b"1", "outcome": "overridden", "until": 1_000}
    return row | members
