"""What a prompt about a record is told: age, sex, numbered fact lines, what could not be seen. Never a name or an identifier."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from cds_service.grounding.evidence import strings
from cds_service.grounding.suspicion import suspicious
from cds_service.record.facts import Fact, Person, Record
from cds_service.record.salience import Selection
from cds_service.record.wording import dated, line

UNKNOWN = "not recorded"
WITHHELD = "text withheld: it reads like an instruction"


def inputs(record: Record, selection: Selection, zone: ZoneInfo) -> dict[str, Any]:
    """The inputs and enums of ``prompts/record-summary`` for these facts."""
    return {
        "age": age(record),
        "sex": sex(record.person),
        "now": record.now.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        "facts": [fact_line(fact, zone) for fact in selection.facts],
        "absent": [f"{a.what}: {a.reason.value}" for a in record.absences],
        "left_out": [f"{count} {kind}" for kind, count in selection.left_out.most_common()],
        "fact_ids": [fact.id for fact in selection.facts],
    }


def fact_line(fact: Fact, zone: ZoneInfo) -> str:
    """'F12 · 2026-11-20 08:10 · Potassium 6.1 mmol/L · ref 3.5–5.1 · high · Observation/k1'; hostile text is withheld."""
    if any(suspicious(text) for text in strings(fact) if text):
        return f"{fact.id} · {dated(fact, zone)} · {WITHHELD} · {fact.reference}"
    return f"{fact.id} · {line(fact, zone)}"


def age(record: Record) -> str:
    """'72 years'; months below two years; nothing finer."""
    years, months = record.person.age(record.now), record.person.age_months(record.now)
    if years is None or months is None or months < 0:
        return UNKNOWN
    return f"{years} years" if years >= 2 else f"{months} months"


def sex(person: Person) -> str:
    """Administrative sex as the record writes it, if it is one of FHIR's four codes."""
    return person.sex if person.sex in ("male", "female", "other") else UNKNOWN
