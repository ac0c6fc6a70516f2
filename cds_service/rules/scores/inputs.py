"""Inputs several calculators share: one meaning, unit, LOINC code and physical range for each key.

Ranges are physical, not clinical: what lies outside cannot be a measurement of a person in this unit, what lies inside
may be extreme (a heart rate of 0, a sodium of 90). LOINC and UCUM as in the units table of ``record``.
"""

from __future__ import annotations

from decimal import Decimal

from cds_service.rules.scores.calculator import Input, Kind


def number(
    key: str,
    meaning: str,
    unit: str,
    maximum: float,
    *loinc: str,
    minimum: float = 0,
    positive: bool = False,
    concept: str = "",
    required: bool = True,
    formula: bool = True,
    kind: Kind = Kind.NUMBER,
) -> Input:
    """A numeric input between ``minimum`` and ``maximum``, both inclusive, in the UCUM unit given."""
    return Input(
        key=key,
        meaning=meaning,
        kind=kind,
        unit=unit,
        loinc=loinc,
        concept=concept,
        minimum=Decimal(str(minimum)),
        maximum=Decimal(str(maximum)),
        positive=positive,
        required=required,
        formula=formula,
    )


def flag(key: str, meaning: str, *, required: bool = True, formula: bool = True, kind: Kind = Kind.BOOLEAN) -> Input:
    """A true or false input."""
    return Input(key=key, meaning=meaning, kind=kind, required=required, formula=formula)


def choice(key: str, meaning: str, *choices: str, loinc: tuple[str, ...] = (), concept: str = "") -> Input:
    """One of a closed list of words."""
    return Input(key=key, meaning=meaning, kind=Kind.CHOICE, choices=choices, loinc=loinc, concept=concept)


AGE = number("age_years", "age", "a", 130)
AGE_GUARD = number("age_years", "age", "a", 130, formula=False)
SEX = Input(key="sex", meaning="sex (administrative gender; only male or female enter the formula)", kind=Kind.SEX)

RR = number("rr", "respiratory rate", "/min", 200, "9279-1", concept="respiratory_rate")
HR = number("hr", "heart rate", "/min", 400, "8867-4", concept="heart_rate")
SBP = number("sbp", "systolic blood pressure", "mm[Hg]", 400, "8480-6", concept="systolic_bp")
DBP = number("dbp", "diastolic blood pressure", "mm[Hg]", 300, "8462-4", concept="diastolic_bp")
SPO2 = number("spo2", "oxygen saturation by pulse oximetry", "%", 100, "59408-5", "2708-6", concept="oxygen_saturation")
TEMP = number("temp_c", "body temperature", "Cel", 50, "8310-5", minimum=10, concept="body_temperature")
GCS = number("gcs", "Glasgow Coma Scale total", "{score}", 15, "9269-2", minimum=3, concept="gcs", kind=Kind.INTEGER)

CREATININE_MG_DL = number(
    "creatinine_mg_dl", "serum creatinine", "mg/dL", 75, "2160-0", positive=True, concept="creatinine"
)
CREATININE_UMOL_L = number("creatinine_umol_l", "serum creatinine", "umol/L", 6630, "14682-9", positive=True)
ALBUMIN_G_DL = number("albumin_g_dl", "serum albumin", "g/dL", 10, "1751-7", concept="albumin")
BILIRUBIN_MG_DL = number("bilirubin_mg_dl", "total bilirubin", "mg/dL", 100, "1975-2", concept="bilirubin_total")
INR = number("inr", "international normalised ratio", "{INR}", 100, "6301-6", positive=True, concept="inr")
PLATELETS = number("platelets_10e9_l", "platelet count", "10*9/L", 10000, "777-3", positive=True, concept="platelets")
EGFR = number("egfr", "estimated glomerular filtration rate", "mL/min/{1.73_m2}", 400, "98979-8", concept="egfr")
AKI = flag("aki", "acute kidney injury now")
ROUTE = choice("route", "route of the iodinated contrast medium", "iv", "intra-arterial")
