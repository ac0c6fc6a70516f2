"""A draft: what a read of one study would say in the record, and what a person has decided about it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from cds_service.imaging.read import Read

Decided = Literal["waiting", "accepted", "edited", "rejected"]
Filed = Literal["", "partial", "preliminary", "entered-in-error"]


class Person(Struct, frozen=True, kw_only=True):
    """Who decides. ``reference`` is a Practitioner or PractitionerRole of the record the draft goes to."""

    reference: str  # 'Practitioner/demo-practitioner'
    display: str = ""


class Accept(Struct, frozen=True, kw_only=True, tag="accept"):
    """The person takes the report as it is drafted. ``version`` is the one they looked at; 0: whichever."""

    version: int = 0


class Edit(Struct, frozen=True, kw_only=True, tag="edit"):
    """The person takes it with a conclusion of their own wording."""

    conclusion: str
    version: int = 0


class Reject(Struct, frozen=True, kw_only=True, tag="reject"):
    """The person does not want it. What already stands in the record becomes entered-in-error."""

    reason: str = ""
    version: int = 0


Decision = Accept | Edit | Reject


class Draft(Struct, frozen=True, kw_only=True):
    """One draft as it is stored (sealed). Times are ISO 8601 with offset."""

    id: str  # in addresses: URL-safe, cannot be guessed
    identifier: str  # 'urn:uuid:…', DiagnosticReport.identifier in every record it is written to
    version: int  # grows with every change
    state: Decided  # what a person decided
    filed: Filed = ""  # the status under which it stands in the record, '' when it does not
    fault: str = ""  # why the last write-back did not succeed, in words for the person; '' when it did
    report: str = ""  # 'DiagnosticReport/ID' once it is written
    tenant: str
    patient: str  # logical id
    study_uid: str
    study_reference: str  # 'ImagingStudy/ID'
    encounter: str = ""  # logical id
    based_on: tuple[str, ...] = ()  # 'ServiceRequest/ID'
    read: Read
    created: str
    decided: str = ""  # when
    person: Person | None = None  # who
    decision: Decision | None = None
    structured_report: str = ""  # SOP Instance UID of the DICOM SR that was stored, '' when none was
    rejection_note: str = ""  # SOP Instance UID of the DICOM object that rejects it, '' when none was stored
    resources: Raw  # the transaction Bundle that files it unreviewed: status partial, nothing decided

    @property
    def settled(self) -> bool:
        """True when the record agrees with what was decided."""
        wanted = {"accepted": ("preliminary",), "edited": ("preliminary",), "rejected": ("", "entered-in-error")}
        return not self.fault and self.filed in wanted.get(self.state, ("", "partial"))

    @property
    def orphaned(self) -> bool:
        """True while a DICOM SR stands in the archive that no longer says what was decided, and nothing there says so."""
        return bool(self.structured_report) and self.state in ("edited", "rejected") and not self.rejection_note

    @property
    def notes(self) -> tuple[str, ...]:
        """What the audit trail is told of the archive: UIDs made of our own identifier, and what remains."""
        report, note = self.structured_report, self.rejection_note
        return tuple(
            text
            for given, text in (
                (report, f"structured-report:{report}"),
                (note, f"rejection-note:{note}"),
                (self.orphaned, "structured report remains in the archive"),
            )
            if given
        )

    def entries(self) -> list[dict[str, Any]]:
        """The entries of ``resources``."""
        found: list[dict[str, Any]] = msgspec.json.decode(self.resources)["entry"]
        return found

    def resource(self, resource_type: str) -> dict[str, Any]:
        """The first resource of a type in ``resources``."""
        found: dict[str, Any] = next(
            e["resource"] for e in self.entries() if e["resource"]["resourceType"] == resource_type
        )
        return found
