"""Reads a dose where it is written plainly: one amount in mg, g or µg, and how often a day. Else nothing is read.

Nothing here computes a dose for a patient; it only lets a check compare what was ordered with a limit of a label.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

CACHED = 1024
_AMOUNT = re.compile(r"(?<![\d.,/])(\d+(?:[.,]\d+)?)\s*(mg|g|mcg|µg|ug|milligrams?|grams?)\b(?!\s*/)", re.IGNORECASE)
_PER_KG = re.compile(r"/\s*kg|per\s+kg", re.IGNORECASE)
_TO_MG = {"mg": Decimal(1), "milligram": Decimal(1), "milligrams": Decimal(1), "g": Decimal(1000),
          "gram": Decimal(1000), "grams": Decimal(1000), "mcg": Decimal("0.001"), "µg": Decimal("0.001"),
          "ug": Decimal("0.001")}  # fmt: skip
_DAY = r"(?:a|per|each)? ?da(?:il)?y"
_TIMES: tuple[tuple[re.Pattern[str], Decimal], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), Decimal(times))
    for times, pattern in (
        (6, r"every 4 ?h\w*|q4h"),
        (4, rf"(?:four|4) times {_DAY}|qid|qds|every 6 ?h\w*|q6h"),
        (3, rf"(?:three|3) times {_DAY}|tid|tds|every 8 ?h\w*|q8h"),
        (2, rf"twice {_DAY}|(?:two|2) times {_DAY}|bid|bd|every 12 ?h\w*|q12h"),
        (1, rf"once {_DAY}|(?:one|1) times? {_DAY}|daily|every day|qd|od|every 24 ?h\w*|q24h|nightly"),
        (1, r"every (?:morning|evening)|at (?:night|bedtime)"),
    )
)


class Dose(Struct, frozen=True):
    """``single_mg``: one administration; ``daily_mg``: with its frequency. None where it is not written plainly."""

    single_mg: Decimal | None = None
    daily_mg: Decimal | None = None


@lru_cache(CACHED)
def read_dose(text: str) -> Dose:
    """The dose a dosage text states. Two different amounts, or an amount per kilogram, are not read."""
    if not text or _PER_KG.search(text):
        return Dose()
    amounts = {_milligrams(*found) for found in _AMOUNT.findall(text[:300])}
    if len(amounts) != 1:
        return Dose()
    single = amounts.pop()
    tablets = re.search(
        r"\b(\d+(?:\.\d+)?|one|two|three|half)\s+(?:tablets?|capsules?|caplets?)\b", text, re.IGNORECASE
    )
    if tablets and tablets[1].lower() not in ("1", "one"):
        return Dose()
    times = next((count for pattern, count in _TIMES if pattern.search(text)), None)
    return Dose(single, None if times is None else single * times)


def _milligrams(number: str, unit: str) -> Decimal:
    return Decimal(number.replace(",", ".")) * _TO_MG[unit.lower()]
