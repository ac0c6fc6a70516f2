"""What belongs together stays together: parts of names, doses, dates, the order of events."""

from __future__ import annotations

import pytest

from cds_service.grounding.statement import Statement
from cds_service.grounding.verify import verify
from cds_service.record.facts import Fact
from tests.grounding.charts import ACUTE, NOW, ZONE, at, event, medication, problem, reading

FACTS: list[Fact] = [
    problem(1, "Bronchiectasis of left lower lobe", "2019-10-30"),
    problem(2, "Nodule of right upper lobe of lung", "2026-09-22"),
    medication(3, "Enoxaparin 80 MG injection", "80 mg every 12 hours", "2026-11-08"),
    medication(4, "Aspirin 81 MG Oral Tablet", "81 mg once daily", "2014-02-01"),
    reading(5, "creatinine", "Creatinine", "1.72", "mg/dL", "2026-11-20T05:00", low="0.6", high="1.1", flags=("H",)),
    event(6, "Procedure", "Paracentesis", "2026-11-06"),
    event(7, "Procedure", "Band ligation of varices", "2026-11-20"),
    reading(8, "", "Fetal heart rate", "142", "/min", "2026-11-20T05:00"),
    medication(9, "Omeprazole 20 MG capsule", "20 mg once daily", "2023-02-21", active=False, end=at("2026-03-02")),
    reading(10, "systolic_bp", "Systolic blood pressure", "164", "mm[Hg]", "2026-11-20T05:00"),
    reading(11, "diastolic_bp", "Diastolic blood pressure", "108", "mm[Hg]", "2026-11-20T05:00"),
    reading(12, "systolic_bp", "Systolic blood pressure", "138", "mm[Hg]", "2026-11-13T05:00"),
    reading(13, "diastolic_bp", "Diastolic blood pressure", "86", "mm[Hg]", "2026-11-13T05:00"),
]


def kept(text: str, *ids: int) -> bool:
    said = Statement(text=text, fact_ids=tuple(f"F{n}" for n in ids))
    return bool(verify([said], FACTS, ZONE, person=ACUTE.person, now=NOW).kept)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Nodule of left lower lobe.", (1, 2)),
        ("Bronchiectasis of right upper lobe.", (1, 2)),
        ("Enoxaparin 81 mg every 12 hours and aspirin 81 mg once daily.", (3, 4)),
        ("Enoxaparin 80 mg once daily and aspirin 81 mg every 12 hours.", (3, 4)),
        ("Enoxaparin 80 mg every 12 hours since 2014.", (3, 4)),
        ("Enoxaparin 80 mg every 12 hours was started after creatinine 1.72 mg/dL.", (3, 5)),
        ("Paracentesis and band ligation on 2026-11-20.", (6, 7)),
        ("Heart rate 142 bpm.", (8,)),
        ("Blood pressure 164/86 mmHg.", (10, 11, 12, 13)),
        ("Not taking aspirin.", (4,)),
        ("Creatinine is at least 1.72 mg/dL.", (5,)),
        ("Creatinine 1.72 mg/dL is within the reference range.", (5,)),
        ("Creatinine is below the upper limit at 1.72 mg/dL.", (5,)),
    ],
)
def test_what_is_put_together_from_two_facts_is_dropped(text: str, ids: tuple[int, ...]) -> None:
    assert not kept(text, *ids)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Bronchiectasis of left lower lobe and nodule of right upper lobe.", (1, 2)),
        ("Enoxaparin 80 mg every 12 hours and aspirin 81 mg once daily.", (3, 4)),
        ("Enoxaparin 80 mg q12h since 8 November 2026.", (3,)),
        ("Creatinine 1.72 mg/dL after enoxaparin 80 mg every 12 hours.", (3, 5)),
        ("Paracentesis on 2026-11-06 and band ligation on 2026-11-20.", (6, 7)),
        ("Fetal heart rate 142 bpm.", (8,)),
        ("Blood pressure 164/108 mmHg, previously 138/86 mmHg.", (10, 11, 12, 13)),
        ("Not taking omeprazole.", (9,)),
        ("Creatinine 1.72 mg/dL, above the upper limit of normal.", (5,)),
        ("Creatinine 17.2 mg/L.", (5,)),
    ],
)
def test_what_the_facts_say_together_passes(text: str, ids: tuple[int, ...]) -> None:
    assert kept(text, *ids)
