"""Drugs and kidney function: NSAIDs, and doses that labels tie to creatinine clearance."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from cds_service.record.facts import Order, Problem
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.doses import read_dose
from cds_service.rules.from_record import ScoreResult
from cds_service.rules.logic import Given, Tier, conclude, order_logic
from cds_service.rules.parameters import DrugGroup, ProblemGroups
from cds_service.rules.reduction import Reduction, count, dose_of
from cds_service.rules.situation import Situation, names

REDUCED = 60  # eGFR (mL/min/1.73 m²) below which kidney function is called reduced


class NsaidLimits(Given, frozen=True):
    """eGFR (mL/min/1.73 m²) below which NSAIDs are cautioned against, and avoided.

    ``kidney_disease``: problems that are said where no eGFR is known; ``failure``: those of them that raise the tier.
    """

    drugs: DrugGroup
    caution_below: int
    avoid_below: int
    kidney_disease: ProblemGroups
    failure: ProblemGroups


class Band(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a label says below a clearance. ``max_daily_mg``: a plainly written daily dose up to it is silent."""

    below: Decimal
    advice: str
    raised: bool = False
    max_daily_mg: Decimal | None = None
    inclusive: bool = False  # the band holds at `below` itself, too


class High(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a label says above a clearance."""

    above: Decimal
    advice: str


class DoseRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One drug of the table: its bands from the lowest clearance up, where they stand, and what holds above them."""

    drug: str
    label: str
    bands: tuple[Band, ...]
    high: High | None = None

    def __post_init__(self) -> None:
        limits = [band.below for band in self.bands]
        if not limits or limits != sorted(set(limits)) or limits[0] <= 0:
            raise ValueError(f"{self.drug}: bands must be given from the lowest clearance up")
        if self.high is not None and self.high.above <= limits[-1]:
            raise ValueError(f"{self.drug}: high must lie above the bands")

    def band(self, clearance: Decimal) -> Band | None:
        """The lowest band that holds."""
        return next((b for b in self.bands if clearance < b.below or (b.inclusive and clearance == b.below)), None)


class Doses(Given, frozen=True):
    """The table of drugs; in AKI and on dialysis no clearance is computed, which is said.

    ``reductions``: drugs of the table whose lower dose depends on counted criteria as well.
    """

    rows: tuple[DoseRow, ...]
    reductions: tuple[Reduction, ...] = ()

    def __post_init__(self) -> None:
        drugs = [row.drug for row in self.rows]
        if len(set(drugs)) != len(drugs):
            raise ValueError("a drug has more than one row")
        for reduction in self.reductions:
            if lone := reduction.drugs.members - set(drugs):
                raise ValueError(f"reductions name drugs without a row: {', '.join(sorted(lone))}")


@order_logic(
    "nsaid-kidney",
    NsaidLimits,
    avoid="drug kidney kidney_text",
    caution="drug kidney kidney_text",
    injury="drug kidney kidney_text",
    dialysis="drug",
    recorded="drug problem",
)
def nsaid_kidney(rule: Rule, given: NsaidLimits, situation: Situation, order: Order) -> Iterator[Finding]:
    """An NSAID with eGFR below 60 (caution) or below 30 (avoid), or in AKI; on maintenance dialysis a remark.

    Where no eGFR is known, a recorded kidney disease is said instead.
    """
    mine = situation.drug(order).among(given.drugs.members)
    kidney = situation.kidney
    if not mine:
        return
    disease: list[Problem] = [] if kidney.known else situation.problems(*given.kidney_disease.names)
    if kidney.dialysis:
        text, tier = "dialysis", Tier.REMARK
    elif disease:
        text, tier = "recorded", Tier.RAISED if situation.problems(*given.failure.names) else Tier.ORDINARY
    elif kidney.aki:
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
        {"drug": names(mine), "problem": disease[0].label if disease else "", **kidney.words},
        key=f"{text}:{names(mine)}",
        tier=tier,
        facts=(order, *disease, *kidney.facts),
        missing=kidney.missing if disease else (),
        order=order,
        worse=kidney.worse,
        values={"egfr": kidney.egfr, "aki_stage": kidney.aki},
    )


@order_logic(
    "renal-dosing",
    Doses,
    found="drug clearance advice label dose",
    unsteady="drug kidney kidney_text label dose",
    unsteady_raised="drug advice kidney kidney_text why label dose",
    unknown="drug label",
    unknown_reduced="drug label kidney kidney_text dose",
    reduced="drug advice met test label dose",
    reduced_if="drug advice met test label dose",
    undecided="drug advice met test label dose",
)
def renal_dosing(rule: Rule, given: Doses, situation: Situation, order: Order) -> Iterator[Finding]:
    """Drugs whose label ties the dose to Cockcroft-Gault clearance with actual weight, or to counted criteria.

    Of the two answers for one drug the more severe is given, of equals the counted one; a kidney that is not steady is
    said beside it.
    """
    drug = situation.drug(order)
    rows = [row for row in given.rows if drug.among(frozenset((row.drug,)))]
    if not rows or (situation.age is not None and situation.age < 18):
        return
    unsteady = situation.dialysis.maintenance or situation.kidney.aki > 0
    for row in rows:
        found = [
            finding
            for finding in (
                _by_criteria(rule, given, situation, order, row.drug),
                _by_clearance(rule, row, situation, order, unsteady),
            )
            if finding is not None
        ]
        yield from found if unsteady else sorted(found, key=lambda finding: -finding.severity.rank)[:1]


