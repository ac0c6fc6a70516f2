"""Units as a factor and what they measure, so that 940 mL is 0.94 L and 104 g/L is 10.4 g/dL: decimal steps of one unit, nothing else."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_PREFIXES = {
    "": 0, "p": -12, "n": -9, "u": -6, "mc": -6, "m": -3, "c": -2, "d": -1, "k": 3,
    "pico": -12, "nano": -9, "micro": -6, "milli": -3, "centi": -2, "deci": -1, "kilo": 3,
}  # fmt: skip
_BASES = {
    "g": "g", "gram": "g", "gm": "g", "l": "l", "litre": "l", "liter": "l", "mol": "mol", "mole": "mol", "eq": "eq",
    "osm": "osm", "iu": "iu", "[iu]": "iu", "u": "iu", "unit": "iu", "m": "m", "metre": "m", "meter": "m",
}  # fmt: skip
_TIMES = {
    "min": "min", "minute": "min", "h": "h", "hr": "h", "hour": "h", "d": "d", "day": "d", "s": "s", "sec": "s",
    "second": "s", "week": "wk", "wk": "wk",
}  # fmt: skip
_UNPREFIXED = frozenset({"iu", "[iu]", "gm", "unit"})
_POWER = re.compile(r"(?:e|10[*^])(\d{1,2})\Z")
_COUNTS = {"k": 3, "thousand": 3, "million": 6}


class Measure(NamedTuple):
    """``factor`` times the plain unit of ``kind``: mg/dL is 0.01 of g/l."""

    factor: Decimal
    kind: str


@lru_cache(maxsize=1024)
def measure(unit: str) -> Measure | None:
    """A unit in lower case ('mg/mmol', '/ul', 'e9/l'); None where a part is not of these."""
    upper, slash, lower = unit.partition("/")
    above = _counted(upper) if slash and (not upper or upper in _COUNTS or _POWER.match(upper)) else _part(upper)
    if above is None or "/" in lower:
        return None
    if not slash:
        return above
    below = _part(lower)
    return Measure(above.factor / below.factor, f"{above.kind}/{below.kind}") if below else None


def _counted(upper: str) -> Measure:
    power = _POWER.match(upper)
    return Measure(Decimal(1).scaleb(int(power[1]) if power else _COUNTS.get(upper, 0)), "")


def _part(word: str) -> Measure | None:
    single = word.removesuffix("s") if len(word) > 3 else word
    if single in _TIMES:
        return Measure(Decimal(1), _TIMES[single])
    for base, kind in _BASES.items():
        prefix = single.removesuffix(base)
        if single.endswith(base) and prefix in _PREFIXES and (not prefix or base not in _UNPREFIXED):
            return Measure(Decimal(1).scaleb(_PREFIXES[prefix]), kind)
    return None


def same(amount: Decimal, unit: str, other: Decimal, other_unit: str) -> bool:
    """True when both amounts are one, written in decimal steps of one unit."""
    one, two = measure(unit), measure(other_unit)
    return one is not None and two is not None and one.kind == two.kind and amount * one.factor == other * two.factor
