"""Text into classified tokens. The same reading is applied to statements and to the words of facts, so both sides agree."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from cds_service.grounding.language.lexicon import (
    MONTHS,
    PHRASE_STARTS,
    PHRASES,
    SIDES,
    SPANS,
    UNITS,
    WORDS,
    Kind,
    stem,
)
from cds_service.grounding.language.measures import measure
from cds_service.grounding.language.spelling import lettered, respelt

_TYPOGRAPHY = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "‑": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "µ": "u", "μ": "u", "×": "x",
        "·": ",", "•": ",", "²": "2", "³": "^3", "⁶": "^6", "⁹": "^9", "≥": ">=", "≤": "<=", "≈": "~", "…": ".",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "→": " to ", "↑": " rising ", "↓": " falling ", "\n": " ", "\t": " ",
    }
)  # fmt: skip
_FOREIGN = re.compile(r"[^\x20-\x7e°]")
_TAG = re.compile(r"<[/!]?[a-z]")
_THOUSANDS_UNIT = re.compile(r"(?:\bx\s?|\b)10[*^](\d{1,2})/")
_TOKEN = re.compile(
    r"\d{4}-\d\d-\d\dt\d\d:\d\d[\d:.]*(?:z|[+-]\d\d:?\d\d)?"
    r"|(?<![\w.)])-\d+(?:\.\d+)?(?![\d-])"
    r"|\d+(?:[.,:/-]\d+)*"
    r"|/?[a-z°%\[{][a-z0-9°%'^*\[\]{}_]*(?:/(?:\d[\d.]*)?[a-z°\[{][a-z0-9°^*\[\]{}_]*)*"
    r"|[<>]=|\S"
)
_MARKUP = frozenset("[]{}*^_`|#@\\!$<>")
_PARTS = re.compile(r"[\[\]]|[^/\[\]]+")  # of "[mass/volume]"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?\Z")


class Numeral(NamedTuple):
    """A cluster of digits by shape: number, date (``a`` ISO, ``b`` the other reading of day/month), time, range, pair, odd."""

    shape: str
    a: str
    b: str = ""


class Token(NamedTuple):
    """``payload``: the stem of a content word, the Numeral of digits, the class of a claim word."""

    kind: int
    payload: object
    word: str


def normal(text: str) -> str | None:
    """Lower case, one typography, no accents; None where a control, hidden or foreign-script character remains."""
    if not text.isascii():
        folded = unicodedata.normalize("NFKD", text.translate(_TYPOGRAPHY))
        text = "".join(c for c in folded if not unicodedata.combining(c))
    if not (text.isascii() and text.isprintable()):
        text = text.replace("\n", " ").replace("\t", " ")
        if _FOREIGN.search(text):
            return None
    text = respelt(lettered(text).lower())
    if "10*" in text or "10^" in text:
        text = _THOUSANDS_UNIT.sub(r"e\1/", text)
    if "1.73 m" in text:
        text = text.replace("1.73 m", "1.73m")
    return text


class Sentence:
    """A text as tokens, with what a check asks first: which kinds occur at all, and where the digits stand."""

    __slots__ = ("kinds", "numbers", "read")

    def __init__(self, read: list[Token]) -> None:
        self.read = read
        self.numbers = [position for position, token in enumerate(read) if token[0] == Kind.NUMBER]
        for position in self.numbers:
            _beside_number(read, position)
        for position in range(1, len(read)):
            if read[position - 1][2] == "both" and read[position][0] in _CLAIMING:  # "A and B, both high": no side
                read[position - 1] = Token(Kind.LIGHT, None, "both")
            if read[position - 1][2] == "well" and read[position][0] in (Kind.OVER, Kind.UNDER):
                read[position - 1] = Token(Kind.LIGHT, None, "well")  # how far beyond, omitted.py looks
            if read[position - 1][2] == "(" and "/" in read[position][2] and _is_unit(read[position][2]):
                unit = read[position][2]  # "from 198 to 112 (10^9/L)"
                read[position] = Token(Kind.UNIT, UNITS.get(unit, unit), unit)
            if read[position][0] == Kind.CONTENT and read[position][2] in MONTHS and read[position - 1][2] in _IN_MONTH:
                read[position] = Token(Kind.MONTH, MONTHS[read[position][2]], read[position][2])
        self.kinds = {token[0] for token in read}


def sentence(text: str) -> Sentence | None:
    """The tokens of a text, phrases of two words merged; None where the text is not clean (``normal``)."""
    plain = normal(text)
    if plain is None:
        return None
    words = _TOKEN.findall(plain)
    read = [_classified(word) for word in words]
    if "ago" in words or "earlier" in words:
        read = _one_span(read)
    if "/" in plain or "]" in plain or not PHRASE_STARTS.isdisjoint(words):
        read = _merged(read)
    if "](" in plain or "~~" in plain or ("<" in plain and _TAG.search(plain)):  # a link in markdown, a tag of HTML
        read.append(Token(Kind.MARKUP, None, "markup"))
    return Sentence(read)


def _one_span(read: list[Token]) -> list[Token]:
    """ "a week ago": the article is a number."""
    for position in range(len(read) - 2):
        if (
            read[position][2] in ("a", "an")
            and read[position + 1][2] in SPANS
            and read[position + 2][2] in ("ago", "earlier")
        ):
            read[position] = Token(Kind.NUMBER, Numeral("number", "1"), read[position][2])
    return read


_CLAIMING = (Kind.STATE, Kind.TREND, Kind.OVER, Kind.UNDER, Kind.WITHIN)
_IN_MONTH = frozenset({"in", "since", "from", "until", "during", "of"})


def _beside_number(read: list[Token], position: int) -> None:
    """Words that mean a unit, a span or a month only because a number stands beside them."""
    if position:
        word = read[position - 1][2]
        if word in MONTHS:
            read[position - 1] = Token(Kind.MONTH, MONTHS[word], word)
    at = position + 1
    if at >= len(read):
        return
    word = read[at][2].rstrip("'")
    if word == "-" and at + 1 < len(read) and read[at + 1][2] in SPANS:
        at += 1
        word = read[at][2]
    beside = _BESIDE.get(word)
    if beside is None and "/" in word and measure(word) is not None:
        beside = Token(Kind.UNIT, word, word)  # mg/mmol: no list holds every quotient
    if beside is not None:
        read[at] = beside


_BESIDE = {
    **{word: Token(Kind.UNIT, unit, word) for word, unit in UNITS.items()},
    **{word: Token(Kind.SPAN, span, word) for word, span in SPANS.items()},
    **{word: Token(Kind.MONTH, month, word) for word, month in MONTHS.items()},
}


def _merged(read: list[Token]) -> list[Token]:
    merged: list[Token] = []
    skip = False
    last = len(read) - 1
    for position, token in enumerate(read):
        if skip:
            skip = False
            continue
        kind, _, word = token
        if word in PHRASE_STARTS and position < last:
            phrase = PHRASES.get((word, read[position + 1][2]))
            if phrase:
                merged.append(Token(phrase[0], phrase[1], f"{word} {read[position + 1][2]}"))
                skip = True
                continue
        if ("/" in word or "[" in word or "]" in word) and kind in (Kind.CONTENT, Kind.MARKUP) and not _is_unit(word):
            merged.extend(_classified(part) for part in _PARTS.findall(word))
        else:
            merged.append(token)
    return merged


def _is_unit(word: str) -> bool:
    return word in UNITS or measure(word) is not None


@lru_cache(maxsize=16384)
def _classified(word: str) -> Token:
    first = word[0]
    if first.isdigit() or (first == "-" and len(word) > 1):
        return Token(Kind.NUMBER, numeral(word), word)
    if word in SIDES:
        return Token(Kind.CONTENT, SIDES[word], word)
    known = WORDS.get(word)
    if known:
        kind, payload = known
        return Token(kind, Numeral("number", payload) if kind == Kind.NUMBER else payload, word)
    if word in UNITS:
        return Token(Kind.CONTENT, stem(word), word)
    if not _MARKUP.isdisjoint(word) or not word[0].isalpha():
        return Token(Kind.LIGHT if word == "°" else Kind.MARKUP, None, word)
    return Token(Kind.CONTENT, stem(word), word)


@lru_cache(maxsize=16384)
def numeral(cluster: str) -> Numeral:
    """Shape of a digit cluster: '2026-11-20' date, '08:10' time, '3.5-5.1' range, '128/82' pair, '1,234.5' number."""
    if _NUMBER.match(cluster):
        return Numeral("number", cluster)
    if _GROUPED.match(cluster):
        return Numeral("number", cluster.replace(",", ""))
    if "t" in cluster:
        return Numeral("moment", cluster[:10], cluster[11:16])
    parts = re.split(r"[-/:]", cluster)
    marks = re.sub(r"[^-/:]", "", cluster)
    if marks in ("--", "//") and all(p.isdigit() for p in parts):
        return _day(parts)
    if marks == "-" and len(parts[0]) == 4 and len(parts[1]) == 2 and 1 <= int(parts[1]) <= 12:
        return Numeral("date", cluster)
    if marks in (":", "::") and all(p.isdigit() and len(p) <= 2 for p in parts):
        return Numeral("time", f"{int(parts[0]):02}:{parts[1]:0>2}")
    if marks in ("-", "/", ":") and all(_NUMBER.match(p) for p in parts):
        return Numeral({"-": "range", "/": "pair", ":": "ratio"}[marks], *parts)
    return Numeral("odd", cluster)


def _day(parts: list[str]) -> Numeral:
    numbers = [int(p) for p in parts]
    if len(parts[0]) == 4:
        readings = [(numbers[0], numbers[1], numbers[2])]
    elif len(parts[2]) == 4:
        readings = [(numbers[2], numbers[1], numbers[0]), (numbers[2], numbers[0], numbers[1])]
    else:
        return Numeral("odd", "-".join(parts))
    valid = [iso for iso in (iso_day(*reading) for reading in readings) if iso]
    return Numeral("date", valid[0], valid[-1]) if valid else Numeral("odd", "-".join(parts))


def iso_day(year: int, month: int, day: int) -> str:
    """ISO date, or '' where there is no such day."""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""
