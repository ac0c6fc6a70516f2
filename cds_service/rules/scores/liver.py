"""Liver scores: MELD 3.0, FIB-4."""

from __future__ import annotations

import math
from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import Output, declare, younger_than
from cds_service.rules.scores.inputs import (
    AGE,
    ALBUMIN_G_DL,
    BILIRUBIN_MG_DL,
    CREATININE_MG_DL,
    INR,
    PLATELETS,
    SEX,
    flag,
    number,
)

MELD_CAP = 40


class Meld(Struct, frozen=True):
    """The formula's value, and the score as allocation uses it."""

    raw: float
    score: int


class Index(Struct, frozen=True):
    """A quotient, not rounded."""

    value: float


def _between(value: Decimal, low: str, high: str) -> float:
    return float(min(max(value, Decimal(low)), Decimal(high)))


def meld_3_0(
    *,
    sex: str,
    bilirubin_mg_dl: Decimal,
    inr: Decimal,
    creatinine_mg_dl: Decimal,
    sodium_mmol_l: Decimal,
    albumin_g_dl: Decimal,
    dialysis_2x_7d: bool,
) -> Meld:
    """MELD 3.0 (Kim 2021) with the floors and caps of the paper; the score is capped at 40 as the OPTN does."""
    bilirubin = math.log(max(bilirubin_mg_dl, Decimal(1)))
    creatinine = math.log(3.0 if dialysis_2x_7d else _between(creatinine_mg_dl, "1", "3"))
    sodium = 137 - _between(sodium_mmol_l, "125", "137")
    albumin = 3.5 - _between(albumin_g_dl, "1.5", "3.5")
    raw = (
        (1.33 if sex == "female" else 0.0)
        + 4.56 * bilirubin
        + 0.82 * sodium
        - 0.24 * sodium * bilirubin
        + 9.09 * math.log(max(inr, Decimal(1)))
        + 11.14 * creatinine
        + 1.85 * albumin
        - 1.83 * albumin * creatinine
        + 6
    )
    return Meld(raw, min(MELD_CAP, math.floor(raw + 0.5)))


def fib4(*, age_years: Decimal, ast: Decimal, alt: Decimal, platelets_10e9_l: Decimal) -> Index:
    """FIB-4 (Sterling 2006); years, U/L, 10*9/L."""
    return Index(float(age_years * ast / platelets_10e9_l) / math.sqrt(alt))


MELD_3_0 = declare(
    "MELD_3_0",
    meld_3_0,
    (
        SEX,
        BILIRUBIN_MG_DL,
        INR,
        CREATININE_MG_DL,
        number("sodium_mmol_l", "sodium", "mmol/L", 250, "2951-2", minimum=50, concept="sodium"),
        ALBUMIN_G_DL,
        flag("dialysis_2x_7d", "dialysed at least twice in the last 7 days"),
    ),
    (Output("raw", "not rounded, no cap"), Output("score", "rounded half up, at most 40")),
    guards=(younger_than(18),),
)

FIB4 = declare(
    "FIB4",
    fib4,
    (
        AGE,
        number("ast", "aspartate aminotransferase", "U/L", 100000, "1920-8", concept="ast"),
        number("alt", "alanine aminotransferase", "U/L", 100000, "1742-6", positive=True, concept="alt"),
        PLATELETS,
    ),
    (Output("value", "index"),),
    guards=(younger_than(18),),
)
