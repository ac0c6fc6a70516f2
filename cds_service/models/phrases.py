"""Facts in words, one clause each, for the extractive engine. Only words of the fact and reviewed connectives are used."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cds_service.grounding.evidence.evidence import SHOWN, supposed
from cds_service.grounding.evidence.literal import measured, name, reason
from cds_service.grounding.evidence.source import source
from cds_service.record.facts import Allergy, Event, Fact, Medication, Problem, Reading
from cds_service.record.salience import PRESENT
from cds_service.record.wording import day, level, moment, partial, value

QUOTE = 140  # characters of a report's conclusion in one statement
UNFINISHED = frozenset({"registered", "partial", "preliminary"})  # DiagnosticReport.status before final
NEW = timedelta(days=7)  # how long a problem or medication is called new


def result(newest: Reading, before: Reading | None, direction: str, zone: ZoneInfo) -> str:
    """'Potassium 6.1 mmol/L on 2026-11-20 08:10, high (was 4.9 mmol/L on 2026-11-18 07:55), rising.'"""
    said = measured(newest)
    if not said:
        return ""
    when = moment(newest, zone)
    shown = level(newest)
    text = f"{said} on {when}" if when else said
    text = f"{text}, {shown}" if shown else text
    if before is not None:
        text = f"{text} (was {value(before)} on {moment(before, zone)})"
    return f"{text}, {direction}." if direction and before is not None else f"{text}."


def problem(fact: Problem, zone: ZoneInfo, now: datetime) -> str:
    """'Sepsis (new, 2026-11-20)', 'Lung cancer, provisional (2026-09-22)'."""
    label, doubt = name(fact.label), supposed(fact)
    return _dated(f"{label}, {doubt}" if label and doubt else label, fact, zone, now if fact.active else None)


def medication(fact: Medication, zone: ZoneInfo, now: datetime) -> str:
    """'Lisinopril 10 MG Oral Tablet, 10 mg once daily (2026-02-11)'; '(new, …)' in its first week."""
    label = name(fact.label)
    dose = fact.dose if label and fact.dose and len(fact.dose) <= QUOTE and source(fact.dose).quotable else ""
    return _dated(f"{label}, {dose}" if dose else label, fact, zone, now if fact.active else None)


def allergy(fact: Allergy) -> str:
    """'Allergy to Penicillin: Anaphylaxis, severe, criticality high.'"""
    label = name(fact.label)
    if not label or fact.no_known:
        return f"{label}." if label else ""
    kind = "Intolerance" if fact.type == "intolerance" else "Allergy"
    head = label if kind[:6].lower() in label.lower() else f"{kind} to {label}"
    if fact.negated:
        return f"{head}: refuted."
    said = [m for m in fact.manifestations[:4] if source(m).quotable]
    if fact.severity:
        said.append(fact.severity)
    if fact.criticality in ("high", "low"):
        said.append(f"criticality {fact.criticality}")
    if not fact.active:
        said.append("inactive")
    return f"{head}: {', '.join(said)}." if said else f"{head}."


def event(fact: Event, zone: ZoneInfo) -> str:
    """'Echocardiogram (2026-09-04)'."""
    return _dated(name(fact.label), fact, zone)


def encounter(fact: Event, zone: ZoneInfo) -> str:
    """'Inpatient stay 2026-09-03 to 2026-09-09', 'Emergency visit since 2026-11-20 07:40: Chest pain'."""
    label, start, end = name(fact.label), moment(fact, zone), day(fact.end, zone)
    if not label or not start:
        return label
    if fact.status in PRESENT:
        return f"{label} since {start}: {why}" if (why := reason(fact)) else f"{label} since {start}"
    return f"{label} {start[:10]} to {end}" if end and end != start[:10] else f"{label} {start[:10]}"


def report(fact: Event, zone: ZoneInfo) -> str:
    """'Chest radiograph 2026-11-20 08:45: Right lower lobe consolidation.'; '' without a conclusion that may be quoted.

    A report that is not final says so: 'Chest radiograph, preliminary, 2026-11-20 08:45: …'.
    """
    label, when, said = name(fact.label), moment(fact, zone), _quote(fact.text)
    if not label or not said:
        return ""
    if fact.status in UNFINISHED:
        label = f"{label}, {fact.status},"
    return f"{label} {when}: {said}." if when else f"{label}: {said}."


def _quote(text: str) -> str:
    """The whole sentences of a conclusion that fit; '' when none fits or when it may not be quoted."""
    shown = " ".join(text[:SHOWN].split())
    if not shown or not source(text[:SHOWN]).quotable:
        return ""
    if len(shown) > QUOTE or len(text) > SHOWN:
        shown = shown[:QUOTE].rpartition(". ")[0]
    return shown.rstrip(". ")


def _dated(said: str, fact: Fact, zone: ZoneInfo, now: datetime | None = None) -> str:
    if not said:
        return said
    if fact.time is None:
        written = partial(fact)
        return f"{said} ({written})" if written else said
    new = now is not None and timedelta(0) <= now - fact.time <= NEW
    when = moment(fact, zone)[:10]
    return f"{said} (new, {when})" if new else f"{said} ({when})"
