"""Kidney function: eGFR (CKD-EPI 2021), KDIGO G category, Cockcroft-Gault clearance."""

from __future__ import annotations

import math
from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import PREGNANCY, UNSTEADY, Impossible, Output, declare, younger_than
from cds_service.rules.scores.inputs import AGE, CREATININE_MG_DL, CREATININE_UMOL_L, EGFR, SEX, number

UMOL_PER_MG_DL = Decimal("88.4")

_FEMALE = (Decimal("0.7"), -0.241, 1.012)  # κ, α, factor
_MALE = (Decimal("0.9"), -0.302, 1.0)
G_STAGES = ((90, "G1"), (60, "G2"), (45, "G3a"), (30, "G3b"), (15, "G4"), (0, "G5"))


class Egfr(Struct, frozen=True):
    """mL/min/1.73 m²: as calculated, and as laboratories report it."""

    egfr: float
    reported: int


class GStage(Struct, frozen=True):
    """KDIGO G category."""

    stage: str


class Clearance(Struct, frozen=True):
    """Creatinine clearance, mL/min."""

    crcl_ml_min: Decimal


def mg_dl(given_mg_dl: Decimal | None, given_umol_l: Decimal | None) -> Decimal:
    """Creatinine in mg/dL: as given, else converted (88.4 µmol/L are 1 mg/dL)."""
    if given_mg_dl is not None:
        return given_mg_dl
    if given_umol_l is None:
        raise Impossible("creatinine")
    return given_umol_l / UMOL_PER_MG_DL


def egfr(
    *, sex: str, age_years: Decimal, creatinine_mg_dl: Decimal | None = None, creatinine_umol_l: Decimal | None = None
) -> Egfr:
    """CKD-EPI 2021, creatinine, without race (Inker 2021); mg/dL is used where both units are given."""
    kappa, alpha, factor = _FEMALE if sex == "female" else _MALE
    ratio = mg_dl(creatinine_mg_dl, creatinine_umol_l) / kappa
    value = 142 * math.pow(ratio, alpha if ratio < 1 else -1.2) * math.pow(0.9938, age_years) * factor
    return Egfr(value, math.floor(value + 0.5))


def g_stage(*, egfr: Decimal) -> GStage:
    """KDIGO 2024 G category of an eGFR, mL/min/1.73 m²."""
    return GStage(next(stage for lowest, stage in G_STAGES if egfr >= lowest))


def cockcroft_gault(*, sex: str, age_years: Decimal, weight_kg: Decimal, creatinine_mg_dl: Decimal) -> Clearance:
    """Cockcroft and Gault 1976, with the weight it is given (kg)."""
    value = (140 - age_years) * weight_kg / (72 * creatinine_mg_dl)
    return Clearance(max(Decimal(0), value * (Decimal("0.85") if sex == "female" else 1)))


EGFR_CKD_EPI_2021 = declare(
    "eGFR_CKD_EPI_2021",
    egfr,
    (SEX, AGE, CREATININE_MG_DL, CREATININE_UMOL_L),
    (
        Output("egfr", "not rounded", "mL/min/{1.73_m2}"),
        Output("reported", "rounded half up to an integer", "mL/min/{1.73_m2}"),
    ),
    guards=(younger_than(18), PREGNANCY, UNSTEADY),
    alternatives=(("creatinine_mg_dl",), ("creatinine_umol_l",)),
)

CKD_G_STAGE = declare(
    "CKD_G_stage",
    g_stage,
    (EGFR,),
    (Output("stage", "G1, G2, G3a, G3b, G4, G5"),),
    guards=(PREGNANCY, UNSTEADY),
)

COCKCROFT_GAULT = declare(
    "CockcroftGault",
    cockcroft_gault,
    (
        SEX,
        AGE,
        number("weight_kg", "body weight", "kg", 700, "29463-7", positive=True, concept="body_weight"),
        CREATININE_MG_DL,
    ),
    (Output("crcl_ml_min", "not rounded; 0 above 140 years", "mL/min"),),
    guards=(younger_than(18), PREGNANCY, UNSTEADY),
)
