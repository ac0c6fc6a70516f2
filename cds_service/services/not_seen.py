"""What a card must admit: parts of the record that were not obtained, were cut, or hold values no rule may use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.grounding.language.suspicion import suspicious
from cds_service.record import wording
from cds_service.record.facts import LACKING, Absence, Reading, Reason, Record, Refusal
from cds_service.record.observations import unmatched

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
PARTS = {  # of one type there are several: by prefetch key
    "vital-signs": "vital signs",
    "laboratory": "laboratory results",
    "status-observations": "code status and pregnancy observations",
}
WEIGHTY = ("Observation", "AllergyIntolerance", "MedicationRequest", "Condition")


def name_of(absence: Absence) -> str:
    """What is absent, in words: 'vital signs' where other observations were seen."""
    return PARTS.get(absence.part) or NAMES.get(absence.what, absence.what)


def lacking(record: Record) -> list[str]:
    """Of the parts that most findings come from those that were refused, failed or unreadable, weightiest first."""
    lost = {absence.what for absence in record.absences if absence.reason in LACKING}
    return [NAMES[what] for what in WEIGHTY if what in lost]


def not_seen(record: Record) -> list[str]:
    """One line a reason. “None found” is an answer and is not listed here."""
    lines = []
    by_reason: dict[Reason, list[str]] = {}
    for absence in record.absences:
        if absence.reason is not Reason.NONE_FOUND:
            by_reason.setdefault(absence.reason, []).append(name_of(absence))
    lines += [f"{reason.value}: {', '.join(sorted(set(names)))}" for reason, names in by_reason.items()]
    if record.refused:
        count = len(record.refused)
        lines.append(f"{count} result{' was' if count == 1 else 's were'} not used: {_refused(record.refused)}")
    lines += _unjudged(record)
    if record.faults:
        lines.append(f"{record.faults.total()} resources could not be read: " + ", ".join(sorted(record.faults)))
    lines += record.truncated
    return lines


def _unjudged(record: Record) -> list[str]:
    """Results that stand on the card though no rule could look at them: 'no rule judged Potassium 6.9 mmol/L on …'."""
    why = {
        "code is not known here": unmatched.uncoded(record),
        "date is not exact": unmatched.inexact(record),
    }
    lines = []
    for reason, readings in why.items():
        if readings:
            lines.append(f"no rule judged results whose {reason}: {_named(readings)}")
    return lines


def _refused(readings: Iterable[Reading]) -> str:
    """Each reason with the results it stands for: 'no value (Potassium “haemolysed, please repeat” on 2026-11-20)'.

    Of another patient's results the number is said and nothing else: their values belong on no card of this one.
    """
    by_reason: dict[Refusal, list[Reading]] = {}
    for reading in readings:
        if reading.refusal is not None:
            by_reason.setdefault(reading.refusal, []).append(reading)
    return "; ".join(
        f"{reason.value} ({len(refused) if reason is Refusal.OTHER_PATIENT else _named(refused)})"
        for reason, refused in by_reason.items()
    )


def _named(readings: Sequence[Reading]) -> str:
    """The first few as they may be printed, and how many more: a dirty record holds thousands."""
    more = f" and {len(readings) - NAMED} more" if len(readings) > NAMED else ""
    return ", ".join(_refused_reading(reading) for reading in readings[:NAMED]) + more


def _refused_reading(reading: Reading) -> str:
    """The name, what the source wrote where it may be read, and the day or what stands for it."""
    said = reading.time_text[:10]
    day = f"on {said}" if len(said) == len("2026-11-20") else f"dated {said}" if said else ""
    name = "a result whose name is withheld" if suspicious(reading.label) else reading.label
    return " ".join(part for part in (name, written(reading), day) if part)


def written(reading: Reading) -> str:
    """What the source wrote of a value no rule may use: '88.4 mg/dL', '“haemolysed, please repeat”'; '' where nothing that
    may be quoted."""
    said = reading.written or (f"“{reading.text[:60]}”" if reading.text and not suspicious(reading.text) else "")
    return said or (wording.value(reading) if reading.value is not None else "")
