"""A report's words are not put together otherwise than the report does."""

from __future__ import annotations

import pytest

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from tests.grounding.charts import ACUTE, NOW, ZONE, event

ECHO = event(
    1, "DiagnosticReport", "Echocardiogram", "2026-11-19", status="final",
    text="Severe aortic stenosis and mild mitral regurgitation. Small left pleural effusion, right atrial dilatation. Normal spleen.",
)  # fmt: skip
OTHER = event(
    2, "DiagnosticReport", "CT of chest", "2026-11-18", status="final", text="Emphysema. Calcified granuloma."
)


def kept(text: str, *ids: str) -> bool:
    said = Statement(text=text, fact_ids=ids)
    return bool(verify([said], [ECHO, OTHER], ZONE, person=ACUTE.person, now=NOW).kept)


@pytest.mark.parametrize(
    "text",
    [
        "Mild aortic stenosis on echocardiogram.",
        "Severe mitral regurgitation on echocardiogram.",
        "Right pleural effusion.",
        "Left atrial dilatation.",
        "Echocardiogram: severe regurgitation.",
        "Aortic regurgitation.",
    ],
)
def test_a_grade_or_side_of_one_finding_is_not_said_of_another(text: str) -> None:
    assert not kept(text, "F1")


@pytest.mark.parametrize(
    "text",
    [
        "Echocardiogram showed severe aortic stenosis.",
        "Mild mitral regurgitation and severe aortic stenosis on echocardiogram.",
        "Echocardiogram: small left pleural effusion.",
        "Pleural effusion on the left.",
        "Right atrial dilatation on 2026-11-19.",
    ],
)
def test_findings_as_the_report_has_them_pass(text: str) -> None:
    assert kept(text, "F1")


def test_a_finding_is_not_told_of_another_report() -> None:
    assert kept("Echocardiogram showed aortic stenosis; CT of chest showed emphysema.", "F1", "F2")
    assert kept("Emphysema on CT of chest.", "F1", "F2")
    assert not kept("Echocardiogram showed emphysema.", "F1", "F2")
    assert not kept("CT of chest: severe aortic stenosis.", "F1", "F2")
