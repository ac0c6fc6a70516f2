"""Derived laboratory values: corrected calcium, anion gap, LDL by Friedewald, HbA1c."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import PREGNANCY, Guard, Impossible, Output, Values, declare
from cds_service.rules.scores.inputs import ALBUMIN_G_DL, choice, number

TRIGLYCERIDE_MG_PER_MMOL = Decimal("88.57")
TRIGLYCERIDE_LIMIT_MG_DL = 400


class Calcium(Struct, frozen=True):
    """Corrected calcium in the unit it was given in: mg/dL or mmol/L."""

    value: Decimal | None = None
    value_mmol_l: Decimal | None = None


class Gap(Struct, frozen=True):
    """Anion gap, and corrected for albumin where that was given; mmol/L."""

    ag: Decimal
    ag_corrected: Decimal | None


class Ldl(Struct, frozen=True):
    """LDL cholesterol in the unit given."""

    ldl: Decimal


class Glycation(Struct, frozen=True):
    """HbA1c category (ADA) and value in mmol/mol (IFCC)."""

    category: str
    ifcc_mmol_mol: Decimal


def corrected_calcium(
    *,
    calcium_mg_dl: Decimal | None = None,
    albumin_g_dl: Decimal | None = None,
    calcium_mmol_l: Decimal | None = None,
    albumin_g_l: Decimal | None = None,
) -> Calcium:
    """Payne 1973; conventional units are used where both are given."""
    if calcium_mg_dl is not None and albumin_g_dl is not None:
        return Calcium(value=calcium_mg_dl + Decimal("0.8") * (4 - albumin_g_dl))
    if calcium_mmol_l is None or albumin_g_l is None:
        raise Impossible("calcium")
    return Calcium(value_mmol_l=calcium_mmol_l + Decimal("0.02") * (40 - albumin_g_l))


def anion_gap(*, na: Decimal, cl: Decimal, hco3: Decimal, albumin_g_dl: Decimal | None = None) -> Gap:
    """Na − Cl − HCO3, without potassium; Figge 1998 for the correction."""
    gap = na - cl - hco3
    return Gap(gap, None if albumin_g_dl is None else gap + Decimal("2.5") * (4 - albumin_g_dl))


def ldl(*, tc: Decimal, hdl: Decimal, tg: Decimal, unit: str) -> Ldl:
    """Friedewald 1972, in mg/dL or mmol/L."""
    value = tc - hdl - (tg / 5 if unit == "mg/dL" else tg / Decimal("2.2"))
    if value < 0:
        raise Impossible("ldl")
    return Ldl(value)


def high_triglycerides(values: Values) -> bool:
    """Above 400 mg/dL the formula does not hold."""
    tg, unit = values.get("tg"), values.get("unit")
    if not isinstance(tg, Decimal) or unit is None:
        return False
    return (tg if unit == "mg/dL" else tg * TRIGLYCERIDE_MG_PER_MMOL) > TRIGLYCERIDE_LIMIT_MG_DL


def hba1c(*, ngsp_pct: Decimal) -> Glycation:
    """ADA categories; NGSP to IFCC by the master equation."""
    category = "normal"
    if ngsp_pct >= Decimal("6.5"):
        category = "diabetes-range"
    elif ngsp_pct >= Decimal("5.7"):
        category = "prediabetes"
    return Glycation(category, Decimal("10.93") * ngsp_pct - Decimal("23.5"))


CORRECTED_CALCIUM = declare(
    "CorrectedCalcium",
    corrected_calcium,
    (
        number("calcium_mg_dl", "total calcium", "mg/dL", 40, "17861-6", positive=True, concept="calcium"),
        ALBUMIN_G_DL,
        number("calcium_mmol_l", "total calcium", "mmol/L", 10, "2000-8", positive=True),
        number("albumin_g_l", "serum albumin", "g/L", 100, "1751-7"),
    ),
    (Output("value", "from mg/dL and g/dL", "mg/dL"), Output("value_mmol_l", "from mmol/L and g/L", "mmol/L")),
    alternatives=(("calcium_mg_dl", "albumin_g_dl"), ("calcium_mmol_l", "albumin_g_l")),
)

ANION_GAP = declare(
    "AnionGap",
    anion_gap,
    (
        number("na", "sodium", "mmol/L", 250, "2951-2", minimum=50, concept="sodium"),
        number("cl", "chloride", "mmol/L", 250, "2075-0", minimum=20, concept="chloride"),
        number("hco3", "bicarbonate", "mmol/L", 100, "1963-8", "2028-9", concept="bicarbonate"),
        number("albumin_g_dl", "serum albumin", "g/dL", 10, "1751-7", concept="albumin", required=False),
    ),
    (Output("ag", "anion gap", "mmol/L"), Output("ag_corrected", "corrected for albumin", "mmol/L")),
)

LDL_FRIEDEWALD = declare(
    "LDL_Friedewald",
    ldl,
    (
        number("tc", "total cholesterol", "in `unit`", 5000, "2093-3", concept="cholesterol"),
        number("hdl", "HDL cholesterol", "in `unit`", 1000, "2085-9", concept="hdl"),
        number("tg", "triglycerides", "in `unit`", 50000, "2571-8", concept="triglycerides"),
        choice("unit", "unit of the three values", "mg/dL", "mmol/L"),
    ),
    (Output("ldl", "LDL cholesterol", "in `unit`"),),
    guards=(Guard("TG>400", high_triglycerides),),
)

HBA1C = declare(
    "HbA1c",
    hba1c,
    (number("ngsp_pct", "haemoglobin A1c (NGSP)", "%", 25, "4548-4", minimum=2.2, concept="hba1c"),),
    (
        Output("category", "normal, prediabetes, diabetes-range"),
        Output("ifcc_mmol_mol", "IFCC value", "mmol/mol"),
    ),
    guards=(PREGNANCY,),
)
