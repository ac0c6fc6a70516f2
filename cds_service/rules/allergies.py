"""Allergies of a record as the rules see them: what to, how severe, and which drugs they speak against.

Cross-reactivity: within a class that reacts as one (drugs.toml, ``reacts``); between beta-lactams by R1 side chain
alone (Khan et al., Drug allergy: a 2022 practice parameter update, JACI 150:1333; Chaudhry et al., Pharmacy 2019,
7:103); after a severe delayed reaction to one beta-lactam, to all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct

from cds_service.record.facts import Allergy
from cds_service.rules.drugs import Allergen, DrugClass, DrugTable
from cds_service.rules.situation import Situation
from cds_service.rules.terms import Phrases, words

SEVERE = Phrases(
    dict.fromkeys(
        (
            "anaphylaxis", "anaphylactic", "anaphylactoid", "angioedema", "angio oedema", "laryngeal edema",
            "laryngeal oedema", "airway", "bronchospasm", "wheezing", "wheeze", "shortness of breath", "dyspnea",
            "dyspnoea", "difficulty breathing", "trouble breathing", "breathing difficulty", "respiratory distress",
            "respiratory arrest", "throat tightness", "throat closing", "swelling of throat", "tongue swelling",
            "swelling of tongue", "lip swelling", "swelling of lip", "swelling of lips", "facial swelling", "face swelling",
            "swelling of face", "facial edema", "facial oedema", "stevens johnson", "stevens johnson syndrome", "sjs",
            "toxic epidermal necrolysis", "dress", "drug reaction with eosinophilia", "agranulocytosis",
            "cardiac arrest", "cardiorespiratory arrest", "hypotension", "shock", "throat swelling", "serum sickness",
            "hemolytic anemia", "haemolytic anaemia", "severe", "life threatening", "rhabdomyolysis", "collapse",
        ),
        ("severe",),
    )
)  # fmt: skip
DELAYED = Phrases(
    dict.fromkeys(
        (
            "stevens johnson", "stevens johnson syndrome", "sjs", "toxic epidermal necrolysis", "dress",
            "drug reaction with eosinophilia", "serum sickness", "hemolytic anemia", "haemolytic anaemia",
            "interstitial nephritis", "drug induced liver injury", "agep",
            "acute generalized exanthematous pustulosis", "acute generalised exanthematous pustulosis",
        ),
        ("delayed",),
    )
)  # fmt: skip


class Closeness(IntEnum):
    """How a drug is tied to an allergy."""

    SIDE_CHAIN_OF_CLASS = 1  # the culprit is not recorded, only its class; one of the class has this side chain
    SIDE_CHAIN = 2
    SEVERE_DELAYED = 3
    CLASS = 4
    SAME = 5


class Conflict(Struct, frozen=True):
    """One drug against one allergy.

    ``through`` is the title of the class or side chain that ties them, or the drugs with its side chain that the
    culprit may have been.
    """

    drug: str
    closeness: Closeness
    through: str


def speaking(situation: Situation) -> Iterator[Allergy]:
    """Allergies that hold: active, neither refuted nor a statement that none are known."""
    for allergy in situation.record.allergies:
        if allergy.active and not allergy.negated and not allergy.no_known:
            yield allergy


def _had(reactions: Phrases, allergy: Allergy) -> bool:
    """True when one of the reactions is recorded."""
    return any(reactions.find_words(words(text)) for text in allergy.manifestations)


def severe(allergy: Allergy) -> bool:
    """Severe by its recorded reaction severity, its criticality, or a manifestation that is severe by nature."""
    if allergy.severity == "severe" or allergy.criticality == "high":
        return True
    return _had(SEVERE, allergy)


def delayed(allergy: Allergy) -> bool:
    """A severe delayed reaction: the whole family is avoided."""
    return _had(DELAYED, allergy)


def allergen(situation: Situation, allergy: Allergy) -> Allergen:
    """What the allergy is to, as far as drugs.toml knows it."""
    return situation.tables.drugs.allergen(allergy.label, allergy.codes)


def conflicts(table: DrugTable, to: Allergen, drugs: frozenset[str], allergy: Allergy) -> list[Conflict]:
    """The closest tie of each drug to an allergy to ``to``; drugs without one are left out."""
    found = []
    for drug in sorted(drugs):
        tie = _tie(table, to, drug, allergy)
        if tie is not None:
            found.append(tie)
    return found


def _tie(table: DrugTable, to: Allergen, drug: str, allergy: Allergy) -> Conflict | None:
    if drug in to.ingredients:
        return Conflict(drug, Closeness.SAME, drug)
    named = to.ingredients.union(*(table.classes[name].members for name in to.classes))
    by_class = _class(table, to, named, drug, allergy)
    if by_class is not None:
        return Conflict(drug, Closeness.CLASS, by_class.title)
    beta_lactams = table.classes["beta-lactam"]
    if delayed(allergy) and drug in beta_lactams.members and named & beta_lactams.members:
        return Conflict(drug, Closeness.SEVERE_DELAYED, beta_lactams.title)
    for chain in table.side_chains.values():
        if drug not in chain.members:
            continue
        if to.ingredients & chain.members:
            return Conflict(drug, Closeness.SIDE_CHAIN, chain.title)
        if culprits := _unspecified(table, to) & chain.members:
            return Conflict(drug, Closeness.SIDE_CHAIN_OF_CLASS, _some(culprits))
    return None


def _class(table: DrugTable, to: Allergen, named: frozenset[str], drug: str, allergy: Allergy) -> DrugClass | None:
    """The class that ties a drug to an allergy: named by it, reacting as one, or reacting as one after such a reaction."""
    for name in sorted(to.classes):
        if drug in table.classes[name].members:
            return table.classes[name]
    for group in table.classes.values():
        if drug in group.members:
            if group.reacts and to.ingredients & group.members:
                return group
            if group.after is not None and named & group.members and _had(group.after, allergy):
                return group
    return None


def _unspecified(table: DrugTable, to: Allergen) -> frozenset[str]:
    """Drugs the culprit may have been where only “penicillin” or “cephalosporin” is recorded.

    Those with the aminobenzyl side chain, amoxicillin and cefalexin among them, are taken by mouth and the commonest.
    """
    if to.ingredients - {"penicillin"}:
        return frozenset()
    named = [table.classes[name].members for name in ("penicillin", "cephalosporin") if name in to.classes]
    return frozenset[str]().union(*named) & table.side_chains["aminobenzyl"].members


def _some(drugs: frozenset[str]) -> str:
    """Up to three names: 'amoxicillin and ampicillin', 'cefaclor, cefadroxil, cefalexin and others'."""
    first = sorted(drugs)[:3]
    if len(drugs) > len(first):
        return f"{', '.join(first)} and others"
    return " and ".join((", ".join(first[:-1]), first[-1])) if len(first) > 1 else first[0]
