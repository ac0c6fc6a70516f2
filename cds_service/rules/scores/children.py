"""Limits by age: danger zone vital signs (ESI v4), hypotension in children (PALS)."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import Output, declare
from cds_service.rules.scores.inputs import AGE, HR, RR, SBP, SPO2, number

# Heart rate and respiratory rate above which an age is in the danger zone; the rows of the table by age.
YOUNGEST, YOUNG, MIDDLE, OLDER = (180, 50), (160, 40), (140, 30), (100, 20)
LOWEST_SPO2 = 92  # %, below which any age is in the danger zone
NEONATE_YEARS = Decimal(28) / Decimal("365.25")


class DangerZone(Struct, frozen=True):
    """True when any vital sign is in the danger zone."""

    danger_zone: bool


class Hypotension(Struct, frozen=True):
    """True below the limit for the age."""

    hypotensive: bool


def danger_limits(age_months: Decimal) -> tuple[int, int]:
    """Heart rate and respiratory rate above which an age is in the danger zone (/min)."""
    if age_months < 3:
        return YOUNGEST
    if age_months < 36:
        return YOUNG
    return MIDDLE if age_months <= 96 else OLDER


def danger_zone(*, age_months: Decimal, hr: Decimal, rr: Decimal, spo2: Decimal) -> DangerZone:
    """Decision point D of the Emergency Severity Index v4 (AHRQ); months, /min, %."""
    fastest, most = danger_limits(age_months)
    return DangerZone(hr > fastest or rr > most or spo2 < LOWEST_SPO2)


def lowest_systolic(age_years: Decimal) -> Decimal:
    """The 5th percentile of systolic pressure by age (PALS), mm[Hg]."""
    if age_years <= NEONATE_YEARS:
        return Decimal(60)
    if age_years < 1:
        return Decimal(70)
    return Decimal(70) + 2 * age_years if age_years < 10 else Decimal(90)


def hypotension(*, age_years: Decimal, sbp: Decimal) -> Hypotension:
    """Below the lowest systolic pressure of the age."""
    return Hypotension(sbp < lowest_systolic(age_years))


ESI_DANGER_ZONE = declare(
    "ESI_danger_zone",
    danger_zone,
    (number("age_months", "age", "mo", 1560), HR, RR, SPO2),
    (Output("danger_zone", "any sign in the danger zone"),),
)

PEDS_HYPOTENSION = declare(
    "PedsHypotension",
    hypotension,
    (AGE, SBP),
    (Output("hypotensive", "SBP below the limit for the age"),),
)
