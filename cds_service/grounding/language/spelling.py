"""One spelling for what is written in many ways: hyphens, times of day, ages, units in words, the shorthand of prescriptions.

Applied to statements and to the words of facts alike, before either is read; nothing here adds or removes a claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cds_service.grounding.language.lexicon import CLAIMS

_LETTER = re.compile(r"(?<=[A-Za-z0-9][ -])A(?=[ ,;:)]|\.?$)")  # hepatitis A, influenza A: a name, no article
_PREFIX = re.compile(
    r"\b(pre|post|anti|ante|re|co|sub|peri|intra|inter|extra|multi|micro|macro|hyper|hypo|x)-(?=[a-z]{3})"
)
_STAIN = re.compile(r"\b(gram|coagulase|triple|her2|er|pr)[ -](negative|positive)\b")  # part of a name, denies nothing
_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d\d))? ?([ap])\.?m\b\.?")
_AGE = re.compile(r"\b(\d{1,3})[ -]?(?:y/o|yo|y\.o\.)(?![a-z])")
_AGE_SEX = re.compile(r"\A(\d{1,3}) ?([fm])\b(?=[ ,])")
_FLAG = re.compile(r"\((hh|ll|h|l)\)")
_FLAGS = {"h": "(high)", "l": "(low)", "hh": "(critically high)", "ll": "(critically low)"}
_PER = re.compile(r" per (?=(?:minute|min|hour|hr|h|day|week|litre|liter|kg|kilogram|millilitre|milliliter|cent)\b)")
_DEGREES = re.compile(r" ?\b(?:degrees?|deg)\.? ?(celsius|fahrenheit|c|f)\b")
_A_DAY = re.compile(r"\b(once|twice|times|thrice) (?:a|per|each|every|/) ?(day|week|month|night)\b")
_OFTEN = {"day": "daily", "week": "weekly", "month": "monthly", "night": "nightly"}
_EVERY_HOURS = re.compile(r"\bq ?(\d{1,2}) ?(h|hr|hrs|hours|d|days?|w|wk|wks|weeks?)\b")
_UNIT_OF = {"h": "hours", "d": "days", "w": "weeks"}
_HOURLY = re.compile(r"\b(\d{1,2})[ -]hourly\b")
_WHOLE: Mapping[str, str] = CLAIMS["shorthand"]
_PLAIN = frozenset(
    short for short in _WHOLE if short.isalpha()
)  # looked for first: the pattern is slow where there is none
_BREAKS = str.maketrans(dict.fromkeys(",.;:()/-", " "))
_ODD = tuple(short for short in _WHOLE if not short.isalpha())
_SHORT = re.compile(r"(?<![\w.])(" + "|".join(sorted(map(re.escape, _WHOLE), key=len, reverse=True)) + r")(?![\w/])")


def lettered(text: str) -> str:
    """Before case is lost: a capital A after another word is a letter, not an article."""
    return _LETTER.sub("A'", text) if " A" in text or "-A" in text else text


def respelt(text: str) -> str:
    """Lower-case text with each such form in its one spelling."""
    if "tive" in text:
        text = _STAIN.sub(r"\1\2", text)
    if "-" in text:
        text = _PREFIX.sub(r"\1", text)
        text = _HOURLY.sub(r"every \1 hours", text)
    if "m" in text and ("am" in text or "pm" in text or "a.m" in text or "p.m" in text):
        text = _CLOCK.sub(_day_time, text)
    if text[:1].isdigit() or "y" in text:
        text = _AGE_SEX.sub(lambda m: f"{m[1]}-year-old {'female' if m[2] == 'f' else 'male'}", text)
        text = _AGE.sub(r"\1-year-old", text)
    if "(h" in text or "(l" in text:
        text = _FLAG.sub(lambda m: _FLAGS[m[1]], text)
    if " per " in text:
        text = _PER.sub("/", text).replace("/cent", "%")
    if "deg" in text:
        text = _DEGREES.sub(lambda m: f" °{m[1][0]}", text)
    if "mm hg" in text:
        text = text.replace("mm hg", "mmhg")
    return _dosed(text)


def _dosed(text: str) -> str:
    """The shorthand of prescriptions in words: BID, q6h, twice a day."""
    if not _PLAIN.isdisjoint(text.translate(_BREAKS).split()) or any(odd in text for odd in _ODD):
        text = _SHORT.sub(lambda m: _WHOLE[m[1]], text)
    if "q" in text:
        text = _EVERY_HOURS.sub(lambda m: f"every {m[1]} {_UNIT_OF[m[2][0]]}", text)
    if "once" in text or "twice" in text or "times" in text or "thrice" in text:
        text = _A_DAY.sub(lambda m: f"{m[1]} {_OFTEN[m[2]]}", text)
    return text


def _day_time(found: re.Match[str]) -> str:
    hour, minutes = int(found[1]), found[2] or "00"
    if not 1 <= hour <= 12:
        return found[0]
    hour = hour % 12 + (12 if found[3] == "p" else 0)
    return f"{hour:02}:{minutes}"
