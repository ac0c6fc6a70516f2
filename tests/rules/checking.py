"""Orders, allergies and events for the tests of checks, and short ways to run one rule."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from feeding_records import NOW, medication, record

from cds_service.record.facts import Allergy, Code, Event, Medication, Order, Record
from cds_service.rules.catalogue import Finding
from cds_service.rules.drugs import RXNORM
from cds_service.rules.evaluate import evaluate_orders, evaluate_record
from cds_service.rules.pack import Pack, load_pack

_numbers = count(5000)
CATEGORIES = {
    "imaging": Code("http://snomed.info/sct", "363679005", "Imaging"),
    "laboratory": Code("http://snomed.info/sct", "108252007", "Laboratory procedure"),
    "consult": Code("http://snomed.info/sct", "11429006", "Consultation"),
}


@cache
def pack(site: Path | None = None) -> Pack:
    """The pack as shipped, loaded once."""
    return load_pack(site)


def order(label: str, *, category: str = "", rxnorm: str = "", kind: str = "ServiceRequest", **more: Any) -> Order:
    """A draft. ``category``: imaging, laboratory, consult."""
    number = next(_numbers)
    codes = (Code(RXNORM, rxnorm),) if rxnorm else ()
    return Order(
        number=number,
        reference=f"{kind}/{number}",
        label=label,
        codes=more.pop("codes", codes),
        resource_type=kind,
        raw=b"{}",
        categories=(CATEGORIES[category],) if category else (),
        **more,
    )


def drug_order(label: str, *, rxnorm: str = "", **more: Any) -> Order:
    return order(label, rxnorm=rxnorm, kind="MedicationRequest", **more)


def imaging_order(label: str, **more: Any) -> Order:
    return order(label, category="imaging", **more)


def allergy(label: str, *manifestations: str, **more: Any) -> Allergy:
    number = next(_numbers)
    return Allergy(
        number=number,
        reference=f"AllergyIntolerance/{number}",
        label=label,
        manifestations=manifestations,
        type=more.pop("type", "allergy"),
        **more,
    )


def event(label: str, resource_type: str, *, hours: float = 1, **more: Any) -> Event:
    number = next(_numbers)
    return Event(
        number=number,
        reference=f"{resource_type}/{number}",
        label=label,
        resource_type=resource_type,
        time=NOW - timedelta(hours=hours),
        status=more.pop("status", "completed"),
        **more,
    )


def stay(category: str = "IMP", **more: Any) -> Event:
    """An open stay."""
    return event("Stay", "Encounter", hours=20, status="in-progress", category=category, **more)


def taking(*labels: str) -> list[Medication]:
    return [medication(label) for label in labels]


def on_record(rule: str, subject: Record, using: Pack | None = None) -> list[Finding]:
    """Findings of one rule about the patient, also where they stand inside another's."""
    return [part for f in evaluate_record(using or pack(), subject) for part in f.parts if part.rule.id == rule]


def on_orders(rule: str, subject: Record, using: Pack | None = None) -> list[Finding]:
    """Findings of one rule about the drafts."""
    return [f for f in evaluate_orders(using or pack(), subject) if f.rule.id == rule]


def one(findings: list[Finding]) -> Finding:
    """The only finding."""
    assert len(findings) == 1, [f.summary for f in findings]
    return findings[0]


def with_order(draft: Order, *readings: Any, **more: Any) -> Record:
    """A record with one draft."""
    return record(*readings, orders=[draft], **more)
