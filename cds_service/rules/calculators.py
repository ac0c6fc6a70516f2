"""All calculators of DESIGN §7 by name: ``run`` answers with JSON, ``calculate`` with typed results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.rules.scores.calculator import Calculator, Outcome
from cds_service.rules.scores.kidney import CKD_G_STAGE, COCKCROFT_GAULT, EGFR_CKD_EPI_2021
from cds_service.rules.scores.kidney_injury import KDIGO_AKI
from cds_service.rules.scores.news2 import NEWS2

CALCULATORS: Mapping[str, Calculator] = {
    calculator.name: calculator
    for calculator in (
        NEWS2,
        EGFR_CKD_EPI_2021,
        CKD_G_STAGE,
        KDIGO_AKI,
        COCKCROFT_GAULT,
    )
}


def calculate(name: str, inputs: Mapping[str, Any]) -> Outcome:
    """The typed answer of one calculator. Raises ``KeyError`` for an unknown name, never for the inputs."""
    return CALCULATORS[name].calculate(inputs)


def run(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of DESIGN §7. Raises ``KeyError`` for an unknown name, never for the inputs."""
    return CALCULATORS[name].run(inputs)
