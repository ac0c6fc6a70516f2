"""What a prompt about a record is told: age, sex, numbered fact lines, what could not be seen. Never a name or an identifier."""

from __future__ import annotations

from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from cds_service.grounding.evidence.evidence import strings
from cds_service.grounding.language.suspicion import suspicious
from cds_service.record.facts import Event, Fact, Medication, Order, Person, Reading, Record
from cds_service.record.salience import Selection
from cds_service.record.wording import dated, line

UNKNOWN = "not recorded"
WITHHELD = "text withheld: it reads like an instruction"


def inputs(
    record: Record, selection: Selection, zone: ZoneInfo, *, order: Order | None = None, bare: bool = False
) -> dict[str, Any]:
    """The inputs and enums of ``prompts/record-summary`` for these facts; with an order also ``order``, which may be cited.

    ``bare`` leaves out whatever somebody typed: notes, conclusions, comments, reasons, dosage texts.
    """
    facts = [stripped(fact) for fact in selection.facts] if bare else selection.facts
    given = {
        "age": age(record),
        "sex": sex(record.person),
        "now": record.now.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        "facts": [fact_line(fact, zone) for fact in facts],
        "absent": [f"{a.what}: {a.reason.value}" for a in record.absences],
        "left_out": [f"{count} {kind}" for kind, count in selection.left_out.most_common()],
        "fact_ids": [fact.id for fact in selection.facts],
    }
    if order is not None:
        given["order"] = order_line(stripped(order) if bare else order, zone)
        given["fact_ids"] = [order.id, *given["fact_ids"]]
    return given


F = TypeVar("F", bound=Fact)


def stripped(fact: F) -> F:
    """A fact without the text somebody typed; its names, codes, values and times stay."""
    typed: dict[str, Any] = {"note": ""}
    if isinstance(fact, Event) or (isinstance(fact, Reading) and not fact.value_codes):
        typed["text"] = ""
    elif isinstance(fact, Medication):
        typed["dose"] = ""
    elif isinstance(fact, Order):
        typed |= {"reasons": (), "dose": ""}
    return replace(fact, **typed)


def typed(fact: Fact) -> bool:
    """True when a fact carries text somebody typed."""
    return stripped(fact) != fact


def order_line(order: Order, zone: ZoneInfo) -> str:
    """A draft order with what it is for: 'F60 · … · CT of chest · routine · draft order · for: dyspnoea'; like ``fact_line``."""
    said = fact_line(order, zone)
    reasons = "; ".join(order.reasons)
    return f"{said} · for: {reasons}" if reasons and WITHHELD not in said else said


def fact_line(fact: Fact, zone: ZoneInfo) -> str:
    """'F12 · 2026-11-20 08:10 · Potassium 6.1 mmol/L · ref 3.5–5.1 · high · Observation'; hostile text is withheld.

    Of its entry only the kind: the id in the EHR identifies, costs tokens, and is of no use to who cites by number.
    """
    kind = fact.reference.partition("/")[0]
    if any(suspicious(text) for text in strings(fact) if text):
        return f"{fact.id} · {dated(fact, zone)} · {WITHHELD} · {kind}"
    return f"{fact.id} · {line(fact, zone).removesuffix(fact.reference)}{kind}"


def age(record: Record) -> str:
    """'72 years'; months below two years; nothing finer."""
    years, months = record.person.age(record.now), record.person.age_months(record.now)
    if years is None or months is None or months < 0:
        return UNKNOWN
    return f"{years} years" if years >= 2 else f"{months} months"


def sex(person: Person) -> str:
    """Administrative sex as the record writes it, if it is one of FHIR's four codes."""
    return person.sex if person.sex in ("male", "female", "other") else UNKNOWN
