"""What a card must admit: parts of the record that were not obtained, were cut, or hold values no rule may use."""

from __future__ import annotations

from collections import Counter

from cds_service.record.facts import Reason, Record

NAMES = {
    "Observation": "observations",
    "Condition": "problems",
    "AllergyIntolerance": "allergies",
    "MedicationRequest": "medication orders",
    "MedicationStatement": "medication statements",
    "MedicationAdministration": "administered medications",
    "Encounter": "encounters",
    "Procedure": "procedures",
    "Immunization": "immunisations",
    "DiagnosticReport": "reports",
    "DocumentReference": "documents",
    "ImagingStudy": "imaging studies",
    "ServiceRequest": "placed orders",
}


def not_seen(record: Record) -> list[str]:
    """One line a reason. “None found” is an answer and is not listed here."""
    lines = []
    by_reason: dict[Reason, list[str]] = {}
    for absence in record.absences:
        if absence.reason is not Reason.NONE_FOUND:
            by_reason.setdefault(absence.reason, []).append(NAMES.get(absence.what, absence.what))
    lines += [f"{reason.value}: {', '.join(sorted(set(names)))}" for reason, names in by_reason.items()]
    if record.refused:
        reasons = Counter(r.refusal.value for r in record.refused if r.refusal is not None)
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        lines.append(f"{len(record.refused)} results were not used: {listed}")
    if record.faults:
        lines.append(f"{record.faults.total()} resources could not be read: " + ", ".join(sorted(record.faults)))
    lines += record.truncated
    return lines
