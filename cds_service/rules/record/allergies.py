"""What must be said of the allergy list: severe ones, contradictions, and in hospital that it is empty."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.record.words import no_known
from cds_service.rules.allergies import severe, speaking
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, conclude, record_logic
from cds_service.rules.situation import Situation

NAMED = 3  # names in a summary; all are among the facts


class NoParameters(Given, frozen=True):
    """A function without thresholds."""


def listed(labels: list[str]) -> str:
    """The first names for a summary, and how many more there are."""
    unique = list(dict.fromkeys(labels))
    more = f" and {len(unique) - NAMED} more" if len(unique) > NAMED else ""
    return ", ".join(unique[:NAMED]) + more


@record_logic("severe-allergy", NoParameters, found="names")
def severe_allergy(rule: Rule, given: NoParameters, situation: Situation) -> Iterator[Finding]:
    """Active allergies with a severe reaction or high criticality, drug or not."""
    found = [allergy for allergy in speaking(situation) if severe(allergy)]
    if found:
        names = [_with_reaction(a.label, a.manifestations) for a in found]
        yield conclude(rule, "found", {"names": listed(names)}, facts=found, worse=float(len(found)))


def _with_reaction(label: str, manifestations: tuple[str, ...]) -> str:
    return f"{label} ({manifestations[0]})" if manifestations else label


@record_logic("allergy-conflict", NoParameters, found="names")
def allergy_conflict(rule: Rule, given: NoParameters, situation: Situation) -> Iterator[Finding]:
    """“No known allergies” beside an active allergy: the allergy is honoured, the contradiction said (fault row 53)."""
    none_known = [a for a in situation.record.allergies if a.no_known and a.active]
    denied = [no_known(a.codes, a.label) or "" for a in none_known]
    found = [
        allergy
        for allergy in speaking(situation)
        if any(not kind or not allergy.category or kind in allergy.category for kind in denied)
    ]
    if found:
        yield conclude(rule, "found", {"names": listed([a.label for a in found])}, facts=[*none_known, *found])


@record_logic("allergies-not-recorded", NoParameters, found="")
def allergies_not_recorded(rule: Rule, given: NoParameters, situation: Situation) -> Iterator[Finding]:
    """In hospital an empty list that does not even say “none known” matters; elsewhere it is not mentioned."""
    record = situation.record
    if record.allergies or situation.stay is None or not record.looked_for("AllergyIntolerance"):
        return
    yield conclude(rule, "found", {}, facts=(situation.stay,), missing=("allergies",))


CHECKS = (severe_allergy, allergy_conflict, allergies_not_recorded)
