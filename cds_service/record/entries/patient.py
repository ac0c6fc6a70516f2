"""Who the record is about, and whether a resource is about the same person."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, tzinfo

from cds_service.errors import WrongPatient
from cds_service.record import text, times
from cds_service.record.facts import Person
from fhir_adapters.read.datatypes import Reference
from fhir_adapters.read.patient import PatientView

UNSTATED = "subject not stated"


class Whose:
    """Knows every spelling by which this patient is referred to. ``own`` grows with the spellings met (bounded)."""

    def __init__(self, patient_id: str, urls: Iterable[str] = ()) -> None:
        self.patient_id = patient_id
        self.own: set[str | None] = {f"Patient/{patient_id}", f"urn:uuid:{patient_id}", *(u for u in urls if u)}

    def judge(self, subject: Reference | None) -> str:
        """'' for this patient, 'other' for somebody else, a remark where the resource does not say."""
        written = subject.reference if subject is not None else None
        if not written or written.startswith("#"):
            return UNSTATED
        if written in self.own:
            return ""
        base, _, _ = written.partition("/_history/")
        kind, _, name = base.rpartition("/")
        if name == self.patient_id and (kind in ("", "Patient") or kind.endswith("/Patient")):
            if len(self.own) < 1000:
                self.own.add(written)
            return ""
        return "other"

    def all_own(self, references: Iterable[Reference]) -> bool:
        """True when every reference is this patient."""
        return all(self.judge(r) == "" for r in references)

    def refuse_stranger(self, subject: Reference | None, resource_type: str) -> None:
        """Raises WrongPatient when a resource the client sent names another patient than its own context."""
        if self.names_another(subject):
            raise WrongPatient(
                f"the prefetch holds a resource of type {resource_type} of another patient than context.patientId"
            )

    def names_another(self, subject: Reference | None) -> bool:
        """True when a resource definitely names another Patient, not merely somebody who cannot be resolved."""
        written = (subject.reference if subject is not None else None) or ""
        return self.judge(subject) == "other" and ("Patient/" in written)


def person(patient_id: str, view: PatientView | None, zone: tzinfo) -> Person:
    """Sex, birth and death without names. A partial birth date stands at its last day: the age it gives is certain."""
    if view is None:
        return Person(reference=f"Patient/{patient_id}")
    born, precision = birth(view.birthDate)
    died = times.parse(view.deceasedDateTime, zone)
    return Person(
        reference=f"Patient/{patient_id}",
        sex=text.word(view.gender),
        birth_date=born,
        birth_precision=precision,
        deceased=bool(view.deceasedBoolean) or bool(died.text),
        deceased_at=died.time,
    )


def birth(written: str | None) -> tuple[date | None, str]:
    """Birth date and its precision (day, month, year, '')."""
    words = (written or "").strip()[:10]
    try:
        if len(words) == 10 and words[7] == "-":
            return date.fromisoformat(words), "day"
        if len(words) == 7 and words[4] == "-":
            year, month = int(words[:4]), int(words[5:])
            return date(year, month, calendar.monthrange(year, month)[1]), "month"
        if len(words) == 4:
            return date(int(words), 12, 31), "year"
    except (ValueError, calendar.IllegalMonthError):
        return None, ""
    return None, ""
