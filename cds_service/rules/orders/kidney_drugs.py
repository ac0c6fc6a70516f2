"""Drugs and kidney function: NSAIDs, and doses that labels tie to creatinine clearance."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from cds_service.record.facts import Order
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.doses import read_dose
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.situation import Situation, names


class NsaidLimits(Given, frozen=True):
    """eGFR (mL/min/1.73 m²) below which NSAIDs are cautioned against, and avoided."""

    drugs: DrugGroup
    caution_below: int
    avoid_below: int


class Band(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a label says below a clearance. ``max_daily_mg``: a plainly written daily dose up to it is silent."""

    below: Decimal
    advice: str
    raised: bool = False
    max_daily_mg: Decimal | None = None
    inclusive: bool = False  # the band holds at `below` itself, too


class DoseRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One drug of the table: its bands from the lowest clearance up, and where they stand."""

    drug: str
    label: str
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        limits = [band.below for band in self.bands]
        if not limits or limits != sorted(set(limits)) or limits[0] <= 0:
            raise ValueError(f"{self.drug}: bands must be given from the lowest clearance up")

    def band(self, clearance: Decimal) -> Band | None:
        """The lowest band that holds."""
        return next((b for b in self.bands if clearance < b.below or (b.inclusive and clearance == b.below)), None)


class Doses(Given, frozen=True):
    """The table of drugs; in AKI and on dialysis no clearance is computed, which is said."""

    rows: tuple[DoseRow, ...]

    def __post_init__(self) -> None:
        drugs = [row.drug for row in self.rows]
        if len(set(drugs)) != len(drugs):
            raise ValueError("a drug has more than one row")


@order_logic(
    "nsaid-kidney",
    NsaidLimits,
    avoid="drug kidney kidney_text",
    caution="drug kidney kidney_text",
    injury="drug kidney kidney_text",
)
def nsaid_kidney(rule: Rule, given: NsaidLimits, situation: Situation, order: Order) -> Iterator[Finding]:
    """An NSAID with eGFR below 60 (caution) or below 30 (avoid), or in AKI."""
    mine = situation.drug(order).among(given.drugs.members)
    kidney = situation.kidney
    if not mine or kidney.dialysis:
        return
    if kidney.aki:
        text, tier = "injury", Tier.RAISED
    elif kidney.below(given.avoid_below):
        text, tier = "avoid", Tier.RAISED
    elif kidney.below(given.caution_below):
        text, tier = "caution", Tier.ORDINARY
    else:
        return
    yield conclude(
        rule,
        text,
        {"drug": names(mine), **kidney.words},
        key=f"{text}:{names(mine)}",
        tier=tier,
        facts=(order, *kidney.facts),
        order=order,
        worse=kidney.worse,
        values={"egfr": kidney.egfr, "aki_stage": kidney.aki},
    )


@order_logic(
    "renal-dosing",
    Doses,
    found="drug clearance advice label dose",
    unsteady="drug kidney kidney_text label dose",
    unknown="drug label",
)
def renal_dosing(rule: Rule, given: Doses, situation: Situation, order: Order) -> Iterator[Finding]:
    """Drugs whose label ties the dose to Cockcroft-Gault clearance with actual weight."""
    drug = situation.drug(order)
    rows = [row for row in given.rows if drug.among(frozenset((row.drug,)))]
    if not rows or (situation.age is not None and situation.age < 18):
        return
    clearance = situation.score("CockcroftGault")
    for row in rows:
        words = {"drug": row.drug, "label": row.label, "dose": order.dose or "dose not stated"}
        if not clearance.ok:
            unsteady = situation.dialysis.maintenance or situation.kidney.aki > 0
            yield conclude(
                rule,
                "unsteady" if unsteady else "unknown",
                {**words, **situation.kidney.words},
                key=f"{row.drug}:{'unsteady' if unsteady else 'unknown'}",
                tier=Tier.ORDINARY if unsteady else Tier.REMARK,
                facts=(order, *clearance.inputs, *(situation.kidney.facts if unsteady else ())),
                missing=clearance.missing,
                order=order,
            )
            continue
        value = Decimal(str(clearance.result["crcl_ml_min"]))
        band = row.band(value)
        if band is None:
            continue
        daily = read_dose(order.dose).daily_mg
        if band.max_daily_mg is not None and daily is not None and daily <= band.max_daily_mg:
            continue
        yield conclude(
            rule,
            "found",
            {**words, "clearance": f"{value:.0f} mL/min", "advice": band.advice},
            key=f"{row.drug}:{band.below}",
            tier=Tier.RAISED if band.raised else Tier.ORDINARY,
            facts=(order, *clearance.inputs),
            order=order,
            worse=float(-value),
            values={"drug": row.drug, "crcl_ml_min": float(value), "below": str(band.below)},
        )


CHECKS = (nsaid_kidney, renal_dosing)
