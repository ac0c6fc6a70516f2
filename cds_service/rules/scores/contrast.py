"""Kidney function before iodinated contrast and metformin."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.rules.scores.calculator import Output, declare
from cds_service.rules.scores.inputs import AKI, EGFR, ROUTE, flag


class Result(Struct, frozen=True):
    """One word of a closed list."""

    result: str


class TwoAuthorities(Struct, frozen=True):
    """What each authority says: continue, hold-48h, contraindicated."""

    fda_label: str
    acr_manual: str


def iodinated_contrast(*, egfr: Decimal, aki: bool, maintenance_dialysis: bool, route: str) -> Result:
    """Prophylaxis by the ACR and NKF consensus (2020); the same limits for either route."""
    if maintenance_dialysis:
        return Result("no-prophylaxis-maintenance-dialysis")
    if aki or egfr < 30:
        return Result("prophylaxis-indicated")
    return Result("individual-high-risk-consider" if egfr < 45 else "no-action")


def metformin_initiate(*, egfr: Decimal) -> Result:
    """FDA label (2016): below 30 contraindicated, from 30 to 45 not to be started."""
    if egfr < 30:
        return Result("contraindicated")
    return Result("do-not-initiate" if egfr <= 45 else "ok")


def metformin_contrast(*, egfr: Decimal, aki: bool, route: str) -> TwoAuthorities:
    """FDA label (2016) and ACR manual (2021), side by side; in acute kidney injury the label's stricter reading."""
    arterial = route == "intra-arterial"
    fda = "contraindicated" if egfr < 30 else "hold-48h" if egfr <= 60 or arterial or aki else "continue"
    return TwoAuthorities(fda, "hold-48h" if egfr < 30 or aki or arterial else "continue")


CHECK_IODINATED_CONTRAST = declare(
    "Check_IodinatedContrast",
    iodinated_contrast,
    (EGFR, AKI, flag("maintenance_dialysis", "on maintenance dialysis"), ROUTE),
    (
        Output(
            "result",
            "prophylaxis-indicated, individual-high-risk-consider, no-action, no-prophylaxis-maintenance-dialysis",
        ),
    ),
)

CHECK_METFORMIN_INITIATE = declare(
    "Check_MetforminInitiate",
    metformin_initiate,
    (EGFR,),
    (Output("result", "contraindicated, do-not-initiate, ok"),),
)

CHECK_METFORMIN_CONTRAST = declare(
    "Check_MetforminContrast",
    metformin_contrast,
    (EGFR, AKI, ROUTE),
    (
        Output("fda_label", "continue, hold-48h, contraindicated"),
        Output("acr_manual", "continue, hold-48h, contraindicated"),
    ),
)
