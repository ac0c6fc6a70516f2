"""What a card must admit: parts of the record that were not obtained, were cut, or hold values no rule may use."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.record import wording
from cds_service.record.facts import Reading, Reason, Record

NAMED = 3  # results named for each reason
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
        lines.append(f"{len(record.refused)} results were not used: {_refused(record.refused)}")
    if record.faults:
        lines.append(f"{record.faults.total()} resources could not be read: " + ", ".join(sorted(record.faults)))
    lines += record.truncated
    return lines


def _refused(readings: Iterable[Reading]) -> str:
    """Each reason with the results it stands for: 'no value (Potassium “haemolysed, please repeat” on 2026-11-20)'."""
    by_reason: dict[str, list[str]] = {}
    for reading in readings:
        if reading.refusal is not None:
            by_reason.setdefault(reading.refusal.value, []).append(_refused_reading(reading))
    said = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        said.append(f"{reason} ({', '.join(names[:NAMED])}{more})")
    return "; ".join(said)


def _refused_reading(reading: Reading) -> str:
    """The name, what the source wrote where it may be read, and the day or what stands for it."""
    said = reading.time_text[:10]
    day = f"on {said}" if len(said) == len("2026-11-20") else f"dated {said}" if said else ""
    return " ".join(part for part in (reading.label, written(reading), day) if part)


def written(reading: Reading) -> str:
    """What the source wrote of a value no rule may use: '88.4 mg/dL', '“haemolysed, please repeat”'; '' where nothing."""
    said = reading.written or (f"“{reading.text[:60]}”" if reading.text else "")
    return said or (wording.value(reading) if reading.value is not None else "")
