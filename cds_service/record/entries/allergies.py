"""AllergyIntolerances → allergies. “No known allergies” beside an active allergy is a conflict: both stay and say so (row 53)."""

from __future__ import annotations

import msgspec

from cds_service.record import text
from cds_service.record.coding import NOTHING, Coded, coded
from cds_service.record.entries.problems import status_of
from cds_service.record.entries.scope import Scope, joined
from cds_service.record.facts import Allergy
from cds_service.record.words import no_known, reaction
from fhir_adapters.read.allergy import AllergyIntoleranceView, ReactionView

SEVERITIES = ("mild", "moderate", "severe")
NAMED = 3  # substances of reactions beside the allergy's own name
CONFLICT = "conflicts with a recorded “no known allergies”"


def allergies(scope: Scope) -> list[Allergy]:
    """Every AllergyIntolerance of the patient that was not entered in error. An unnamed one stays: it may matter most."""
    made: list[Allergy] = []
    covers: list[str] = []
    for view, reference, note in scope.of(AllergyIntoleranceView):
        if status_of(view.verificationStatus) == "entered-in-error":
            scope.excluded["AllergyIntolerance: entered in error"] += 1
            continue
        allergy, covered = _allergy(scope, view, reference, note)
        made.append(allergy)
        if covered is not None and allergy.active:
            covers.append(covered)
    return conflicts(made, covers) if covers else made


def _allergy(scope: Scope, view: AllergyIntoleranceView, reference: str, note: str) -> tuple[Allergy, str | None]:
    name = coded(view.code)
    substances = [coded(r.substance) for r in view.reaction or () if r.substance is not None]
    if name is NOTHING or not name.label:
        name = next((s for s in substances if s.label), name)
    covered = no_known(name.codes, name.label)
    verification, clinical = status_of(view.verificationStatus), status_of(view.clinicalStatus)
    period = view.onsetPeriod
    when = scope.at(view.onsetDateTime, view.recordedDate, period.start if period else None)
    severities = [s for r in view.reaction or () if (s := (r.severity or "").casefold()) in SEVERITIES]
    codes = dict.fromkeys((*name.codes, *(c for s in substances for c in s.codes)))
    allergy = Allergy(
        number=0,
        reference=reference,
        label=_label(name, substances),
        codes=tuple(codes),
        time=when.time,
        time_text=when.text,
        status=clinical,
        note=joined(note, name.note, verification if verification in ("unconfirmed", "presumed") else ""),
        criticality=text.word(view.criticality),
        severity=max(severities, key=SEVERITIES.index, default=""),
        manifestations=_manifestations(view.reaction),
        category=tuple(text.word(c) for c in (view.category or ())[:10]),
        type=text.word(view.type),
        active=(clinical or "active") == "active" and verification != "refuted",
        negated=verification == "refuted" or covered is not None,
        no_known=covered is not None,
    )
    return allergy, covered


def _label(name: Coded, substances: list[Coded]) -> str:
    """What the allergy is to, with what a reaction is said to have been to: 'Antibiotics (Amoxicillin)'."""
    known = name.label.casefold()
    narrower = dict.fromkeys(s.label for s in substances if s.label and s.label.casefold() not in known)
    if not name.label or not narrower:
        return name.label or "Substance not named"
    return f"{name.label} ({', '.join(list(narrower)[:NAMED])})"


def _manifestations(reactions: list[ReactionView] | None) -> tuple[str, ...]:
    said: list[str] = []
    for each in (reactions or ())[:20]:
        found = [coded(concept) for concept in (each.manifestation or ())[:10]]
        named = [reaction(one.codes, one.label) for one in found if one.label]
        said += named or ([text.clean(each.description, 120)] if each.description else [])
    return tuple(dict.fromkeys(s for s in said if s))


def conflicts(made: list[Allergy], covers: list[str]) -> list[Allergy]:
    """Active allergies that a “no known …” of the record denies, and the denial itself, with the conflict noted on both."""

    def denied(allergy: Allergy) -> bool:
        return (
            allergy.active
            and not allergy.negated
            and any(not covered or not allergy.category or covered in allergy.category for covered in covers)
        )

    hit = [a for a in made if denied(a)]
    if not hit:
        return made
    names = ", ".join(sorted({a.label for a in hit}))
    return [
        msgspec.structs.replace(a, note=joined(a.note, CONFLICT))
        if a in hit
        else msgspec.structs.replace(
            a, note=joined(a.note, text.clean(f"conflicts with recorded allergies: {names}", text.NOTE))
        )
        if a.no_known and a.active
        else a
        for a in made
    ]
