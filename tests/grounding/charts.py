"""Three charts written for these tests: an acutely ill adult, an older person with chronic disease, a child. Obviously synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.record.facts import (
    Allergy,
    Code,
    Event,
    Fact,
    Medication,
    Order,
    Person,
    Problem,
    Reading,
    Record,
)

ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Chart(Struct, frozen=True):
    """Facts by number, and whose they are."""

    person: Person
    facts: Sequence[Fact]

    def fact(self, number: int) -> Fact:
        return next(f for f in self.facts if f.number == number)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text if len(text) > 10 else text + "T00:00").replace(tzinfo=UTC)


def reading(number: int, concept: str, label: str, value: str, unit: str, when: str, **more: object) -> Reading:
    values = {"low": None, "high": None} | more
    for bound in ("low", "high"):
        if isinstance(values[bound], str):
            values[bound] = Decimal(values[bound])
    return Reading(
        number=number,
        reference=f"Observation/o{number}",
        label=label,
        concept=concept,
        value=Decimal(value) if value else None,
        unit=unit,
        time=at(when),
        time_text=when,
        status="final",
        **values,  # type: ignore[arg-type]
    )


def problem(
    number: int, label: str, when: str, *, status: str = "active", listed: bool = True, **more: object
) -> Problem:
    # As the record builds it: what is refuted is not active, whatever its clinical status.
    active = listed and status in ("active", "recurrence", "relapse") and not more.get("negated")
    return Problem(
        number=number,
        reference=f"Condition/c{number}",
        label=label,
        time=at(when) if len(when) >= 10 else None,
        time_text=when,
        clinical_status=status,
        active=active,
        **{"verification": "confirmed", "category": "problem-list-item"} | more,  # type: ignore[arg-type]
    )


def medication(number: int, label: str, dose: str, when: str, *, active: bool = True, **more: object) -> Medication:
    return Medication(
        number=number,
        reference=f"MedicationRequest/m{number}",
        label=label,
        dose=dose,
        time=at(when),
        time_text=when,
        status="active" if active else "stopped",
        resource_type="MedicationRequest",
        intent="order",
        active=active,
        **more,  # type: ignore[arg-type]
    )


def event(number: int, kind: str, label: str, when: str, *, status: str = "completed", **more: object) -> Event:
    return Event(
        number=number,
        reference=f"{kind}/e{number}",
        resource_type=kind,
        label=label,
        time=at(when),
        time_text=when,
        status=status,
        **more,  # type: ignore[arg-type]
    )


def allergy(number: int, label: str, **more: object) -> Allergy:
    return Allergy(number=number, reference=f"AllergyIntolerance/a{number}", label=label, **more)  # type: ignore[arg-type]


ACUTE = Chart(
    Person(reference="Patient/demo-acute", sex="female", birth_date=date(1954, 3, 2), birth_precision="day"),
    [
        reading(1, "potassium", "Potassium", "6.1", "mmol/L", "2026-11-20T08:10", low="3.5", high="5.1", flags=("H",)),
        reading(2, "potassium", "Potassium", "4.9", "mmol/L", "2026-11-18T07:55", low="3.5", high="5.1", flags=("N",)),
        reading(3, "creatinine", "Creatinine", "2.34", "mg/dL", "2026-11-20T08:10", low="0.6", high="1.1", flags=("H",)),
        reading(4, "creatinine", "Creatinine", "0.98", "mg/dL", "2026-11-17T09:30", low="0.6", high="1.1"),
        reading(5, "sodium", "Sodium", "138", "mmol/L", "2026-11-20T08:10", low="135", high="145", flags=("N",)),
        reading(6, "systolic_bp", "Systolic blood pressure", "92", "mm[Hg]", "2026-11-20T09:00"),
        reading(7, "diastolic_bp", "Diastolic blood pressure", "54", "mm[Hg]", "2026-11-20T09:00"),
        reading(8, "heart_rate", "Heart rate", "118", "/min", "2026-11-20T09:00"),
        reading(9, "respiratory_rate", "Respiratory rate", "26", "/min", "2026-11-20T09:00"),
        reading(10, "lactate", "Lactate", "4.2", "mmol/L", "2026-11-20T08:10", high="2.0", flags=("HH",)),
        reading(11, "crp", "C reactive protein", "212", "mg/L", "2026-11-20T08:10", high="5", flags=("H",)),
        reading(12, "crp", "C reactive protein", "38", "mg/L", "2026-11-18T07:55", high="5", flags=("H",)),
        reading(13, "troponin_i", "Troponin I", "4", "ng/L", "2026-11-20T08:10", comparator="<", high="26"),
        reading(14, "", "SARS-CoV-2 RNA", "", "", "2026-11-19T20:00", text="Not detected"),
        reading(15, "leukocytes", "Leukocytes", "18.4", "10*3/uL", "2026-11-20T08:10", low="4.0", high="11.0", flags=("H",)),
        reading(16, "oxygen_saturation", "Oxygen saturation", "91", "%", "2026-11-20T09:00"),
        reading(17, "body_temperature", "Body temperature", "38.9", "Cel", "2026-11-20T09:00"),
        problem(20, "Sepsis", "2026-11-20"),
        problem(21, "Acute kidney injury", "2026-11-20", category="encounter-diagnosis"),
        problem(22, "Community acquired pneumonia of right lower lobe", "2026-11-19"),
        problem(23, "Pulmonary embolism", "2026-11-19", negated=True, verification="refuted"),
        problem(24, "Type 2 diabetes mellitus without retinopathy", "2011-05-03"),
        problem(25, "Fracture of left femur", "2003-07-14", status="resolved", end=at("2004-02-01")),
        allergy(30, "Penicillin", criticality="high", severity="severe", manifestations=("Anaphylaxis",),
                category=("medication",), type="allergy", time=at("1999-06-01"), time_text="1999-06-01"),
        medication(40, "Lisinopril 10 MG Oral Tablet", "10 mg once daily", "2026-02-11"),
        medication(41, "Metformin hydrochloride 500 MG Oral Tablet", "500 mg twice daily", "2019-08-30"),
        medication(42, "Ibuprofen 400 MG Oral Tablet", "400 mg every 8 hours", "2026-11-10", active=False),
        medication(43, "Ceftriaxone 1 g injection", "1 g every 24 hours", "2026-11-20T09:20"),
        event(50, "Encounter", "Emergency department visit", "2026-11-20T07:40", status="in-progress", category="EMER"),
        event(51, "DiagnosticReport", "Chest radiograph", "2026-11-20T08:45", status="final",
              text="Right lower lobe consolidation. No pleural effusion or pneumothorax.", modalities=("DX",)),
        event(52, "Procedure", "Appendectomy", "1988-10-05"),
        Order(number=60, reference="ServiceRequest/draft1", label="CT of chest with contrast", raw=b"{}",
              resource_type="ServiceRequest", status="draft", priority="routine", modalities=("CT",)),
    ],
)  # fmt: skip

CHRONIC = Chart(
    Person(reference="Patient/demo-chronic", sex="male", birth_date=date(1947, 8, 9), birth_precision="day"),
    [
        reading(1, "egfr", "eGFR", "38", "mL/min/{1.73_m2}", "2026-11-02T10:00", low="60"),
        reading(2, "egfr", "eGFR", "52", "mL/min/{1.73_m2}", "2025-10-20T10:00", low="60"),
        reading(3, "haemoglobin", "Haemoglobin", "10.2", "g/dL", "2026-11-02T10:00", low="13.0", high="17.0", flags=("L",)),
        reading(4, "haemoglobin", "Haemoglobin", "12.8", "g/dL", "2026-05-12T10:00", low="13.0", high="17.0", flags=("L",)),
        reading(5, "inr", "INR", "2.6", "{INR}", "2026-11-02T10:00"),
        reading(6, "hba1c", "Haemoglobin A1c", "7.9", "%", "2026-11-02T10:00", high="5.6", flags=("H",)),
        reading(7, "body_weight", "Body weight", "84.5", "kg", "2026-11-02T09:45"),
        reading(8, "ldl", "LDL cholesterol", "71", "mg/dL", "2026-11-02T10:00", high="100", flags=("N",)),
        reading(9, "ldl", "LDL cholesterol", "131", "mg/dL", "2025-10-20T10:00", high="100", flags=("H",)),
        reading(10, "smoking_status", "Tobacco smoking status", "", "", "2026-11-02T09:45", text="Former smoker"),
        reading(11, "tsh", "TSH", "2.1", "m[IU]/L", "2026-11-02T10:00", low="0.4", high="4.0", flags=("N",)),
        reading(12, "glucose", "Glucose", "180", "mg/dL", "2026-11-02T10:00", low="70", high="99", flags=("H",)),
        problem(20, "Atrial fibrillation", "2018-03-11"),
        problem(21, "Chronic kidney disease stage 3", "2020-01-15"),
        problem(22, "Heart failure", "2021-06-30"),
        problem(23, "Essential hypertension", "2001-09-04"),
        problem(24, "Osteoarthritis of right knee", "2015-04-22"),
        problem(25, "Malignant tumor of prostate", "2009-02-10", status="remission", end=at("2010-12-01")),
        problem(26, "Family history of colon cancer", "2012", note="family history", listed=False),
        allergy(30, "No known allergies", negated=True, no_known=True),
        medication(40, "Warfarin 5 MG Oral Tablet", "5 mg once daily", "2018-03-20"),
        medication(41, "Furosemide 40 MG Oral Tablet", "40 mg each morning", "2021-07-02"),
        medication(42, "Bisoprolol 2.5 MG Oral Tablet", "2.5 mg once daily", "2021-07-02"),
        medication(43, "Digoxin 125 MCG Oral Tablet", "125 mcg once daily", "2018-04-01", active=False, end=at("2020-02-14")),
        event(50, "Encounter", "Hospital admission for heart failure", "2026-09-03T16:00", category="IMP",
              status="finished", start=at("2026-09-03T16:00"), end=at("2026-09-09T11:00")),
        event(51, "Procedure", "Total replacement of left hip", "2016-01-19"),
        event(52, "Immunization", "Influenza vaccine", "2026-10-06"),
        event(53, "DiagnosticReport", "Echocardiogram", "2026-09-04T13:00", status="final",
              text="Ejection fraction 38 %. Mild mitral regurgitation. No pericardial effusion."),
        event(54, "ServiceRequest", "Colonoscopy", "2026-11-02T11:00", status="active"),
        event(55, "Appointment", "Cardiology clinic", "2026-12-14T09:00", status="booked"),
    ],
)  # fmt: skip

CHILD = Chart(
    Person(reference="Patient/demo-child", sex="male", birth_date=date(2020, 5, 17), birth_precision="day"),
    [
        reading(1, "body_weight", "Body weight", "21.3", "kg", "2026-11-19T15:00"),
        reading(2, "oxygen_saturation", "Oxygen saturation", "93", "%", "2026-11-19T15:00"),
        reading(3, "oxygen_saturation", "Oxygen saturation", "97", "%", "2026-11-20T10:30"),
        reading(4, "respiratory_rate", "Respiratory rate", "34", "/min", "2026-11-19T15:00"),
        reading(5, "respiratory_rate", "Respiratory rate", "24", "/min", "2026-11-20T10:30"),
        reading(6, "", "Influenza A antigen", "", "", "2026-11-19T15:30", text="Positive"),
        reading(7, "", "Streptococcus A antigen", "", "", "2026-11-19T15:30", text="Negative"),
        reading(8, "bilirubin_total", "Bilirubin, total", "1.0", "mg/dL", "2026-11-19T15:00", written="17.1 umol/L"),
        problem(20, "Asthma", "2023-09-12"),
        problem(21, "Acute otitis media of left ear", "2025-01-08", status="resolved"),
        problem(22, "Foreign body in right ear", "2024-06-02", negated=True, verification="entered-in-error"),
        problem(23, "Low back pain", "2026-08-01"),
        allergy(30, "Peanut", criticality="high", manifestations=("Urticaria",), category=("food",), type="allergy"),
        allergy(31, "Amoxicillin", negated=True),
        medication(40, "Salbutamol 100 MCG inhaler", "2 puffs as needed", "2023-09-12"),
        medication(41, "Prednisolone 5 MG soluble tablet", "20 mg once daily for 3 days", "2026-11-19"),
        event(50, "Encounter", "Ambulatory visit", "2026-11-19T14:50", category="AMB", status="finished"),
        event(51, "Procedure", "Insertion of bilateral tympanostomy tubes", "2025-03-21"),
        event(52, "DocumentReference", "Discharge note", "2026-11-19T18:00", status="current",
              text="Mother has asthma. Viral wheeze improving after salbutamol."),
    ],
)  # fmt: skip

CHARTS = {"acute": ACUTE, "chronic": CHRONIC, "child": CHILD}


def record(chart: Chart) -> Record:
    """The chart as a Record, for the summarising path."""

    def of(kind: type, *types: str) -> list:  # type: ignore[type-arg]
        found = [f for f in chart.facts if isinstance(f, kind) and (not types or f.resource_type in types)]
        return sorted(found, key=lambda f: (f.time is not None, f.time or NOW), reverse=True)

    readings: dict[str, list[Reading]] = {}
    for fact in of(Reading):
        readings.setdefault(fact.concept, []).append(fact)
    return Record(
        now=NOW,
        person=chart.person,
        readings={k: v for k, v in readings.items() if k},
        others=readings.get("", []),
        problems=of(Problem),
        allergies=of(Allergy),
        medications=of(Medication),
        encounters=of(Event, "Encounter", "Appointment"),
        procedures=of(Event, "Procedure"),
        immunizations=of(Event, "Immunization"),
        reports=of(Event, "DiagnosticReport"),
        documents=of(Event, "DocumentReference"),
        requests=of(Event, "ServiceRequest"),
        orders=of(Order),
    )


def code(system: str, value: str, display: str = "") -> Code:
    return Code(system, value, display)
