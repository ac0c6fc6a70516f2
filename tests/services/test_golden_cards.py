"""The cards of every demo patient are the ones a person has read (golden_cards.py says how to rewrite them)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.services.golden_cards import FOLDER, HOOKS, REWRITE, answer, hooks_of, page, patients, service

PATIENTS = {patient.id: patient for patient in patients()}
CASES = [(patient, hook) for patient in PATIENTS for hook in hooks_of(PATIENTS[patient])]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service() as talking:
        yield talking


@pytest.mark.parametrize(("patient", "hook"), CASES)
async def test_a_demo_patient_gets_the_cards_that_were_read(client: TestClient, patient: str, hook: str) -> None:
    chart = PATIENTS[patient]
    written = (FOLDER / f"{patient}.{hook}.md").read_text(encoding="utf-8")
    assert page(chart, hook, await answer(client, chart, hook)) == written, f"read the difference, then: {REWRITE}"


def test_every_demo_patient_has_a_page_for_every_hook_and_there_is_no_page_of_nobody() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == {f"{patient}.{hook}.md" for patient, hook in CASES}
    assert len(PATIENTS) == 12
    assert {hook for _, hook in CASES} == set(HOOKS)
