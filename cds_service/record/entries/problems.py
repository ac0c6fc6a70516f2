"""Conditions → problems: active or not, negated or not (fault matrix row 53's sibling for diagnoses)."""

from __future__ import annotations

from datetime import datetime

from cds_service.record import text
from cds_service.record.coding import SNOMED, Coded, coded, first_code
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Problem
from cds_service.record.words import words
from fhir_adapters.read.condition import ConditionView
from fhir_adapters.read.datatypes import CodeableConcept

ACTIVE = frozenset({"active", "recurrence", "relapse"})


def status_of(concept: CodeableConcept | None) -> str:
    """A status code, whether coded or (older servers) written as a word."""
    found = coded(concept)
    return text.word(found.codes[0].code if found.codes else found.label)


def problems(scope: Scope) -> list[Problem]:
    """Every Condition of the patient that was not entered in error."""
    made = []
    for view, reference, note in scope.of(ConditionView):
        verification = status_of(view.verificationStatus)
        if verification == "entered-in-error":
            scope.excluded["Condition: entered in error"] += 1
            continue
        name = coded(view.code)
        if not name.label:
            scope.excluded["Condition: without a name"] += 1
            continue
        made.append(_problem(scope, view, reference, name, verification, note))
    return made


def _problem(scope: Scope, view: ConditionView, reference: str, name: Coded, verification: str, note: str) -> Problem:
    clinical = status_of(view.clinicalStatus)
    onset = view.onsetPeriod.start if view.onsetPeriod else None
    when = scope.at(view.onsetDateTime, onset, view.recordedDate)
    end, ended = _end(scope, view)
    said = name.label.casefold()
    family, history = bool(words().family.search(said)), bool(words().history.search(said))
    negated = verification == "refuted" or bool(words().negated.search(said)) or _no_problem(name)
    active = clinical in ACTIVE if clinical else not ended
    return Problem(
        number=0,
        reference=reference,
        label=name.label,
        codes=name.codes,
        time=when.time,
        time_text=when.text or text.clean(view.onsetString or "", 60),
        status=clinical,
        note=joined(
            note,
            name.note,
            "family history" if family else "",
            "history" if history and not family else "",
            verification if verification in ("unconfirmed", "provisional", "differential") else "",
            "partly unreadable: clinical status unknown" if "clinicalStatus" in view.damaged else "",
        ),
        clinical_status=clinical,
        verification=verification,
        category=first_code(view.category),
        active=active and not negated and not family,
        negated=negated,
        end=end,
    )


def _end(scope: Scope, view: ConditionView) -> tuple[datetime | None, bool]:
    period = view.abatementPeriod
    when = scope.at(view.abatementDateTime, (period.end or period.start) if period else None)
    ended = bool(when.text or view.abatementString or view.abatementBoolean or view.abatementAge)
    if when.time is not None and when.time > scope.now:
        ended = False
    return when.time, ended


def _no_problem(name: Coded) -> bool:
    return any(c.system == SNOMED and c.code in words().negated_codes for c in name.codes)
