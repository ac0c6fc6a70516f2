"""What a negation reaches. One reading for statements and for the words of facts (after the idea of NegEx: scopes, no parser)."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.grounding.language.lexicon import UNDECIDED, Kind
from cds_service.grounding.language.tokens import Sentence, Token

_NEGATORS = (Kind.NOT_BEFORE, Kind.NOT_AFTER)
_STOPS = frozenset({"on", "at", "since", "after", "before", "was", "were", "is", "are", "has", "have", "had"})
_PAUSES = (Kind.SOFT, Kind.HARD)
_NONE: frozenset[int] = frozenset()
# what a negation can reach: words that name or claim something
_REACHED = frozenset(
    {Kind.CONTENT, Kind.STATE, Kind.TREND, Kind.TENSE, Kind.PLACE, Kind.UNLESS_NAMED, Kind.FORBIDDEN, Kind.RECENCY}
)


def negates(said: Sentence) -> bool:
    """True when the text negates anything at all."""
    return Kind.NOT_BEFORE in said.kinds or Kind.NOT_AFTER in said.kinds


def denied(said: Sentence) -> frozenset[int]:
    """Positions of the words a negation reaches; empty for the common text without one."""
    if not negates(said):
        return _NONE
    found: set[int] = set()
    for index, token in enumerate(said.read):
        if token.kind in _NEGATORS and not _undoes(said.read, index) and not _undone(said.read, index):
            found.update(_reach(said.read, index))
    return frozenset(found)


def undecided(said: Sentence) -> bool:
    """True for "cannot be excluded", "has not been ruled out": a denial denied, which neither says nor denies anything."""
    return bool(undoings(said))


def undoings(said: Sentence) -> set[int]:
    """Positions of the negations that deny a denial."""
    if Kind.NOT_BEFORE not in said.kinds:
        return set()
    return {i for i in range(len(said.read)) if _undoes(said.read, i)}


def _undoes(read: Sequence[Token], index: int) -> bool:
    """A negation whose next word is itself one, or a verb that decides."""
    if read[index].kind != Kind.NOT_BEFORE:
        return False
    following = next((t for t in read[index + 1 :] if t.kind != Kind.LIGHT), None)
    return following is not None and (following.kind in _NEGATORS or following.word in UNDECIDED)


def _undone(read: Sequence[Token], index: int) -> bool:
    before = next((i for i in range(index - 1, -1, -1) if read[i].kind != Kind.LIGHT), None)
    return before is not None and _undoes(read, before)


def idle(said: Sentence) -> bool:
    """True when some negator of the text reaches nothing: 'not', 'negative', 'not detected' standing alone."""
    return any(token.kind in _NEGATORS and not _reach(said.read, i) for i, token in enumerate(said.read))


def _reach(read: Sequence[Token], index: int) -> list[int]:
    if read[index].kind == Kind.NOT_BEFORE:
        return _ahead(read, index) or _behind(read, index)
    return _behind(read, index) or _ahead(read, index)


def _ahead(read: Sequence[Token], index: int) -> list[int]:
    """Forward scope: to the end of the clause; over commas only in a list that ends in 'or' or 'nor'."""
    reached: list[int] = []
    if read[index].word == "non":
        following = range(index + 1, min(index + 3, len(read)))
        return [i for i in following if read[i].kind in _REACHED][:1]
    for i in range(index + 1, len(read)):
        token = read[i]
        if token.kind == Kind.HARD or token.word == ")" or (token.kind in _NEGATORS and reached):
            break
        if token.kind == Kind.SOFT and not (token.word == "," and reached and _list_goes_on(read, i)):
            break
        if reached and (token.word in _STOPS or (token.word in ("with", "and") and not _list_goes_on(read, i))):
            break
        if token.kind in _REACHED:
            reached.append(i)
    return reached


def _list_goes_on(read: Sequence[Token], index: int) -> bool:
    for token in read[index + 1 :]:
        if token.word in ("or", "nor"):
            return True
        if token.kind == Kind.HARD or token.kind in _NEGATORS or token.kind == Kind.NUMBER or token.word in "()":
            return False
    return False


def _behind(read: Sequence[Token], index: int) -> list[int]:
    """Backward scope: what was named last, over one pause if nothing stands between the pause and the negation."""
    reached: list[int] = []
    for i in range(index - 1, -1, -1):
        token = read[i]
        if token.kind in (Kind.HARD, Kind.NOT_AFTER) or (token.kind in _PAUSES and reached):
            break
        if token.kind in _REACHED:
            reached.append(i)
    return reached
