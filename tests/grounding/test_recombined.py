"""A report's words are not put together otherwise than the report does."""

from __future__ import annotations

import pytest

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from tests.grounding.charts import ACUTE, NOW, ZONE, event, problem

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


def told(text: str, said: str) -> bool:
    fact = event(1, "DiagnosticReport", "Carotid ultrasound", "2026-11-19", status="final", text=text)
    verdict = verify([Statement(text=said, fact_ids=("F1",))], [fact], ZONE, person=ACUTE.person, now=NOW)
    return bool(verdict.kept)


@pytest.mark.parametrize(
    ("said", "true"),
    [
        ("Right internal carotid stenosis 60 %.", True),
        ("60 % stenosis of the right internal carotid artery.", True),
        ("Left internal carotid stenosis less than 50 %.", True),
        ("Left internal carotid stenosis <50 %.", True),
        ("Left internal carotid stenosis 60 %.", False),
        ("60 % stenosis of the left internal carotid artery.", False),
        ("Left internal carotid stenosis 50 %.", False),
        ("Left internal carotid stenosis >50 %.", False),
        ("Right internal carotid stenosis >60 %.", False),
    ],
)
def test_a_size_and_its_bound_stay_with_their_finding(said: str, *, true: bool) -> None:
    report = "Right internal carotid artery stenosis 60 %. Left internal carotid artery stenosis less than 50 %."
    assert told(report, said) is true


@pytest.mark.parametrize(
    ("said", "true"),
    [
        ("Type 2 diabetes mellitus.", True),
        ("Type 1 diabetes mellitus.", False),
        ("Persistent atrial fibrillation.", False),
        ("One active problem: atrial fibrillation.", True),
    ],
)
def test_a_type_is_no_count_and_a_course_no_tense(said: str, *, true: bool) -> None:
    held = [
        problem(1, "Type 2 diabetes mellitus", "2012-02-27"),
        problem(2, "Paroxysmal atrial fibrillation", "2026-11-20"),
    ]
    ids = ("F1",) if "diabetes" in said else ("F2",)
    verdict = verify([Statement(text=said, fact_ids=ids)], held, ZONE, person=ACUTE.person, now=NOW)
    assert bool(verdict.kept) is true
