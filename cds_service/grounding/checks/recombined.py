"""Words of a report's text stand together only as they do there: "severe" of one finding is not said of the next, nor its side or size.

A report is read clause by clause (evidence/source.py, ``clauses``). Words and numbers that a statement strings together, and that all
are of one text, must stand together in one of its clauses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.grounding.checks.anchors import bits
from cds_service.grounding.checks.vocabulary import SIDES, Fault
from cds_service.grounding.evidence.evidence import Evidence, told
from cds_service.grounding.language.lexicon import Kind, stem
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason

_BOUNDS = (Kind.UNIT, Kind.OVER, Kind.UNDER, Kind.AT_LEAST, Kind.AT_MOST)
_JOINTS = frozenset({"of", "in", "the", "a", "an", "at", "-", "sided", "%", "measuring", "is", "was"})


def recombined(read: Sequence[Token], masks: Sequence[int], cited: Sequence[Evidence]) -> Fault | None:
    """The first run of words that stands in no clause of the text it is taken from."""
    texts = [told(evidence.fact) for evidence in cited]
    if not any(texts):
        return None
    for run in _runs(read, masks):
        named = [position for position in run if masks[position]]
        shared = -1
        for position in named:
            shared &= masks[position]
        places = list(bits(shared & (1 << len(cited)) - 1)) if named else []
        if places and not any(_together(read, run, texts[place]) for place in places):
            sides = any(read[position].payload in SIDES for position in named)
            return (Reason.SIDE if sides else Reason.PAIRING), read[run[-1]].word
    return None


def _runs(read: Sequence[Token], masks: Sequence[int]) -> Iterator[list[int]]:
    """Positions of words and numbers with nothing but small words and units between them; a new fact starts a new run."""
    run: list[int] = []
    shared = -1
    for position, token in enumerate(read):
        own = masks[position] or (-1 if token.kind == Kind.NUMBER else 0)
        if own and shared & own:
            run.append(position)
            shared &= own
        elif own:
            yield run
            run, shared = [position], own
        elif token.kind not in _BOUNDS and token.word not in _JOINTS:
            yield run
            run, shared = [], -1
    yield run


def _together(read: Sequence[Token], run: Sequence[int], clauses: tuple[frozenset[str], ...]) -> bool:
    """Some clause has all of the run that the text has at all."""
    if not clauses:
        return True
    everything = frozenset[str]().union(*clauses)
    said = {_item(read[position]) for position in run} & everything
    return any(said <= clause for clause in clauses)


def _item(token: Token) -> str:
    return f"#{token.payload.a}" if token.kind == Kind.NUMBER else stem(token.word)  # type: ignore[attr-defined]
