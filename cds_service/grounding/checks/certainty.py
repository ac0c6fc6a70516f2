"""What the record only supposes may not be said as fact: "possible pneumonia", "rule out infarction", a differential diagnosis.

A hedge covers its clause in the record (evidence/source.py); a statement that uses a word from there carries a hedge of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.checks.anchors import bits, clause
from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.evidence.evidence import Evidence
from cds_service.grounding.language import polarity
from cds_service.grounding.language.lexicon import HEDGES, Kind
from cds_service.grounding.language.tokens import Sentence, Token
from cds_service.grounding.statement import Reason


def certainty(said: Sentence, reached: frozenset[int], masks: Sequence[int], cited: Sequence[Evidence]) -> Fault | None:
    """The first word that only a hedged passage lends, said without a hedge; or a denial that is itself denied."""
    read = said.read
    if polarity.undecided(said):
        return Reason.INFERENCE, "not excluded"
    if not any(evidence.hedged for evidence in cited):
        return None
    for position, mask in enumerate(masks):
        if not mask or position in reached or read[position].kind == Kind.NUMBER:
            continue
        word = read[position].payload
        if all(word in cited[i].hedged for i in bits(mask)) and not _hedged(read, position):
            return Reason.INFERENCE, read[position].word
    return None


def _hedged(read: Sequence[Token], position: int) -> bool:
    """A hedge in the clause of the word, or in the parentheses that follow it there: "Lung cancer (active; provisional)"."""
    first, last = clause(read, position)
    words = [token.word for token in read[position:last]]
    if words.count("(") > words.count(")"):
        last = next((i for i in range(last, len(read)) if read[i].word == ")"), last)
    return any(token.word in HEDGES for token in read[first:last])
