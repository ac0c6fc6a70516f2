"""Options are suppositions: a name in its own field, reasons from the record, nothing the record rules out."""

from __future__ import annotations

import pytest

from cds_service.assessments.tasks.options import ALLERGEN, RECORDED
from tests.assessments.tasks.doubles import TASKS, Says, says, subject


def option(topic: str, name: str, text: str = "Creatinine 2.34 mg/dL, high.", *ids: str, **more):  # type: ignore[no-untyped-def]
    return says(text, *(ids or ("F3",)), kind="hypothesis", topic=topic, name=name, **{"contrary_ids": [], **more})


REVIEW = option("safer alternative", "unenhanced CT of chest", contrary_ids=["F22"])
THINK = option(
    "diagnosis", "acute interstitial nephritis", contrary_ids=["F20"], changes=["urinalysis with microscopy"]
)


async def test_an_option_of_an_order_keeps_its_reasons_for_and_against() -> None:
    found = await TASKS["order-review"].run(Says({"statements": [REVIEW]}), subject())
    (kept,) = found.statements
    assert (kept.kind, kept.topic, kept.name) == ("hypothesis", "safer alternative", "unenhanced CT of chest")
    assert found.facts == {"F3": "Observation/o3", "F22": "Condition/c22"}


async def test_a_consideration_says_what_would_change_it() -> None:
    found = await TASKS["considerations"].run(Says({"statements": [THINK]}), subject())
    assert found.statements[0].changes == ("urinalysis with microscopy",)


@pytest.mark.parametrize(
    "name",
    ["amoxicillin", "Penicillin", "piperacillin and tazobactam", "penicillins", "ampicillin therapy"],
)
async def test_what_a_recorded_allergy_speaks_against_is_not_offered(name: str) -> None:
    found = await TASKS["considerations"].run(
        Says({"statements": [option("treatment", name, changes=["blood cultures"])]}), subject()
    )
    assert found.statements == []
    assert found.facts == {}
    assert found.dropped[ALLERGEN] == 1


async def test_a_drug_the_allergy_does_not_touch_is_offered() -> None:
    found = await TASKS["considerations"].run(
        Says({"statements": [option("treatment", "vancomycin", changes=["blood cultures"])]}), subject()
    )
    assert [each.name for each in found.statements] == ["vancomycin"]


@pytest.mark.parametrize("name", ["sepsis", "Acute kidney injury", "lisinopril", "metformin"])
async def test_what_is_on_record_is_not_supposed(name: str) -> None:
    found = await TASKS["considerations"].run(
        Says({"statements": [option("diagnosis", name, changes=["lactate"])]}), subject()
    )
    assert found.statements == []
    assert found.dropped[RECORDED] == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "stop lisinopril"}, {"name": "potassium 40 mmol"}, {"name": "no contrast needed"}, {"name": "discharge home"},
        {"name": "https://x.example"}, {"name": "John Sample"}, {"name": "safe to proceed"}, {"changes": ["give insulin"]},
        {"changes": ["call 555 0100"]}, {"text": "Creatinine 4.0 mg/dL, high."}, {"text": "Probably nephritis."},
        {"fact_ids": ["F77"]}, {"contrary_ids": ["F77"]},
    ],
)  # fmt: skip
async def test_an_option_that_directs_invents_or_cites_nothing_is_dropped(bad: dict[str, object]) -> None:
    found = await TASKS["considerations"].run(Says({"statements": [THINK | bad]}), subject())
    assert found.statements == []
    assert sum(found.dropped.values()) == 1


async def test_a_record_statement_among_options_is_not_shown() -> None:
    found = await TASKS["order-review"].run(Says({"statements": [says("Sodium 138 mmol/L.", "F5")]}), subject())
    assert found.statements == []


async def test_an_order_review_without_an_order_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"Subject\.order"):
        await TASKS["order-review"].run(Says({"statements": []}), subject(order=None))
