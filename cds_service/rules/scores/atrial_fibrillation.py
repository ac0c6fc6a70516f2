"""Atrial fibrillation: stroke risk (CHA2DS2-VASc, CHA2DS2-VA) and bleeding risk (HAS-BLED)."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import Output, declare, younger_than
from cds_service.rules.scores.inputs import AGE, SBP, SEX, flag, number


class StrokeRisk(Struct, frozen=True):
    """CHA2DS2-VASc (0–9), and CHA2DS2-VA, which leaves sex out (0–8)."""

    score: int
    cha2ds2_va: int


class BleedingRisk(Struct, frozen=True):
    """HAS-BLED (0–9); high from 3."""

    score: int
    high_risk: bool


def cha2ds2_vasc(
    *, age_years: Decimal, sex: str, chf: bool, htn: bool, diabetes: bool, stroke_tia: bool, vascular: bool
) -> StrokeRisk:
    """Lip 2010; without sex as in the ESC guideline of 2024."""
    age = 2 if age_years >= 75 else int(age_years >= 65)
    without_sex = age + chf + htn + diabetes + 2 * stroke_tia + vascular
    return StrokeRisk(without_sex + (sex == "female"), without_sex)


def has_bled(
    *,
    sbp: Decimal,
    abnormal_renal: bool,
    abnormal_liver: bool,
    stroke: bool,
    bleeding_history: bool,
    labile_inr: bool,
    age_years: Decimal,
    antiplatelet_or_nsaid: bool,
    alcohol_drinks_week: Decimal,
) -> BleedingRisk:
    """Pisters 2010; mm[Hg], years, drinks a week."""
    score = sum(
        (
            sbp > 160,
            abnormal_renal,
            abnormal_liver,
            stroke,
            bleeding_history,
            labile_inr,
            age_years > 65,
            antiplatelet_or_nsaid,
            alcohol_drinks_week >= 8,
        )
    )
    return BleedingRisk(score, score >= 3)


CHA2DS2_VASC = declare(
    "CHA2DS2_VASc",
    cha2ds2_vasc,
    (
        AGE,
        SEX,
        flag("chf", "heart failure or left ventricular dysfunction"),
        flag("htn", "hypertension"),
        flag("diabetes", "diabetes mellitus"),
        flag("stroke_tia", "stroke, transient ischaemic attack or systemic embolism before"),
        flag("vascular", "vascular disease: myocardial infarction, peripheral artery disease, aortic plaque"),
    ),
    (Output("score", "CHA2DS2-VASc, 0–9"), Output("cha2ds2_va", "without sex, 0–8")),
    guards=(younger_than(18),),
)

HAS_BLED = declare(
    "HAS_BLED",
    has_bled,
    (
        SBP,
        flag("abnormal_renal", "dialysis, transplant or creatinine ≥2.26 mg/dL (200 µmol/L)"),
        flag("abnormal_liver", "cirrhosis, or bilirubin >2 × with AST, ALT or ALP >3 × the upper limit"),
        flag("stroke", "stroke before"),
        flag("bleeding_history", "major bleeding or predisposition"),
        flag("labile_inr", "time in therapeutic range below 60 %"),
        AGE,
        flag("antiplatelet_or_nsaid", "takes an antiplatelet drug or an NSAID"),
        number("alcohol_drinks_week", "alcoholic drinks", "/wk", 1000),
    ),
    (Output("score", "0–9"), Output("high_risk", "score 3 or more")),
    guards=(younger_than(18),),
)
