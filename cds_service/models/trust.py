"""A finished answer of an engine: accepted, or a BadAnswer that says why. A 200 proves nothing, and neither does a grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cds_service.models.engine import FinishReason, Request
from cds_service.models.families import medgemma
from cds_service.models.faults import (
    Empty,
    Looping,
    NotJson,
    Refusing,
    SchemaViolated,
    TooLong,
    Truncated,
    WrongLanguage,
)
from cds_service.models.validation import violation

CHARACTERS_PER_TOKEN = 16  # no tokenizer of ours makes longer ones on average
_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)
_REFUSAL = re.compile(
    r"\b(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:cannot|can't|can not|won't) (?:help|assist|provide|answer|give|offer|comply)"
    r"|as an AI(?: language)?(?: model)?)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset((
    "the", "of", "and", "with", "is", "was", "are", "were", "for", "to", "at", "by", "from", "has", "had", "not", "no",
    "patient", "on", "since", "after",
))  # fmt: skip
# function words of other languages that no English or clinical text uses
_FOREIGN = frozenset((
    "und", "nicht", "mit", "ist", "wurde", "eine", "einen", "dem", "den", "auf", "für", "zur", "bei", "nach", "keine",
    "der", "das", "el", "los", "las", "con", "para", "una", "del", "por", "sin", "paciente", "les", "avec", "pour", "une",
    "dans", "sur", "est", "sont", "aux", "il", "della", "delle", "sono", "nel", "een", "het", "niet", "met", "voor", "og",
    "ikke", "och", "för", "não", "uma", "com", "dos",
))  # fmt: skip


def accepted(text: str, finish: FinishReason, request: Request) -> str:
    """The usable text of an answer, exactly as a parser wants it. Raises a leaf of BadAnswer.

    The one repair: a thinking block and a code fence around the whole answer are taken off.
    """
    if finish == "length":
        if medgemma.loops(text):
            raise Looping
        raise Truncated
    if finish == "refusal":
        raise Refusing
    if len(text) > request.max_tokens * CHARACTERS_PER_TOKEN:
        raise TooLong
    kept = medgemma.without_thinking(text)
    if not kept.strip():
        raise Empty
    medgemma.refuse_stray(kept)
    if medgemma.loops(text):
        raise Looping
    if request.schema is None:
        kept = medgemma.without_boilerplate(kept)
        _read([kept])
        return kept
    fenced = _FENCE.match(kept)
    kept = fenced[1] if fenced else kept
    _read(list(_strings(_under_schema(kept, request.schema))))
    return kept


def _under_schema(text: str, schema: Mapping[str, Any]) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        if _REFUSAL.search(text[:400]):
            raise Refusing from None
        raise NotJson from None
    wrong = violation(value, schema)
    if wrong:
        raise SchemaViolated(f"the answer breaks the schema at {_masked(wrong)}")
    return value


def _masked(where: str) -> str:
    """A path holds only our own property names; anything else would be the model's words."""
    return where if re.fullmatch(r"[\w$.\[\]: ]{1,120}", where) else "some place"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _read(texts: list[str]) -> None:
    """Refuse text that declines, or that is not English."""
    whole = "\n".join(texts)
    if not whole.strip() and texts and all(not text.strip() for text in texts):
        raise Empty
    if any(_REFUSAL.search(text[:200]) for text in texts):
        raise Refusing
    if any(medgemma.loops(text) for text in texts):
        raise Looping
    medgemma.refuse_stray(whole)
    letters = [c for c in whole if c.isalpha()]
    foreign_script = sum(ord(c) > 0x24F and not 0x370 <= ord(c) <= 0x3FF for c in letters)  # Greek letters are units
    if letters and foreign_script / len(letters) > 0.2:
        raise WrongLanguage
    words = [word.lower() for word in _WORD.findall(whole)]
    foreign, english = sum(w in _FOREIGN for w in words), sum(w in _ENGLISH for w in words)
    if foreign >= 3 and foreign > 2 * english:
        raise WrongLanguage
