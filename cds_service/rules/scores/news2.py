"""NEWS2, the National Early Warning Score 2 (Royal College of Physicians, December 2017, chart 1)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import PREGNANCY, Output, declare, younger_than
from cds_service.rules.scores.inputs import AGE_GUARD, HR, RR, SBP, SPO2, TEMP, choice, flag

# Highest value of each band and its points; the last band has no upper end.
Bands = tuple[tuple[Decimal | None, int], ...]


def _bands(*rows: tuple[str | None, int]) -> Bands:
    return tuple((None if upper is None else Decimal(upper), points) for upper, points in rows)


RESPIRATION = _bands(("8", 3), ("11", 1), ("20", 0), ("24", 2), (None, 3))
SATURATION_1 = _bands(("91", 3), ("93", 2), ("95", 1), (None, 0))
SATURATION_2_ON_AIR = _bands(("83", 3), ("85", 2), ("87", 1), (None, 0))
SATURATION_2_ON_OXYGEN = _bands(("83", 3), ("85", 2), ("87", 1), ("92", 0), ("94", 1), ("96", 2), (None, 3))
SYSTOLIC = _bands(("90", 3), ("100", 2), ("110", 1), ("219", 0), (None, 3))
PULSE = _bands(("40", 3), ("50", 1), ("90", 0), ("110", 1), ("130", 2), (None, 3))
TEMPERATURE = _bands(("35.0", 3), ("36.0", 1), ("38.0", 0), ("39.0", 1), (None, 2))

WHOLE = Decimal(1)
TENTH = Decimal("0.1")


class Parts(Struct, frozen=True):
    """Points of the seven parameters."""

    rr: int
    spo2: int
    o2: int
    sbp: int
    hr: int
    consciousness: int
    temp: int


class News2(Struct, frozen=True):
    """The aggregate (0–20), its clinical risk band, and the parts."""

    total: int
    risk: str
    parts: Parts


def points(bands: Bands, value: Decimal, step: Decimal = WHOLE) -> int:
    """Points of one parameter; the value is first rounded half up to the chart's own step (1, or 0.1 °C)."""
    charted = value.quantize(step, ROUND_HALF_UP)
    return next(score for upper, score in bands if upper is None or charted <= upper)


def saturation(scale: str, *, on_oxygen: bool) -> Bands:
    """The SpO2 bands: scale 2 is for a documented hypercapnic target of 88–92 % alone."""
    if scale == "1":
        return SATURATION_1
    return SATURATION_2_ON_OXYGEN if on_oxygen else SATURATION_2_ON_AIR


def risk(total: int, highest: int) -> str:
    """Clinical risk (chart 2): 7 or more high, 5 or 6 medium, any single 3 low-medium, else low."""
    if total >= 7:
        return "high"
    if total >= 5:
        return "medium"
    return "low-medium" if highest == 3 else "low"


def news2(
    *,
    rr: Decimal,
    spo2: Decimal,
    spo2_scale: str,
    supplemental_o2: bool,
    sbp: Decimal,
    hr: Decimal,
    acvpu: str,
    temp_c: Decimal,
) -> News2:
    """The score of one set of observations; units /min, %, mm[Hg], Cel."""
    parts = Parts(
        rr=points(RESPIRATION, rr),
        spo2=points(saturation(spo2_scale, on_oxygen=supplemental_o2), spo2),
        o2=2 if supplemental_o2 else 0,
        sbp=points(SYSTOLIC, sbp),
        hr=points(PULSE, hr),
        consciousness=0 if acvpu == "A" else 3,
        temp=points(TEMPERATURE, temp_c, TENTH),
    )
    each = (parts.rr, parts.spo2, parts.o2, parts.sbp, parts.hr, parts.consciousness, parts.temp)
    return News2(sum(each), risk(sum(each), max(each)), parts)


NEWS2 = declare(
    "NEWS2",
    news2,
    (
        AGE_GUARD,
        flag("pregnant", "pregnant now", formula=False),
        RR,
        SPO2,
        choice("spo2_scale", "SpO2 scale; 2 only with a documented hypercapnic target", "1", "2"),
        flag("supplemental_o2", "breathing supplemental oxygen"),
        SBP,
        HR,
        choice(
            "acvpu",
            "consciousness: Alert, new Confusion, Voice, Pain, Unresponsive",
            *"ACVPU",
            loinc=("11454-5",),
            concept="consciousness",
        ),
        TEMP,
    ),
    (
        Output("total", "aggregate score, 0–20"),
        Output("risk", "low, low-medium, medium, high"),
        Output("parts", "points of rr, spo2, o2, sbp, hr, consciousness, temp"),
    ),
    guards=(younger_than(16), PREGNANCY),
)
