"""Words of a report's text stand together only as they do there: "severe" of one finding is not said of the next, nor its side.

A report is read clause by clause (evidence/source.py, ``clauses``); two words that stand side by side in a statement and are both of the
text must share one.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.checks.anchors import bits
from cds_service.grounding.checks.vocabulary import SIDES, Fault
from cds_service.grounding.evidence.evidence import Evidence, told
from cds_service.grounding.language.lexicon import stem
from cds_service.grounding.language.tokens import Token
from cds_service.grounding.statement import Reason

_JOINTS = frozenset({"of", "in", "the", "a", "an", "at", "-", "sided"})


def recombined(read: Sequence[Token], masks: Sequence[int], cited: Sequence[Evidence]) -> Fault | None:
    """The first word that stands beside another of the same text, and in no clause of that text does."""
    texts = [told(evidence.fact) for evidence in cited]
    if not any(texts):
        return None
    before = -1
    for position, mask in enumerate(masks):
        if not mask:
            if read[position].word not in _JOINTS:
                before = -1
            continue
        if before >= 0 and masks[before] & mask:
            one, other = stem(read[before].word), stem(read[position].word)
            shared = list(bits(masks[before] & mask))
            if not any(_together(one, other, cited[i], texts[i]) for i in shared):
                side = read[position].payload in SIDES or read[before].payload in SIDES
                return (Reason.SIDE if side else Reason.PAIRING), read[position].word
        before = position
    return None


def _together(one: str, other: str, evidence: Evidence, clauses: tuple[frozenset[str], ...]) -> bool:
    if not clauses:
        return True
    within = [clause for clause in clauses if one in clause or other in clause]
    both = any(one in clause and other in clause for clause in within)
    everywhere = frozenset().union(*clauses)
    return both or not {one, other} <= everywhere
