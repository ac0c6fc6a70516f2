"""What a sentence leaves out can make it false: an old value without its date reads as the present one.

Also here: other readings of small words that no word check sees ("on oxygen", "at the lower limit", "allergic to A and B").
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cds_service.grounding.checks.anchors import Anchor, bits, clause
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.desk import Desk
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language.lexicon import ALLERGY, Kind, stem
from cds_service.grounding.language.tokens import Sentence, Token
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Allergy, Medication, Reading

_PLACING = frozenset({Kind.PLACE, Kind.TREND, Kind.RECENCY, Kind.SPAN})
_LIMITING = (Kind.OVER, Kind.UNDER, Kind.WITHIN)
_FAR = Decimal("1.5")
_OXYGEN = frozenset({"oxygen_flow", "inhaled_oxygen", "oxygen_therapy"})
_LIST = frozenset({"and", "or", ",", "/", "(", ")", ":", "&", "to", "of", "with", "a", "an", "the"})


def omitted(
    said: Sentence, figures: Sequence[Anchor], names: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk
) -> Fault | None:
    """The first thing that is true of the cited facts only with what the sentence does not say."""
    old = _old_value(said, figures, cited, desk)
    if old is not None:
        return Reason.STALE, said.read[old].word
    for position, token in enumerate(said.read):
        if token.word == "on" and _oxygen_only_measured(said.read, position, cited):
            return Reason.NAME, said.read[position + 1].word
        if token.word == "well" and token.kind == Kind.LIGHT and not any(_far_beyond(e) for e in cited):
            return Reason.STATE, token.word
        if token.word.endswith(" limit") and not _says_of_what(said.read, position):
            return Reason.STATE, token.word
    drug = _called_an_allergy(said.read, names, cited)
    return (Reason.PAIRING, drug) if drug else None


def _far_beyond(evidence: Evidence) -> bool:
    """ "Well above": by half of the limit or more."""
    low, high = evidence.limits
    amount = evidence.amount
    if amount is None:
        return False
    return (high is not None and amount >= high * _FAR) or (low is not None and amount * _FAR <= low)


def _old_value(said: Sentence, figures: Sequence[Anchor], cited: Sequence[Evidence], desk: Desk) -> int | None:
    """Position of a value that a later reading of this prompt has replaced, said without date, place or direction."""
    if not _PLACING.isdisjoint(said.kinds):
        return None
    dated = 0
    for anchor in figures:
        dated |= anchor.mask if anchor.what == "date" else 0
    for anchor in figures:
        facts = [cited[i].fact for i in bits(anchor.mask & ~dated)] if anchor.what == "value" else []
        readings = [fact for fact in facts if isinstance(fact, Reading) and fact.value is not None]
        undated = readings and len(readings) == len(facts) and anchor.mask & dated == 0
        if undated and all(_replaced(reading, cited, desk) for reading in readings):
            return anchor.first
    return None


def _replaced(reading: Reading, cited: Sequence[Evidence], desk: Desk) -> bool:
    """A later reading stands in the prompt, and not in the sentence beside it."""
    series = desk.series(reading)
    if not series or reading.time is None or series[0].time is None or series[0].time <= reading.time:
        return False
    return all(evidence.fact.number != series[0].number for evidence in cited)


def _oxygen_only_measured(read: Sequence[Token], position: int, cited: Sequence[Evidence]) -> bool:
    """ "On oxygen" on the word of a saturation."""
    following = read[position + 1].word if position + 1 < len(read) else ""
    readings = [e.fact for e in cited if isinstance(e.fact, Reading)]
    return (
        following in ("oxygen", "o2")
        and len(readings) == len(cited)
        and all(r.concept not in _OXYGEN for r in readings)
    )


def _says_of_what(read: Sequence[Token], position: int) -> bool:
    """A limit is named with its number, or as what a value lies beyond."""
    around = [*read[max(position - 3, 0) : position], *read[position + 1 : position + 5]]
    return any(token.kind in _LIMITING or token.kind == Kind.NUMBER for token in around)


def _called_an_allergy(read: Sequence[Token], names: Sequence[Anchor], cited: Sequence[Evidence]) -> str:
    """A drug that is only taken, in the list of what somebody is allergic to ("allergic to penicillin and metformin")."""
    allergies = sum(1 << i for i, e in enumerate(cited) if isinstance(e.fact, Allergy))
    drugs = sum(1 << i for i, e in enumerate(cited) if isinstance(e.fact, Medication))
    if not allergies or not drugs:
        return ""
    for name in names:
        dosed = name.last + 1 < len(read) and read[name.last + 1].kind == Kind.NUMBER
        if name.mask & allergies or not name.mask & drugs or dosed:
            continue
        first, _ = clause(read, name.first)
        at = name.first - 1
        while at >= first and read[at].word in _LIST:
            at -= 1
        allergic = at >= first and (
            stem(read[at].word) in ALLERGY or any(a.first <= at <= a.last and a.mask & allergies for a in names)
        )
        if allergic:
            return read[name.first].word
    return ""
