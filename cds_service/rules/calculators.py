"""All calculators by name: ``run`` answers with JSON, ``calculate`` with typed results."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from cds_service.rules.scores import (
    atrial_fibrillation,
    chemistry,
    chest,
    children,
    contrast,
    kidney,
    kidney_injury,
    liver,
    news2,
    sepsis,
)
from cds_service.rules.scores.calculator import Calculator, Outcome

CALCULATORS: Mapping[str, Calculator] = {
    calculator.name: calculator
    for calculator in (
        news2.NEWS2,
        sepsis.QSOFA,
        sepsis.SIRS,
        sepsis.SHOCK_INDEX,
        kidney.EGFR_CKD_EPI_2021,
        kidney.CKD_G_STAGE,
        kidney_injury.KDIGO_AKI,
        chemistry.CORRECTED_CALCIUM,
        chemistry.ANION_GAP,
        liver.MELD_3_0,
        atrial_fibrillation.CHA2DS2_VASC,
        atrial_fibrillation.HAS_BLED,
        chest.WELLS_PE,
        chest.CURB_65,
        chest.HEART,
        liver.FIB4,
        chest.QTC,
        kidney.COCKCROFT_GAULT,
        chemistry.LDL_FRIEDEWALD,
        chemistry.HBA1C,
        children.ESI_DANGER_ZONE,
        children.PEDS_HYPOTENSION,
        contrast.CHECK_IODINATED_CONTRAST,
        contrast.CHECK_METFORMIN_INITIATE,
        contrast.CHECK_METFORMIN_CONTRAST,
    )
}


def calculate(name: str, inputs: Mapping[str, Any]) -> Outcome:
    """The typed answer of one calculator. Raises ``KeyError`` for an unknown name, never for the inputs."""
    return CALCULATORS[name].calculate(inputs)


def run(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that ``calc`` prints. Raises ``KeyError`` for an unknown name, never for the inputs."""
    return CALCULATORS[name].run(inputs) if inputs else {**_without_inputs(name)}


@cache
def _without_inputs(name: str) -> dict[str, Any]:
    return CALCULATORS[name].run({})
