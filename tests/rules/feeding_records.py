"""Small records written by hand: readings, problems, procedures around one moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from cds_service.record.facts import Code, Event, Medication, Person, Problem, Reading, Record

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
_numbers = count(1)


def reading(concept: str, value: Any = None, *, hours: float = 1, days: float = 0, **more: Any) -> Reading:
    """One observation ``days``, else ``hours``, before NOW, in the concept's canonical unit."""
    number = next(_numbers)
    hours = 0 if days else hours
    return Reading(
        number=number,
        reference=f"Observation/{number}",
        label=concept,
        concept=concept,
        time=more.pop("time", NOW - timedelta(hours=hours, days=days)),
        value=None if value is None else Decimal(str(value)),
        **more,
    )


def creatinine(value: Any, *, hours: float = 1, days: float = 0, **more: Any) -> Reading:
    return reading("creatinine", value, hours=hours, days=days, unit="mg/dL", **more)


def creatinine_umol(value: Any, *, hours: float = 1, days: float = 0) -> Reading:
    """A creatinine the source wrote in µmol/L."""
    written = Decimal(str(value))
    return creatinine(
        written / Decimal("88.42"),
        hours=hours,
        days=days,
        written=f"{value} umol/L",
        written_value=written,
        written_unit="umol/L",
    )


def vitals(hours: float = 1, **change: Any) -> list[Reading]:
    """A complete, normal set of NEWS2 observations; a key set to None is left out."""
    numbers = {"respiratory_rate": 16, "oxygen_saturation": 97, "systolic_bp": 120, "heart_rate": 70}
    values: dict[str, Any] = {**numbers, "body_temperature": 37, "consciousness": "A", "oxygen_therapy": "room air"}
    values |= change
    made = []
    for concept, value in values.items():
        if isinstance(value, str):
            made.append(reading(concept, text=value, hours=hours))
        elif value is not None:
            made.append(reading(concept, value, hours=hours))
    return made


def problem(label: str = "", *, snomed: str = "", icd10: str = "", days: float | None = 30, **more: Any) -> Problem:
    number = next(_numbers)
    codes = tuple(Code(system, code) for system, code in ((SNOMED, snomed), (ICD10, icd10)) if code)
    time = None if days is None else NOW - timedelta(days=days)
    return Problem(
        number=number, reference=f"Condition/{number}", label=label or "coded", codes=codes, time=time, **more
    )


def procedure(label: str = "", *, snomed: str = "", days: float = 1, status: str = "completed") -> Event:
    number = next(_numbers)
    return Event(
        number=number,
        reference=f"Procedure/{number}",
        label=label or "coded",
        codes=(Code(SNOMED, snomed),) if snomed else (),
        time=NOW - timedelta(days=days),
        resource_type="Procedure",
        status=status,
    )


def medication(label: str, **more: Any) -> Medication:
    number = next(_numbers)
    return Medication(
        number=number,
        reference=f"MedicationRequest/{number}",
        label=label,
        resource_type="MedicationRequest",
        **more,
    )


def record(
    *readings: Reading, sex: str = "male", born: date | None = date(1960, 1, 1), deceased: bool = False, **more: Any
) -> Record:
    """A record of one patient, aged 66 unless told otherwise; readings sorted newest first as the fact table is."""
    series: dict[str, list[Reading]] = {}
    oldest = datetime.min.replace(tzinfo=UTC)
    for item in sorted(readings, key=lambda r: r.time or oldest, reverse=True):
        series.setdefault(item.concept, []).append(item)
    person = Person(
        reference="Patient/demo",
        sex=sex,
        birth_date=born,
        birth_precision="" if born is None else "day",
        deceased=deceased,
    )
    return Record(now=NOW, person=person, readings=series, **more)


def born(years: float = 0, *, months: int = 0, days: int = 0) -> date:
    """The birth date of somebody of this age at NOW."""
    return (NOW - timedelta(days=round(years * 365.25) + round(months * 30.44) + days)).date()
