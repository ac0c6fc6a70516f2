"""A sentence that is true only with what it leaves out is dropped."""

from __future__ import annotations

import msgspec
import pytest

from cds_service.grounding.statement import Reason, Statement
from cds_service.grounding.verify import verify
from tests.grounding.charts import ACUTE, CHRONIC, NOW, ZONE, Chart, at


def kept(chart: Chart, text: str, *ids: int) -> bool:
    said = Statement(text=text, fact_ids=tuple(f"F{n}" for n in ids))
    return bool(verify([said], chart.facts, ZONE, person=chart.person, now=NOW).kept)


@pytest.mark.parametrize(
    ("chart", "text", "ids"),
    [
        (ACUTE, "Creatinine 0.98 mg/dL.", (4,)),
        (ACUTE, "Potassium is normal at 4.9 mmol/L.", (2,)),
        (ACUTE, "Acute kidney injury with creatinine 0.98 mg/dL.", (21, 4)),
        (CHRONIC, "LDL cholesterol is high at 131 mg/dL.", (9,)),
    ],
)
def test_a_value_that_a_later_one_has_replaced_is_not_said_as_the_present_one(
    chart: Chart, text: str, ids: tuple[int, ...]
) -> None:
    assert not kept(chart, text, *ids)


@pytest.mark.parametrize(
    ("chart", "text", "ids"),
    [
        (ACUTE, "Creatinine 0.98 mg/dL on 2026-11-17.", (4,)),
        (ACUTE, "Previous creatinine 0.98 mg/dL.", (4,)),
        (ACUTE, "Creatinine rose from 0.98 to 2.34 mg/dL.", (3, 4)),
        (ACUTE, "Creatinine 2.34 mg/dL (0.98 mg/dL before).", (3, 4)),
        (CHRONIC, "LDL cholesterol was high at 131 mg/dL in October 2025.", (9,)),
    ],
)
def test_with_its_date_or_place_an_old_value_passes(chart: Chart, text: str, ids: tuple[int, ...]) -> None:
    assert kept(chart, text, *ids)


def test_such_a_value_is_dropped_alone_though_it_was_critical() -> None:
    old = msgspec.structs.replace(ACUTE.fact(10), number=98, time=at("2026-11-19T08:00"))
    said = [Statement(text="Sodium 138 mmol/L.", fact_ids=("F5",))] * 9 + [
        Statement(text="Lactate 4.2 mmol/L.", fact_ids=("F98",))
    ]
    verdict = verify(said, [*ACUTE.facts, old], ZONE, person=ACUTE.person, now=NOW)
    assert [each.reason for each in verdict.dropped] == [Reason.STALE]
    assert len(verdict.kept) == 9


@pytest.mark.parametrize(
    ("text", "ids", "true"),
    [
        ("Allergic to penicillin; metformin 500 mg twice daily.", (30, 41), True),
        ("Allergic to penicillin, on ceftriaxone 1 g every 24 hours.", (30, 43), True),
        ("Ceftriaxone 1 g every 24 hours with penicillin allergy.", (30, 43), True),
        ("Allergic to penicillin and metformin.", (30, 41), False),
        ("Allergies: penicillin, metformin.", (30, 41), False),
        ("Anaphylaxis to ceftriaxone.", (30, 43), False),
        ("Metformin allergy.", (30, 41), False),
    ],
)
def test_no_drug_that_is_taken_is_called_an_allergy(text: str, ids: tuple[int, ...], *, true: bool) -> None:
    assert kept(ACUTE, text, *ids) is true


@pytest.mark.parametrize("text", ["Oxygen saturation 91 % on oxygen.", "SpO2 91 % on O2."])
def test_a_saturation_does_not_say_that_oxygen_is_given(text: str) -> None:
    assert not kept(ACUTE, text, 16)
    assert kept(ACUTE, "SpO2 91 %.", 16)


def test_well_above_a_limit_is_far_above_it() -> None:
    assert kept(ACUTE, "CRP 212 mg/L, well above the reference limit of 5.", 11)
    assert not kept(ACUTE, "Potassium 6.1 mmol/L, well above the upper limit of 5.1.", 1)
    assert not kept(ACUTE, "The patient is well.", 11)


def test_a_limit_is_named_with_its_number() -> None:
    assert not kept(ACUTE, "Sodium is at the lower limit.", 5)
    assert kept(ACUTE, "Sodium 138 mmol/L (lower limit 135).", 5)
