"""All logic a row of the pack may name. A function that is not listed here does not exist for the pack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.rules import triage
from cds_service.rules.logic import Logic
from cds_service.rules.orders import (
    allergy,
    contrast,
    imaging,
    kidney_drugs,
    metformin,
    pairs,
    populations,
    potassium,
    problems,
    qt,
    unchecked,
)
from cds_service.rules.record import allergies, critical, pregnancy, red_flags, running, scores, state

LOGIC: Mapping[str, Logic[Any]] = {
    logic.name: logic
    for module in (
        critical,
        allergies,
        scores,
        red_flags,
        pregnancy,
        state,
        running,
        allergy,
        contrast,
        imaging,
        kidney_drugs,
        metformin,
        pairs,
        potassium,
        qt,
        problems,
        populations,
        unchecked,
        triage,
    )
    for logic in module.CHECKS
}
