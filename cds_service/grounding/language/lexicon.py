"""The reviewed word lists of this folder, loaded once: what each word of a statement may claim. Data, not judgement."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any


class Kind:
    """What a token is before the facts are looked at. Plain integers: the checks look at them hundreds of times a text."""

    CONTENT = 0  # must stand in a cited fact
    LIGHT = 1  # connective
    NUMBER = 2
    UNIT = 3  # the unit right after a number; payload: canonical
    SPAN = 4  # the unit of time after a number; payload: minute … year
    MONTH = 5  # a month's name beside a number; payload: 1–12
    SOFT = 6  # comma, parenthesis: a pause
    HARD = 7  # full stop, semicolon, 'but': a new clause
    COLON = 8
    NOT_BEFORE = 9  # negates what follows
    NOT_AFTER = 10  # negates what was just named
    STATE = 11
    TREND = 12
    PLACE = 13
    TENSE = 14
    RECENCY = 15
    PERSON = 16
    OVER = 17
    UNDER = 18
    AT_LEAST = 19
    AT_MOST = 20
    ABOUT = 21
    UNLESS_NAMED = 22
    FORBIDDEN = 23
    MARKUP = 24
    WITHIN = 25  # "within" or "outside" of limits; of anything else a connective


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


CLAIMS: Mapping[str, Any] = _table("claims.toml")
NAMES: Mapping[str, Any] = _table("names.toml")


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """One spelling for both sides of a comparison: plural, possessive and British spellings fall together."""
    word = _folded(word)
    return SAME.get(word, word)


def _folded(word: str) -> str:
    word = word.strip("'").removesuffix("'s").replace("'", "")
    word = word.replace("ae", "e").replace("oe", "e").replace("sulph", "sulf")
    if word.endswith(("isation", "ising", "ised", "ise")):
        word = word.replace("isation", "ization").replace("ising", "izing").replace("ised", "ized")
    if len(word) > 5 and word.endswith("our"):
        word = word[:-3] + "or"
    return _singular(word)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("tion", "ted", "ting"):  # insertion, inserted, inserting
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word[: -len(ending)] + "t"
    return word.removesuffix("graphy") + "gram" if word.endswith("graphy") else word


# both spellings of a pair fold to the first word of its line
SAME: Mapping[str, str] = {
    _folded(other): _folded(first) for first, others in NAMES["same"].items() for other in others.split()
}


def stems(words: str) -> frozenset[str]:
    """The stems of a blank-separated list."""
    return frozenset(stem(word) for word in words.split())


def _single_words() -> dict[str, tuple[int, Any]]:
    """Word → (kind, payload). Later groups win where a word stands in two; each such word is handled by its check."""
    words: dict[str, tuple[int, Any]] = {}

    def put(kind: int, payload: Any, listed: str) -> None:
        for word in listed.split():
            words[word] = (kind, payload)

    for group, listed in _table("connectives.toml").items():
        if group not in ("reviewed", "marks"):
            put(Kind.LIGHT, None, listed)
    put(Kind.NOT_BEFORE, None, CLAIMS["negation"]["before"])
    put(Kind.NOT_AFTER, None, CLAIMS["negation"]["after"])
    for kind, table in (
        (Kind.UNLESS_NAMED, "unless_named"),
        (Kind.PERSON, "person"),
        (Kind.TENSE, "tense"),
        (Kind.PLACE, "place"),
        (Kind.STATE, "state"),
        (Kind.TREND, "trend"),
        (Kind.FORBIDDEN, "forbidden"),
        (Kind.WITHIN, "within"),
    ):
        for payload, listed in CLAIMS[table].items():
            if isinstance(listed, str):
                put(kind, payload, listed)
    for word, days in CLAIMS["recency"].items():
        if " " not in word:
            words[word] = (Kind.RECENCY, days)
    comparison = CLAIMS["comparison"]
    put(Kind.OVER, None, comparison["over"])
    put(Kind.UNDER, None, comparison["under"])
    put(Kind.ABOUT, None, comparison["about"])
    for word, number in CLAIMS["numbers"].items():
        words[word] = (Kind.NUMBER, str(number))
    words |= {
        ";": (Kind.HARD, None), ".": (Kind.HARD, None), "but": (Kind.HARD, None), "however": (Kind.HARD, None),
        "[": (Kind.SOFT, "("), "]": (Kind.SOFT, ")"), "whereas": (Kind.HARD, None), ",": (Kind.SOFT, ","),
        "(": (Kind.SOFT, "("), ")": (Kind.SOFT, ")"),
        ":": (Kind.COLON, None), "<": (Kind.UNDER, "<"), ">": (Kind.OVER, ">"), "<=": (Kind.AT_MOST, "<="),
        ">=": (Kind.AT_LEAST, ">="), "~": (Kind.ABOUT, None),
    }  # fmt: skip
    for mark in "-/'\"=&+":
        words[mark] = (Kind.LIGHT, None)
    return words


def _phrases() -> dict[tuple[str, str], tuple[int, Any]]:
    """Two words that mean something else than each alone."""
    found: dict[tuple[str, str], tuple[int, Any]] = {}

    def put(kind: int, payload: Any, listed: list[str]) -> None:
        for phrase in listed:
            first, second = phrase.split()
            found[first, second] = (kind, payload)

    put(Kind.NOT_BEFORE, None, CLAIMS["negation"]["before_phrases"])
    put(Kind.NOT_AFTER, None, CLAIMS["negation"]["after_phrases"])
    put(Kind.PLACE, "newest", CLAIMS["place"]["newest_phrases"])
    put(Kind.TENSE, "past", CLAIMS["tense"]["past_phrases"])
    put(Kind.TENSE, "family", CLAIMS["tense"]["family_phrases"])
    put(Kind.TENSE, "planned", CLAIMS["tense"]["planned_phrases"])
    for phrase, days in CLAIMS["recency"].items():
        if " " in phrase:
            put(Kind.RECENCY, days, [phrase])  # a span's name: the one before the present one
    put(Kind.LIGHT, None, CLAIMS["comparison"]["limit_phrases"])
    put(Kind.UNLESS_NAMED, "inference", CLAIMS["hedge"]["phrases"])
    for direction in ("rising", "falling"):
        put(Kind.TREND, direction, CLAIMS["trend"][f"{direction}_phrases"])
    for state in ("normal", "high", "low"):
        put(Kind.STATE, state, CLAIMS["state"][f"{state}_phrases"])
    for kind, name in (
        (Kind.OVER, "over"),
        (Kind.UNDER, "under"),
        (Kind.AT_LEAST, "at_least"),
        (Kind.AT_MOST, "at_most"),
    ):
        put(kind, None, CLAIMS["comparison"][f"{name}_phrases"])
    return found


def _inverse(table: Mapping[str, Any]) -> dict[str, str]:
    return {word: key for key, listed in table.items() if key != "reviewed" for word in listed.split()}


SIGNS: Mapping[int, str] = {Kind.OVER: ">", Kind.UNDER: "<", Kind.AT_LEAST: ">=", Kind.AT_MOST: "<="}
WORDS = _single_words()
PHRASES = _phrases()
PHRASE_STARTS = frozenset(first for first, _ in PHRASES)
UNITS: Mapping[str, str] = _inverse(_table("units.toml"))
SPANS: Mapping[str, str] = _inverse(CLAIMS["spans"])
MONTHS: Mapping[str, int] = {word: int(number) for word, number in _inverse(CLAIMS["months"]).items()}
ROLES: Mapping[str, str] = _inverse(CLAIMS["role"])
LIMIT_WORDS = frozenset([*CLAIMS["comparison"]["limit"].split(), *CLAIMS["comparison"]["limit_phrases"]])
TENSES: Mapping[str, str] = _inverse({k: v for k, v in CLAIMS["tense"].items() if isinstance(v, str)})
BETTER_UP = frozenset(CLAIMS["trend"]["up_is_better"])
BETTER_DOWN = frozenset(CLAIMS["trend"]["down_is_better"])
SIDES: Mapping[str, str] = _inverse(CLAIMS["side"])
HEDGES = frozenset([*CLAIMS["hedge"]["words"].split(), *CLAIMS["hedge"]["phrases"]])
UNDECIDED = frozenset(CLAIMS["hedge"]["undecided"].split())
SPECIMENS = stems(NAMES["measured"]["specimens"])
PRESENT_WORDS = frozenset(NAMES["measured"]["present"].split())
ALLERGY = frozenset({"allergy", "allergic", "allergen", "nkda", "nka", "intolerance", "hypersensitivity"})
UNNAMED_RELATIVES = frozenset(CLAIMS["relatives"]["unnamed"].split())
CAUSES = frozenset(CLAIMS["cause"]["words"].split())
OFTEN: Mapping[str, str] = _inverse(CLAIMS["often"])
DOSING = frozenset(["once", "twice", "thrice", "every", "each", "at", "as", "in", *OFTEN])
SHORT_FORMS: Mapping[str, frozenset[str]] = {
    stem(short): frozenset(stem(word) for word in words.split() if WORDS.get(word, (0, None))[0] != Kind.LIGHT)
    for short, words in NAMES["short"].items()
}  # a connective in a name ("graft versus host") lends nothing
KIND_WORDS: Mapping[str, frozenset[str]] = {
    key: stems(listed) for table in ("kinds", "resource_kinds") for key, listed in NAMES[table].items()
}
# by kind of fact, resource type, concept key and encounter class: no key stands in two of them
NAME_LISTS: Mapping[str, frozenset[str]] = {
    **KIND_WORDS,
    **{
        key: stems(listed)
        for table in ("concepts", "encounter_classes", "measured")
        for key, listed in NAMES[table].items()
    },
}
