"""How often a drug is taken must be how often its own prescription says: "daily" of "twice daily" is half of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cds_service.grounding.checks.anchors import Anchor, bits
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language.lexicon import OFTEN, SPANS, Kind
from cds_service.grounding.language.tokens import Numeral, Sentence, Token, sentence
from cds_service.grounding.statement import Reason
from cds_service.record.facts import Medication, Order

_COUNTS = {"once": "1", "twice": "2", "thrice": "3"}
_EVERY = frozenset({"every", "each"})
_PER = frozenset({"a", "per", "each", "every", "/"})


def frequency(said: Sentence, names: Sequence[Anchor], cited: Sequence[Evidence]) -> Fault | None:
    """The first frequency that no prescription it is about has. A dosage that names none leaves the words to decide."""
    drugs = [isinstance(evidence.fact, Medication | Order) for evidence in cited]
    if not any(drugs):
        return None
    for position, rate in often(said.read):
        about = _about(position, names, drugs)
        known = [taken(cited[i].fact.dose) for i in bits(about) if drugs[i]]  # type: ignore[attr-defined]
        if any(known) and not any(rate in rates for rates in known):
            return Reason.PAIRING, said.read[position].word
    return None


def _about(position: int, names: Sequence[Anchor], drugs: Sequence[bool]) -> int:
    """The drug named last before the frequency; words of the dosage alone ("twice") name none."""
    every = sum(1 << i for i, is_drug in enumerate(drugs) if is_drug)
    if len(drugs) == 1:
        return every
    named = [a for a in names if a.mask & every and not a.first <= position <= a.last]
    before = [a for a in named if a.first < position]
    after = [a for a in named if a.first > position]
    nearest = before[-1:] or after[:1]
    return nearest[0].mask & every if nearest else every


@lru_cache(maxsize=4096)
def taken(dose: str) -> frozenset[str]:
    """The frequencies a dosage text names."""
    said = sentence(dose) if dose else None
    return frozenset(rate for _, rate in often(said.read)) if said is not None else frozenset()


def often(read: Sequence[Token]) -> list[tuple[int, str]]:
    """(position, canonical frequency): '2/day' for twice daily, 'every 8 hour', '1/day' for each morning."""
    found: list[tuple[int, str]] = []
    for position, token in enumerate(read):
        word = token.word
        if word in _EVERY:
            rate = _every(read, position)
        elif word in OFTEN:
            rate = f"{_times(read, position)}/{OFTEN[word]}"
        elif word in SPANS and position > 1 and read[position - 1].word in _PER and _counted(read, position - 1):
            rate = f"{_times(read, position - 1)}/{SPANS[word]}"
        else:
            continue
        if rate:
            found.append((position, rate))
    return found


def _every(read: Sequence[Token], position: int) -> str:
    following = read[position + 1 : position + 3]
    if not following:
        return ""
    first = following[0]
    if first.kind == Kind.NUMBER and len(following) > 1 and following[1].word in SPANS:
        number = first.payload.a if isinstance(first.payload, Numeral) else ""
        span = SPANS[following[1].word]
        return "1/day" if (number, span) == ("24", "hour") else f"every {number} {span}"
    if first.word == "other" and len(following) > 1:
        return f"every 2 {SPANS.get(following[1].word, '')}"
    if first.word in ("morning", "evening", "night"):
        return "1/day"
    return f"{_times(read, position)}/{SPANS[first.word]}" if first.word in SPANS else ""


def _counted(read: Sequence[Token], position: int) -> bool:
    before = read[position - 1].word
    return before in _COUNTS or before == "times"


def _times(read: Sequence[Token], position: int) -> str:
    """How many times, of the words before a 'daily'; once where none are."""
    before = read[position - 1] if position else None
    if before is None:
        return "1"
    if before.word in ("time", "times") and position > 1:
        numeral = read[position - 2].payload
        return numeral.a if isinstance(numeral, Numeral) else "1"
    return _COUNTS.get(before.word, "1")
