"""The name of what is supposed: words of a bounded medical vocabulary, printed by template as "Consider …" and nowhere else.

A hypothesis need not stand in the record, so its name cannot be checked against facts. What can be checked is that it is a name: no
sentence, no order, no figure, no negation, no person, no address.
"""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

from cds_service.grounding.checks.vocabulary import Fault
from cds_service.grounding.language.lexicon import Kind, stem, stems
from cds_service.grounding.language.tokens import Numeral, Token, sentence
from cds_service.grounding.statement import Reason, Statement

MAX_NAME = 80  # characters
MAX_WORDS = 10
MAX_CHANGES = 4

_LISTED = tomllib.loads(files(__package__).joinpath("hypotheses.toml").read_text(encoding="utf-8"))
_WORDS = frozenset().union(*(stems(_LISTED[key]) for key in ("conditions", "places", "tests", "treatments")))
_ENDINGS = tuple(_LISTED["endings"])
_SHORT = 5  # letters below which an ending alone makes no word
_NUMBER = re.compile(r"\d{1,2}\Z")  # type 2, stage 3, factor 8; nothing that could be a dose, a year or a telephone
_PRINTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,()'/+-]*\Z")  # nothing that could be markup
_BARRED = {
    Kind.MARKUP: Reason.LINK, Kind.NOT_BEFORE: Reason.POLARITY, Kind.NOT_AFTER: Reason.POLARITY, Kind.UNIT: Reason.NUMBER,
    Kind.SPAN: Reason.NUMBER, Kind.COLON: Reason.SHAPE, Kind.HARD: Reason.SHAPE, Kind.PERSON: Reason.PERSON,
    Kind.TENSE: Reason.TENSE, Kind.RECENCY: Reason.DATE, Kind.MONTH: Reason.DATE, Kind.AT_LEAST: Reason.NUMBER,
    Kind.AT_MOST: Reason.NUMBER, Kind.ABOUT: Reason.NUMBER,
}  # fmt: skip
_FORBIDDEN = {
    "directive": Reason.DIRECTIVE, "directive_noun": Reason.DIRECTIVE, "priority": Reason.DIRECTIVE,
    "authority": Reason.AUTHORITY, "link": Reason.LINK, "control": Reason.CONTROL, "all_clear": Reason.ALL_CLEAR,
}  # fmt: skip


def hypothesis_fault(statement: Statement) -> Fault | None:
    """What is wrong with the names a hypothesis carries; its text is checked like any other."""
    for name in (statement.name, *statement.changes):
        wrong = name_fault(name)
        if wrong:
            return wrong
    return None


def name_fault(name: str) -> Fault | None:
    """Why a name may not be printed; None when it may."""
    said = sentence(name)
    if said is None:
        return Reason.UNCLEAN, ""
    if name and not _PRINTED.match(name.replace("’", "'").replace("–", "-")):
        return Reason.LINK, ""
    if not 0 < len(name.strip()) <= MAX_NAME or len(said.read) > MAX_WORDS:
        return Reason.SHAPE, ""
    for position, token in enumerate(said.read):
        wrong = _token_fault(token)
        if wrong is not None and not _in_a_name(said.read, position):
            return wrong, token.word
    return None if Kind.CONTENT in said.kinds else (Reason.SHAPE, name)


def _token_fault(token: Token) -> Reason | None:
    kind, payload, word = token
    if kind in _BARRED:
        return _BARRED[kind]
    if kind == Kind.NUMBER:
        plain = isinstance(payload, Numeral) and payload.shape == "number" and _NUMBER.match(word)
        return None if plain else Reason.NUMBER
    if kind in (Kind.FORBIDDEN, Kind.UNLESS_NAMED):
        return None if known(word) and payload in _NAMES else _FORBIDDEN.get(str(payload))
    return None if kind != Kind.CONTENT or known(word) else Reason.NAME


def _in_a_name(read: list[Token], position: int) -> bool:
    """Negations that are part of a name: non-contrast CT, MRI without contrast."""
    following = read[position + 1].word if position + 1 < len(read) else ""
    return read[position].word == "non" or (read[position].word == "without" and following == "contrast")


_NAMES = frozenset({"inference", "directive_noun"})  # "risk assessment", "repeat troponin": a list may hold them


def known(word: str) -> bool:
    """True for a word of the vocabulary."""
    return stem(word) in _WORDS or (len(word) > _SHORT and word.endswith(_ENDINGS)) or word in _LATERAL


_LATERAL = frozenset({"left", "right", "bilateral"})
