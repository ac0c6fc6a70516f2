"""Scores of the chest: Wells (pulmonary embolism), CURB-65 (pneumonia), HEART (chest pain), corrected QT."""

from __future__ import annotations

import math
from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import PREGNANCY, Kind, Output, declare, younger_than
from cds_service.rules.scores.inputs import AGE, DBP, HR, RR, SBP, choice, flag, number


class Wells(Struct, frozen=True):
    """Score in half points, and its two tiers: likely above 4."""

    score: Decimal
    two_tier: str


class Points(Struct, frozen=True):
    """A plain count."""

    score: int


class Heart(Struct, frozen=True):
    """HEART score (0–10) and its risk."""

    score: int
    risk: str


class CorrectedQt(Struct, frozen=True):
    """Both corrections, ms, not rounded."""

    bazett: float
    fridericia: float


def wells_pe(
    *,
    dvt_signs: bool,
    pe_most_likely: bool,
    hr: Decimal,
    immobil_or_surgery_4w: bool,
    prior_dvt_pe: bool,
    hemoptysis: bool,
    malignancy: bool,
) -> Wells:
    """Wells 2000; tiers of the Christopher study (2006)."""
    ones = 3 * dvt_signs + 3 * pe_most_likely + hemoptysis + malignancy
    score = ones + Decimal("1.5") * ((hr > 100) + immobil_or_surgery_4w + prior_dvt_pe)
    return Wells(score, "likely" if score > 4 else "unlikely")


def curb_65(
    *,
    confusion: bool,
    rr: Decimal,
    sbp: Decimal,
    dbp: Decimal,
    age_years: Decimal,
    bun_mg_dl: Decimal | None = None,
    urea_mmol_l: Decimal | None = None,
) -> Points:
    """Lim 2003; each unit of urea against its own printed limit, BUN where both are given."""
    urea = bun_mg_dl > 19 if bun_mg_dl is not None else urea_mmol_l is not None and urea_mmol_l > 7
    return Points(confusion + urea + (rr >= 30) + (sbp < 90 or dbp <= 60) + (age_years >= 65))


HISTORY = ("slightly", "moderately", "highly")
ECG = ("normal", "nonspecific", "st_deviation")


def heart(
    *,
    history: str,
    ecg: str,
    age_years: Decimal,
    risk_factors: Decimal,
    known_atherosclerosis: bool,
    troponin_x_uln: Decimal,
) -> Heart:
    """Six 2008 with the limits of Backus 2013."""
    score = HISTORY.index(history) + ECG.index(ecg)
    score += (age_years >= 45) + (age_years >= 65)
    score += 2 if known_atherosclerosis else (risk_factors >= 1) + (risk_factors >= 3)
    score += (troponin_x_uln > 1) + (troponin_x_uln >= 3)
    return Heart(score, "low" if score <= 3 else "moderate" if score <= 6 else "high")


def qtc(*, qt_ms: Decimal, hr: Decimal) -> CorrectedQt:
    """Bazett and Fridericia 1920; ms and /min."""
    rr_seconds = float(60 / hr)
    return CorrectedQt(float(qt_ms) / math.sqrt(rr_seconds), float(qt_ms) / math.cbrt(rr_seconds))


WELLS_PE = declare(
    "Wells_PE",
    wells_pe,
    (
        flag("dvt_signs", "clinical signs of deep vein thrombosis"),
        flag("pe_most_likely", "embolism is the most likely or an equally likely diagnosis"),
        HR,
        flag("immobil_or_surgery_4w", "immobilised ≥3 days, or surgery, within 4 weeks"),
        flag("prior_dvt_pe", "deep vein thrombosis or embolism before"),
        flag("hemoptysis", "haemoptysis"),
        flag("malignancy", "malignancy treated within 6 months or palliative"),
    ),
    (Output("score", "0–12.5"), Output("two_tier", "likely (above 4), unlikely")),
    guards=(younger_than(18), PREGNANCY),
)

CURB_65 = declare(
    "CURB_65",
    curb_65,
    (
        flag("confusion", "new confusion"),
        number("bun_mg_dl", "blood urea nitrogen", "mg/dL", 1000, "3094-0", concept="urea_nitrogen"),
        number("urea_mmol_l", "urea", "mmol/L", 400, "22664-7"),
        RR,
        SBP,
        DBP,
        AGE,
    ),
    (Output("score", "0–5"),),
    guards=(younger_than(18),),
    alternatives=(("bun_mg_dl",), ("urea_mmol_l",)),
)

HEART = declare(
    "HEART",
    heart,
    (
        choice("history", "how suspicious the history is", *HISTORY),
        choice("ecg", "the electrocardiogram", *ECG),
        AGE,
        number("risk_factors", "number of cardiovascular risk factors", "1", 20, kind=Kind.INTEGER),
        flag("known_atherosclerosis", "history of atherosclerotic disease"),
        number("troponin_x_uln", "troponin as a multiple of its upper limit", "1", 1000000),
    ),
    (Output("score", "0–10"), Output("risk", "low (0–3), moderate (4–6), high (7–10)")),
    guards=(younger_than(18),),
)

QTC = declare(
    "QTc",
    qtc,
    (
        number("qt_ms", "QT interval", "ms", 2000, "8634-8", positive=True, concept="qt"),
        number("hr", "heart rate of the same tracing", "/min", 400, "8867-4", positive=True, concept="heart_rate"),
    ),
    (Output("bazett", "QT / √RR", "ms"), Output("fridericia", "QT / ∛RR", "ms")),
)
