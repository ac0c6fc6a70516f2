"""What records say in words: no known allergies, denials, code status, oxygen targets, the modality of an order (words.toml)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files

from msgspec import Struct

from cds_service.record.coding import SNOMED
from cds_service.record.facts import Code


class Words(Struct, frozen=True):
    """words.toml, compiled."""

    no_known: re.Pattern[str]
    no_known_kinds: dict[str, re.Pattern[str]]
    no_known_codes: dict[str, str]
    reactions: dict[str, str]
    negated: re.Pattern[str]
    negated_codes: frozenset[str]
    family: re.Pattern[str]
    history: re.Pattern[str]
    code_status: re.Pattern[str]
    code_status_codes: frozenset[str]
    consent_categories: frozenset[str]
    target_range: re.Pattern[str]
    target_subject: re.Pattern[str]
    target_measures: frozenset[str]
    modalities: dict[str, re.Pattern[str]]
    other_measure: re.Pattern[str]


@cache
def words() -> Words:
    """The words that ship with the package."""
    data = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
    none, condition, status, target = data["no_known"], data["condition"], data["code_status"], data["oxygen_target"]
    return Words(
        no_known=_pattern(none["words"]),
        no_known_kinds={k: _pattern(none[f"{k}_words"]) for k in ("medication", "food", "environment")},
        no_known_codes=none["codes"],
        reactions=data["reaction"],
        negated=_pattern(condition["negated"]),
        negated_codes=frozenset(condition["negated_codes"]),
        family=_pattern(condition["family"]),
        history=_pattern(condition["history"]),
        code_status=_pattern(status["words"]),
        code_status_codes=frozenset(status["codes"]),
        consent_categories=frozenset(status["consent_categories"]),
        target_range=_pattern(target["range"]),
        target_subject=_pattern(target["subject"]),
        target_measures=frozenset(target["measures"]),
        modalities={code: _pattern(text) for code, text in data["modality"].items()},
        other_measure=_pattern(data["measurement"]["other"]),
    )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


def no_known(codes: Iterable[Code], label: str) -> str | None:
    """What “no known …” covers: '' everything, else medication, food or environment; None where nothing of the kind is said."""
    for code in codes:
        if code.system == SNOMED and code.code in words().no_known_codes:
            return words().no_known_codes[code.code]
    if not words().no_known.search(label):
        return None
    return next((kind for kind, pattern in words().no_known_kinds.items() if pattern.search(label)), "")


def reaction(codes: Iterable[Code], label: str) -> str:
    """The label of a reaction, or the name of its code where the record gives no word for it."""
    for code in codes:
        if code.system == SNOMED and code.code == label:
            return words().reactions.get(code.code, label)
    return label


def says_code_status(codes: Iterable[Code], *texts: str) -> bool:
    """True where codes or words speak of resuscitation, intubation, comfort care or an advance directive."""
    listed = words().code_status_codes
    if any(c.code in listed and c.system == SNOMED for c in codes):
        return True
    return any(t and words().code_status.search(t) for t in texts)


def says_target(text: str) -> bool:
    """True where a text documents an oxygen saturation target of 88 to 92 %."""
    return "88" in text and bool(words().target_range.search(text) and words().target_subject.search(text))


@lru_cache(maxsize=4096)
def modalities(text: str) -> tuple[str, ...]:
    """DICOM modality codes an order's words stand for; angiography by CT or MR is CT or MR alone."""
    found = [code for code, pattern in words().modalities.items() if pattern.search(text)]
    if "XA" in found and ("CT" in found or "MR" in found):
        found.remove("XA")
    return tuple(found)
