"""What one string of a fact lends to statements: words by polarity, numbers, quantities, dates, tense. Cached by string."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from msgspec import Struct

from cds_service.grounding.language import polarity
from cds_service.grounding.language.lexicon import HEDGES, SHORT_FORMS, SIGNS, Kind, stem
from cds_service.grounding.language.suspicion import revealed, suspicious
from cds_service.grounding.language.tokens import Numeral, Sentence, Token, sentence

_NOTHING: frozenset[str] = frozenset()


class Source(Struct, frozen=True, kw_only=True):
    """A string of the record as the checks see it. A suspicious string lends nothing."""

    affirmed: frozenset[str] = _NOTHING
    denied: frozenset[str] = _NOTHING
    numbers: frozenset[str] = _NOTHING
    quantities: frozenset[tuple[str, str]] = frozenset()
    dates: frozenset[str] = _NOTHING
    tenses: frozenset[str] = _NOTHING
    negates: bool = False  # has a negation anywhere
    pairs: frozenset[tuple[str, str]] = frozenset()  # words that stand side by side
    plain: bool = False  # quotable, and claims nothing beyond its name: no negation, tense, direction
    quotable: bool = False  # clean, and without words that are never shown
    hedged: frozenset[str] = _NOTHING  # affirmed words that stand only beside "possible", "rule out", "risk of" …
    clauses: tuple[frozenset[str], ...] = ()  # its words and numbers ('#60') clause by clause, whatever their polarity
    empty_denial: bool = False  # is nothing but a denial: 'Negative', 'Not detected', 'None'


_OPENING = frozenset({"and", "with", "but"})
EMPTY = Source()
# a claim word inside a whole name ("right lower lobe") belongs to the name; negation, tense and barred words never do
_PLAIN = {
    Kind.CONTENT, Kind.LIGHT, Kind.NUMBER, Kind.UNIT, Kind.SPAN, Kind.SOFT, Kind.STATE, Kind.TREND, Kind.PLACE,
    Kind.RECENCY, Kind.PERSON, Kind.OVER, Kind.UNDER,
}  # fmt: skip
_WORDLESS = frozenset(
    {Kind.NUMBER, Kind.UNIT, Kind.SPAN, Kind.MONTH, Kind.SOFT, Kind.HARD, Kind.COLON, Kind.MARKUP, Kind.LIGHT}
)


@lru_cache(maxsize=8192)
def source(text: str) -> Source:
    """Read a label, a dosage, a conclusion …"""
    if not text or suspicious(text):
        return EMPTY
    said = sentence(revealed(text))
    if said is None:
        return EMPTY
    read = said.read
    denied = polarity.denied(said)
    affirmed_words: set[str] = set()
    denied_words: set[str] = set()
    for index, token in enumerate(read):
        if token.kind not in _WORDLESS:
            words = denied_words if index in denied else affirmed_words
            words.update(_stem(token, part) for part in token.word.split())
    hedged = _hedged(said, denied)
    named = {token.payload for token in read if token.kind == Kind.CONTENT}
    quotable = Kind.FORBIDDEN not in said.kinds and Kind.MARKUP not in said.kinds
    return Source(
        affirmed=frozenset(affirmed_words) | _shortened(affirmed_words),
        denied=frozenset(denied_words) | _shortened(denied_words),
        numbers=frozenset(_numbers(read)),
        quantities=frozenset(_quantities(read)),
        dates=frozenset(t.payload.a for t in read if isinstance(t.payload, Numeral) and t.payload.shape == "date"),
        tenses=frozenset(str(token.payload) for token in read if token.kind == Kind.TENSE),
        pairs=frozenset((a.word, b.word) for a, b in pairwise(read)),
        plain=quotable and said.kinds <= _PLAIN,
        quotable=quotable,
        negates=polarity.negates(said),
        hedged=hedged,
        clauses=_clauses(read),
        empty_denial=polarity.negates(said) and not named,
    )


def _clauses(read: list[Token]) -> tuple[frozenset[str], ...]:
    """Words between full stops, commas and "and", which opens a clause only where more than a word stands on either side."""
    found: list[frozenset[str]] = []
    own: set[str] = set()
    for token in [*read, Token(Kind.HARD, None, ".")]:
        if token.kind in (Kind.HARD, Kind.SOFT) or (token.word in _OPENING and len(own) > 1):
            if own:
                found.append(frozenset(own))
            own = set()
        elif token.kind == Kind.NUMBER:
            own.add(f"#{token.payload.a}")  # type: ignore[attr-defined]
        elif token.kind not in _WORDLESS:
            own.update(_stem(token, part) for part in token.word.split())
    return tuple(found)


def _hedged(said: Sentence, denied: frozenset[int]) -> frozenset[str]:
    """Words of the clauses that a hedge makes suppositions, unless they also stand in a clause without one."""
    doubt = polarity.undoings(said)
    doubt |= {i for i, token in enumerate(said.read) if token.word in HEDGES and token.kind != Kind.MONTH}
    if not doubt:
        return _NOTHING
    supposed: set[str] = set()
    plain: set[str] = set()
    first = 0
    ends = [i for i, token in enumerate(said.read) if token.kind == Kind.HARD]
    for end in [*ends, len(said.read)]:
        words = {
            token.payload
            for i, token in enumerate(said.read[first:end], first)
            if token.kind == Kind.CONTENT and i not in denied
        }
        into = plain if doubt.isdisjoint(range(first, end)) else supposed
        into.update(words)  # type: ignore[arg-type]
        first = end + 1
    return frozenset(supposed - plain)


def _stem(token: Token, part: str) -> str:
    return token.payload if token.kind == Kind.CONTENT and isinstance(token.payload, str) else stem(part)


def _shortened(words: set[str]) -> frozenset[str]:
    return frozenset(short for short, needed in SHORT_FORMS.items() if needed <= words)


def _numbers(read: list[Token]) -> list[str]:
    found = []
    for position, token in enumerate(read):
        if isinstance(token.payload, Numeral) and token.payload.shape in ("number", "range", "pair", "ratio"):
            sign = _sign(read, position)
            found += [f"{sign}{part}" for part in (*token.payload[1:], token.word) if part]
    return found


def _sign(read: list[Token], position: int) -> str:
    """The comparator before a number: what is said to be less than 50 is not 50."""
    return SIGNS.get(read[position - 1].kind, "") if position else ""


def _quantities(read: list[Token]) -> list[tuple[str, str]]:
    """(number, canonical unit) pairs; spans of time as (number, '#day')."""
    found = []
    for position, token in enumerate(read):
        if token.kind not in (Kind.UNIT, Kind.SPAN):
            continue
        at = position - 1 if read[position - 1].kind == Kind.NUMBER else position - 2
        before = read[at]
        unit = str(token.payload) if token.kind == Kind.UNIT else f"#{token.payload}"
        if isinstance(before.payload, Numeral):
            found += [(f"{_sign(read, at)}{part}", unit) for part in before.payload[1:] if part]
    return found
