"""KDIGO stages at every threshold, in mg/dL, µmol/L, urine and renal replacement; exact where binary floats are not."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.rules.calculators import run


def stage(**given: Any) -> int:
    answer = run("KDIGO_AKI", given)
    assert answer["status"] == "ok"
    return int(answer["stage"])


CREATININE = [
    # baseline, current, hours, stage
    (0.9, 1.2, 48, 1),  # 1.2 − 0.9 is below 0.3 in binary floats
    (0.9, 1.19, 48, 0),
    (0.9, 1.2, 48.01, 0),
    (1.0, 1.49, 168, 0),
    (1.0, 1.5, 168, 1),
    (1.0, 1.5, 168.01, 0),
    (1.1, 1.65, 100, 1),  # 1.65 / 1.1 is below 1.5 in binary floats
    (1.0, 1.99, 100, 1),
    (1.0, 2.0, 100, 2),
    (1.0, 2.99, 100, 2),
    (1.0, 3.0, 100, 3),
    (0.7, 2.1, 100, 3),
    (3.7, 4.0, 48, 3),  # the rise is met, and 4.0 is reached
    (3.7, 3.99, 48, 0),
    (3.7, 4.0, 49, 0),  # neither the rise nor the ratio
    (3.6, 3.99, 48, 1),
    (2.0, 4.0, 168, 3),
    (2.0, 3.99, 168, 1),
    (4.0, 4.2, 48, 0),
    (2.0, 1.0, 24, 0),
    (1.0, 1.0, 0, 0),
]


@pytest.mark.parametrize(("baseline", "current", "hours", "expected"), CREATININE)
def test_creatinine_in_mg_dl(baseline: float, current: float, hours: float, expected: int) -> None:
    assert stage(baseline_mg_dl=baseline, current_mg_dl=current, hours=hours) == expected


MOLAR = [
    (80, 106.5, 48, 1),
    (80, 106.4, 48, 0),
    (80, 119.9, 168, 0),
    (80, 120, 168, 1),
    (80, 160, 168, 2),
    (80, 159.9, 168, 1),
    (80, 240, 168, 3),
    (80, 239.9, 168, 2),
    (327.1, 353.6, 48, 3),
    (327.0, 353.5, 48, 1),
]


@pytest.mark.parametrize(("baseline", "current", "hours", "expected"), MOLAR)
def test_creatinine_in_umol_l_by_the_limits_printed_in_that_unit(
    baseline: float, current: float, hours: float, expected: int
) -> None:
    assert stage(baseline_umol_l=baseline, current_umol_l=current, hours=hours) == expected


URINE = [
    (0.5, 24, 0),
    (0.49, 5.9, 0),
    (0.49, 6, 1),
    (0.49, 11.9, 1),
    (0.49, 12, 2),
    (0.3, 24, 2),
    (0.29, 23.9, 2),
    (0.29, 24, 3),
    (0, 11.9, 1),
    (0, 12, 3),
]


@pytest.mark.parametrize(("output", "hours", "expected"), URINE)
def test_urine_output(output: float, hours: float, expected: int) -> None:
    assert stage(urine_ml_kg_h=output, urine_hours=hours) == expected


def test_renal_replacement_is_stage_3_whatever_else_is_given() -> None:
    assert stage(rrt_started=True) == 3
    assert stage(rrt_started=True, baseline_mg_dl=1, current_mg_dl=1, hours=24) == 3


def test_the_highest_stage_of_the_groups_counts() -> None:
    assert stage(baseline_mg_dl=1, current_mg_dl=1.5, hours=24, urine_ml_kg_h=0.2, urine_hours=12) == 2
    assert stage(baseline_mg_dl=1, current_mg_dl=3, hours=24, urine_ml_kg_h=0.4, urine_hours=6) == 3
    assert stage(baseline_mg_dl=1, current_mg_dl=1.5, hours=24, rrt_started=False) == 1
