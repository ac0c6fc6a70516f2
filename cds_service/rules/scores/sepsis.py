"""Scores of acute illness in adults: qSOFA, SIRS, shock index."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import PREGNANCY, Output, declare, younger_than
from cds_service.rules.scores.inputs import GCS, HR, RR, SBP, TEMP, number


class Criteria(Struct, frozen=True):
    """How many criteria are met, and whether that is enough."""

    score: int
    positive: bool


class Ratio(Struct, frozen=True):
    """A quotient, not rounded."""

    value: Decimal


def qsofa(*, rr: Decimal, sbp: Decimal, gcs: Decimal) -> Criteria:
    """Quick SOFA (Sepsis-3, 2016); units /min, mm[Hg], {score}."""
    score = (rr >= 22) + (sbp <= 100) + (gcs < 15)
    return Criteria(score, score >= 2)


def sirs(
    *,
    temp_c: Decimal,
    hr: Decimal,
    rr: Decimal,
    wbc_10e9_l: Decimal,
    paco2_mmhg: Decimal | None = None,
    bands_pct: Decimal | None = None,
) -> Criteria:
    """SIRS (ACCP/SCCM 1992): every limit is strict; units Cel, /min, 10*9/L, mm[Hg], %."""
    breathing = rr > 20 or (paco2_mmhg is not None and paco2_mmhg < 32)
    cells = wbc_10e9_l > 12 or wbc_10e9_l < 4 or (bands_pct is not None and bands_pct > 10)
    score = (temp_c > 38 or temp_c < 36) + (hr > 90) + breathing + cells
    return Criteria(score, score >= 2)


def shock_index(*, hr: Decimal, sbp: Decimal) -> Ratio:
    """Heart rate over systolic pressure (Allgöwer 1967)."""
    return Ratio(hr / sbp)


_SCORE = (Output("score", "criteria met"), Output("positive", "two or more criteria met"))

QSOFA = declare("qSOFA", qsofa, (RR, SBP, GCS), _SCORE, guards=(younger_than(18),))

SIRS = declare(
    "SIRS",
    sirs,
    (
        TEMP,
        HR,
        RR,
        number("paco2_mmhg", "arterial carbon dioxide", "mm[Hg]", 300, "2019-8", concept="paco2", required=False),
        number("wbc_10e9_l", "white cell count", "10*9/L", 2000, "6690-2", concept="leukocytes"),
        number("bands_pct", "band neutrophils", "%", 100, "764-1", concept="bands", required=False),
    ),
    _SCORE,
    guards=(younger_than(18),),
)

SHOCK_INDEX = declare(
    "ShockIndex",
    shock_index,
    (
        HR,
        number("sbp", "systolic blood pressure", "mm[Hg]", 400, "8480-6", positive=True, concept="systolic_bp"),
    ),
    (Output("value", "HR / SBP"),),
    guards=(younger_than(18), PREGNANCY),
)
