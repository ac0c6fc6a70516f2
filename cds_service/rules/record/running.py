"""Drugs that run already while kidney function, age, weight or a pregnancy speak against them or their dose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.record import wording
from cds_service.rules.catalogue import Finding, Rule
from cds_service.rules.logic import Given, Tier, conclude, record_logic
from cds_service.rules.parameters import DrugGroup
from cds_service.rules.reduction import Reduction, count, dose_of
from cds_service.rules.situation import Drug, Situation, names


class Metformin(Given, frozen=True):
    """``lactate_hours``: how old a lactate printed beside it may be."""

    metformin: DrugGroup
    lactate_hours: int


class Teratogens(Given, frozen=True):
    """Drugs to be stopped in pregnancy."""

    contraindicated: DrugGroup


class Reductions(Given, frozen=True):
    """The drugs whose label counts criteria for a lower dose."""

    rows: tuple[Reduction, ...]


@record_logic(
    "metformin-active",
    Metformin,
    contraindicated="drug kidney kidney_text",
    injury="drug kidney kidney_text lactate",
    injury_below="drug kidney kidney_text lactate egfr",
)
def metformin_active(rule: Rule, given: Metformin, situation: Situation) -> Iterator[Finding]:
    """Active metformin below eGFR 30, on dialysis or in AKI, as the order check says of a draft."""
    taken = _taken(situation, given.metformin)
    if not taken:
        return
    kidney = situation.kidney
    low = kidney.unsteady is not None and kidney.unsteady < 30
    if kidney.aki:
        text = "injury_below" if low else "injury"
    elif kidney.dialysis or kidney.below(30):
        text = "contraindicated"
    else:
        return
    lactate = situation.record.latest("lactate", timedelta(hours=given.lactate_hours)) if kidney.aki else None
    yield conclude(
        rule,
        text,
        {
            "drug": taken[0].fact.label,
            "egfr": kidney.unsteady,
            "lactate": f", lactate {wording.value(lactate)}" if lactate is not None else "",
            **kidney.words,
        },
        key=text,
        facts=(*(drug.fact for drug in taken), *kidney.facts, *((lactate,) if lactate is not None else ())),
        worse=kidney.worse,
        values={"egfr": kidney.egfr, "aki_stage": kidney.aki},
    )


@record_logic(
    "reduced-dose-active",
    Reductions,
    found="drug advice met test dose label",
    unread="drug advice met test dose label",
    undecided="drug advice met test dose label",
)
def reduced_dose_active(rule: Rule, given: Reductions, situation: Situation) -> Iterator[Finding]:
    """An active drug above the dose its label gives where enough of the criteria hold."""
    for row in given.rows:
        counted = None
        for drug in _taken(situation, row.drugs):
            daily = dose_of(drug.fact.label, drug.fact.dose).daily_mg
            if daily is not None and daily <= row.max_daily_mg:
                continue
            counted = counted or count(row, situation)
            met, missing = len(counted.met), len(counted.missing)
            if not counted.indication or not met or met + missing < row.at_least:
                break
            text = "undecided" if met < row.at_least else "found" if daily is not None else "unread"
            yield conclude(
                rule,
                text,
                {
                    "drug": drug.fact.label,
                    "advice": row.advice,
                    "met": ", ".join(counted.met),
                    "test": row.test,
                    "dose": drug.fact.dose or "dose not stated",
                    "label": row.label,
                },
                key=f"{text}:{drug.fact.label}",
                tier=Tier.ORDINARY if text == "found" else Tier.REMARK,
                facts=(drug.fact, *counted.indication, *counted.facts),
                missing=(*counted.missing, *(() if daily is not None else ("dose in mg a day",))),
                worse=float(met),
                values={"met": met, "daily_mg": None if daily is None else float(daily)},
            )


@record_logic("pregnancy-drug-active", Teratogens, found="drug")
def pregnancy_drug_active(rule: Rule, given: Teratogens, situation: Situation) -> Iterator[Finding]:
    """Active drugs that are contraindicated in the recorded pregnancy."""
    state = situation.pregnancy
    taken = _taken(situation, given.contraindicated) if state.state == "pregnant" else []
    if taken:
        every = frozenset[str]().union(*(drug.among(given.contraindicated.members) for drug in taken))
        yield conclude(
            rule,
            "found",
            {"drug": names(every)},
            key=names(every),
            facts=(*(drug.fact for drug in taken), *state.facts[:1]),
            worse=float(len(every)),
            values={"drug": names(every)},
        )


def _taken(situation: Situation, drugs: DrugGroup) -> list[Drug]:
    """Active medications of a group."""
    return [drug for drug in situation.drugs if drug.among(drugs.members)]


CHECKS = (metformin_active, reduced_dose_active, pregnancy_drug_active)