def _by_clearance(rule: Rule, row: DoseRow, situation: Situation, order: Order, unsteady: bool) -> Finding | None:
    """What the label says at this clearance, or why none could be computed."""
    words = {"drug": row.drug, "label": row.label, "dose": order.dose or "dose not stated"}
    clearance = situation.score("CockcroftGault")
    if not clearance.ok:
        return _without_clearance(rule, row, situation, order, clearance, unsteady)
    value = Decimal(str(clearance.result["crcl_ml_min"]))
    band = row.band(value)
    edge, advice = (band.below, band.advice) if band is not None else _above(row, value)
    daily = read_dose(order.dose).daily_mg
    enough = band is not None and band.max_daily_mg is not None and daily is not None and daily <= band.max_daily_mg
    if not advice or enough:
        return None
    return conclude(
        rule,
        "found",
        {**words, "clearance": f"{value:.0f} mL/min", "advice": advice},
        key=f"{row.drug}:{edge}",
        tier=Tier.RAISED if band is not None and band.raised else Tier.ORDINARY,
        facts=(order, *clearance.inputs),
        order=order,
        worse=float(-value),
        values={"drug": row.drug, "crcl_ml_min": float(value), "edge": str(edge)},
    )


def _without_clearance(
    rule: Rule, row: DoseRow, situation: Situation, order: Order, clearance: ScoreResult, unsteady: bool
) -> Finding:
    """Why no clearance could be computed; a warning where kidneys are not steady, or an eGFR below 60 is known."""
    kidney = situation.kidney
    certain, why = _certain(row, situation, clearance) if unsteady else (None, "")
    reduced = kidney.below(REDUCED) and row.band(Decimal(kidney.egfr or 0)) is not None
    text, tier = ("unknown_reduced", Tier.ORDINARY) if reduced else ("unknown", Tier.REMARK)
    if unsteady:
        text, tier = ("unsteady_raised", Tier.RAISED) if certain else ("unsteady", Tier.ORDINARY)
    return conclude(
        rule,
        text,
        {
            "drug": row.drug,
            "label": row.label,
            "dose": order.dose or "dose not stated",
            "advice": certain.advice if certain else "",
            "why": why,
            **kidney.words,
        },
        key=f"{row.drug}:{text}",
        tier=tier,
        facts=(order, *clearance.inputs, *(kidney.facts if unsteady or reduced else ())),
        missing=clearance.missing,
        order=order,
    )


def _above(row: DoseRow, value: Decimal) -> tuple[Decimal | None, str]:
    """The limit and the advice above the bands."""
    return (row.high.above, row.high.advice) if row.high is not None and value > row.high.above else (None, "")


def _certain(row: DoseRow, situation: Situation, clearance: ScoreResult) -> tuple[Band | None, str]:
    """A raised band that holds though no clearance can be computed, and why: worse data must not make it milder."""
    if situation.dialysis.maintenance:
        value, why = Decimal(0), "Maintenance dialysis stands for a clearance below 15 mL/min."
    elif (unsteady := clearance.result.get("unsteady_ml_min")) is not None:
        value = Decimal(str(unsteady))
        why = f"Were it steady, this creatinine would mean a clearance of {value:.0f} mL/min."
    else:
        return None, ""
    band = row.band(value)
    return (band, why) if band is not None and band.raised else (None, "")


def _by_criteria(rule: Rule, given: Doses, situation: Situation, order: Order, drug: str) -> Finding | None:
    """The label's lower dose where enough criteria hold, or may hold; a remark where its indication is not recorded."""
    row = next((row for row in given.reductions if drug in row.drugs.members), None)
    if row is None:
        return None
    daily = dose_of(order.label, order.dose).daily_mg
    if daily is not None and daily <= row.max_daily_mg:
        return None
    counted = count(row, situation)
    met, indication = len(counted.met), counted.indication
    if not met or met + len(counted.missing) < row.at_least:
        return None
    text = "undecided" if met < row.at_least else "reduced" if indication else "reduced_if"
    return conclude(
        rule,
        text,
        {
            "drug": drug,
            "advice": row.advice,
            "met": ", ".join(counted.met),
            "test": row.test,
            "label": row.label,
            "dose": order.dose or "dose not stated",
        },
        key=f"{drug}:{text}",
        tier=Tier.ORDINARY if text == "reduced" else Tier.REMARK,
        facts=(order, *indication, *counted.facts),
        missing=(*counted.missing, *(() if indication else ("atrial fibrillation as the reason",))),
        order=order,
        worse=float(met),
        values={"drug": drug, "met": met},
    )


CHECKS = (nsaid_kidney, renal_dosing)
