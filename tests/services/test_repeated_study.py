"""One click must not order a study again, sooner: what repeats an earlier study is not suggested to be made more urgent."""

from __future__ import annotations

from tests.services.golden_cards import answer, patients, service

PNEUMONIA = next(patient for patient in patients() if patient.id == "demo-pneumonia")


async def test_a_radiograph_shown_to_be_a_repeat_has_no_suggested_priority_and_the_blood_culture_has() -> None:
    with service() as client:
        cards = (await answer(client, PNEUMONIA, "order-sign"))["cards"]
    assert "duplicateimaging" in [card["source"]["topic"]["code"] for card in cards]
    suggested = [
        action["resource"] for card in cards for each in card.get("suggestions", ()) for action in each["actions"]
    ]
    assert [order["code"]["text"] for order in suggested] == ["Blood culture, two sets"]
