"""Stage of acute kidney injury (KDIGO 2012)."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import Kind, Output, declare
from cds_service.rules.scores.inputs import flag, number

RISE_WITHIN_H = 48
RATIO_WITHIN_H = 7 * 24


class Stage(Struct, frozen=True):
    """KDIGO stage, 0 where no criterion is met."""

    stage: int


class _Units(Struct, frozen=True):
    """KDIGO prints its absolute limits in both units; each is used as printed."""

    rise: Decimal
    severe: Decimal


MG_DL = _Units(Decimal("0.3"), Decimal("4.0"))
UMOL_L = _Units(Decimal("26.5"), Decimal("353.6"))


def creatinine_stage(baseline: Decimal, current: Decimal, hours: Decimal, units: _Units) -> int:
    """Stage by creatinine: a rise counts within 48 h, a ratio within 7 days, 4.0 mg/dL once either is met."""
    risen = hours <= RISE_WITHIN_H and current - baseline >= units.rise
    multiplied = hours <= RATIO_WITHIN_H and current * 2 >= baseline * 3
    if not (risen or multiplied):
        return 0
    if current >= units.severe or (multiplied and current >= baseline * 3):
        return 3
    return 2 if multiplied and current >= baseline * 2 else 1


def urine_stage(ml_kg_h: Decimal, hours: Decimal) -> int:
    """Stage by urine output over the last ``hours``."""
    if (ml_kg_h < Decimal("0.3") and hours >= 24) or (ml_kg_h == 0 and hours >= 12):
        return 3
    if ml_kg_h < Decimal("0.5"):
        return 2 if hours >= 12 else int(hours >= 6)
    return 0


def kdigo_aki(
    *,
    baseline_mg_dl: Decimal | None = None,
    current_mg_dl: Decimal | None = None,
    baseline_umol_l: Decimal | None = None,
    current_umol_l: Decimal | None = None,
    hours: Decimal | None = None,
    rrt_started: bool = False,
    urine_ml_kg_h: Decimal | None = None,
    urine_hours: Decimal | None = None,
) -> Stage:
    """The highest stage any complete group of inputs gives; mg/dL is used where both units are given."""
    stages = [3 if rrt_started else 0]
    if hours is not None and baseline_mg_dl is not None and current_mg_dl is not None:
        stages.append(creatinine_stage(baseline_mg_dl, current_mg_dl, hours, MG_DL))
    elif hours is not None and baseline_umol_l is not None and current_umol_l is not None:
        stages.append(creatinine_stage(baseline_umol_l, current_umol_l, hours, UMOL_L))
    if urine_ml_kg_h is not None and urine_hours is not None:
        stages.append(urine_stage(urine_ml_kg_h, urine_hours))
    return Stage(max(stages))


KDIGO_AKI = declare(
    "KDIGO_AKI",
    kdigo_aki,
    (
        number("baseline_mg_dl", "baseline creatinine", "mg/dL", 75, "2160-0", positive=True),
        number("current_mg_dl", "creatinine now", "mg/dL", 75, "2160-0", positive=True, concept="creatinine"),
        number("baseline_umol_l", "baseline creatinine", "umol/L", 6630, "14682-9", positive=True),
        number("current_umol_l", "creatinine now", "umol/L", 6630, "14682-9", positive=True),
        number("hours", "time from baseline to now", "h", 100000),
        flag("rrt_started", "renal replacement therapy was started for this episode", required=False, kind=Kind.EVENT),
        number("urine_ml_kg_h", "urine output", "mL/kg/h", 200),
        number("urine_hours", "time over which it was collected", "h", 1000),
    ),
    (Output("stage", "0 (no criterion met) to 3"),),
    alternatives=(
        ("baseline_mg_dl", "current_mg_dl", "hours"),
        ("baseline_umol_l", "current_umol_l", "hours"),
        ("rrt_started",),
        ("urine_ml_kg_h", "urine_hours"),
    ),
)
