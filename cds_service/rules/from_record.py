"""Calculators fed from a record. Pure: the record's ``now`` is the clock.

Every function takes a ``Record``, or a ``Feed`` of it: what several scores need (age, pregnancy, dialysis, kidney
injury) is found once per ``Feed``, so a caller that asks for more than one score makes one and passes it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.record.facts import Record
from cds_service.rules.feeding import kidney, kidney_injury, laboratory, rhythm, vital_signs
from cds_service.rules.feeding.feed import Feed
from cds_service.rules.feeding.result import ScoreResult, withheld
from cds_service.rules.feeding.states import Dialysis, PregnancyState

__all__ = [
    "FED",
    "Dialysis",
    "Feed",
    "PregnancyState",
    "ScoreResult",
    "aki_stage",
    "all_scores",
    "crcl",
    "dialysis_state",
    "egfr_now",
    "g_stage",
    "news2",
    "pregnancy_state",
    "qsofa",
    "score",
    "shock_index",
]

FED: Mapping[str, Callable[[Feed], ScoreResult]] = {
    "NEWS2": vital_signs.news2,
    "qSOFA": vital_signs.qsofa,
    "SIRS": vital_signs.sirs,
    "ShockIndex": vital_signs.shock_index,
    "ESI_danger_zone": vital_signs.danger_zone,
    "PedsHypotension": vital_signs.hypotension,
    "KDIGO_AKI": kidney_injury.aki_stage,
    "eGFR_CKD_EPI_2021": kidney.egfr_now,
    "CKD_G_stage": kidney.g_stage,
    "CockcroftGault": kidney.crcl,
    "CorrectedCalcium": laboratory.corrected_calcium,
    "AnionGap": laboratory.anion_gap,
    "HbA1c": laboratory.hba1c,
    "LDL_Friedewald": laboratory.ldl,
    "QTc": laboratory.qtc,
    "FIB4": laboratory.fib4,
    "MELD_3_0": laboratory.meld,
    "CURB_65": vital_signs.curb_65,
    "CHA2DS2_VASc": rhythm.cha2ds2_vasc,
    "HAS_BLED": rhythm.has_bled,
}


def feed_of(source: Record | Feed) -> Feed:
    """The feed itself, or a new one of a record."""
    return source if isinstance(source, Feed) else Feed(source)


def score(name: str, source: Record | Feed) -> ScoreResult:
    """One calculator fed from the record. Raises ``KeyError`` for one that needs a person's input and is not fed."""
    feed = feed_of(source)
    if feed.record.person.deceased:
        return withheld(name, "deceased", f"{name} not computed: recorded as deceased")
    return feed.once(FED[name])


def all_scores(source: Record | Feed) -> list[ScoreResult]:
    """Every calculator the record says something with: values, bounds above zero, and refusals, with facts behind them.

    Of what could not be computed only an unassessed kidney injury and an eGFR without sex are worth a line.
    """
    feed = feed_of(source)
    if feed.record.person.deceased:
        return []
    found = (feed.once(scored) for scored in FED.values())
    return [result for result in found if _says_something(result)]


def _says_something(result: ScoreResult) -> bool:
    if not result.inputs:
        return False
    if result.bound:
        return bool(result.at_least)
    return result.result["status"] != "incomplete" or result.name in ("KDIGO_AKI", "eGFR_CKD_EPI_2021")


def egfr_now(source: Record | Feed) -> ScoreResult:
    """eGFR (mL/min/1.73 m²) of the newest creatinine; see ``kidney.egfr_now``."""
    return score("eGFR_CKD_EPI_2021", source)


def g_stage(source: Record | Feed) -> ScoreResult:
    """KDIGO G category of ``egfr_now``; see ``kidney.g_stage``."""
    return score("CKD_G_stage", source)


def aki_stage(source: Record | Feed) -> ScoreResult:
    """KDIGO stage of acute kidney injury with its baseline; see ``kidney_injury.aki_stage``."""
    return score("KDIGO_AKI", source)


def crcl(source: Record | Feed) -> ScoreResult:
    """Creatinine clearance (mL/min), actual body weight; see ``kidney.crcl``."""
    return score("CockcroftGault", source)


def news2(source: Record | Feed) -> ScoreResult:
    """NEWS2 or its lower bound; see ``vital_signs.news2``."""
    return score("NEWS2", source)


def qsofa(source: Record | Feed) -> ScoreResult:
    """Quick SOFA or its lower bound; see ``vital_signs.qsofa``."""
    return score("qSOFA", source)


def shock_index(source: Record | Feed) -> ScoreResult:
    """Heart rate over systolic pressure; see ``vital_signs.shock_index``."""
    return score("ShockIndex", source)


def pregnancy_state(source: Record | Feed) -> PregnancyState:
    """``pregnant``, ``not-pregnant``, ``unknown`` or ``not-applicable``, with the facts behind it."""
    return feed_of(source).pregnancy


def dialysis_state(source: Record | Feed) -> Dialysis:
    """Whether the patient is on maintenance dialysis, and recent dialyses, with the facts behind it."""
    return feed_of(source).dialysis
