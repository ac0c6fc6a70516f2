"""CHA2DS2-VASc and CURB-65 are said where their disease is recorded; signs of a child are named only where they alarm."""

from __future__ import annotations

import pytest
from checking import on_record
from feeding_records import NOW, born, problem, reading, record


def test_stroke_risk_is_said_with_atrial_fibrillation_as_a_bound_and_not_without() -> None:
    chart = {"born": born(82), "sex": "female"}
    with_af = [problem("Permanent atrial fibrillation"), problem("Chronic heart failure")]
    found = on_record("stroke-risk", record(problems=with_af, **chart))
    assert [f.summary.startswith("CHA2DS2-VASc at least 4; not recorded:") for f in found] == [True]  # C1 A2 Sc1
    assert found[0].severity.value == "info"
    assert on_record("stroke-risk", record(problems=with_af[1:], **chart)) == []


def test_severity_of_pneumonia_is_said_with_pneumonia_alone() -> None:
    vitals = [
        reading("respiratory_rate", 30), reading("systolic_bp", 89), reading("diastolic_bp", 58),
        reading("consciousness", text="A"), reading("urea_nitrogen", 24),
    ]  # fmt: skip
    found = on_record("pneumonia-severity", record(*vitals, problems=[problem("Pneumonia")], born=born(65.1)))
    assert [f.summary for f in found] == ["CURB-65 4 of 5 (3–5: severe)"]
    assert on_record("pneumonia-severity", record(*vitals, born=born(65.1))) == []


@pytest.mark.parametrize(
    ("rate", "breaths", "saturation", "named"),
    [(144, 30, 96, {"heart_rate"}), (140, 31, 92, {"respiratory_rate"}), (140, 30, 91, {"oxygen_saturation"})],
)
def test_only_signs_inside_the_danger_zone_are_named(rate: int, breaths: int, saturation: int, named: set[str]) -> None:
    vitals = [
        reading("heart_rate", rate),
        reading("respiratory_rate", breaths),
        reading("oxygen_saturation", saturation),
    ]
    found = on_record("danger-zone-vitals", record(*vitals, born=born(6)))
    assert len(found) == 1
    said = {name for name in ("heart_rate", "respiratory_rate", "oxygen_saturation") if name in found[0].summary}
    assert said == named
    assert found[0].facts[0].time is None or found[0].facts[0].time <= NOW
