"""The cards of every demo patient are the ones a person has read (golden_cards.py says how to rewrite them)."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Raw
from starlette.testclient import TestClient

from cds_service.models.prompting import templates
from cds_service.models.summarise import Summariser
from cds_service.record import salience
from cds_service.record.build import from_bundle
from cds_service.services.patient_summary import BUDGET
from tests.services.golden_cards import FOLDER, HOOKS, NOW, REWRITE, answer, cases, hooks_of, page, patients, service

PATIENTS = {patient.id: patient for patient in patients()}
CASES = [(patient, hook) for patient in PATIENTS for hook in hooks_of(PATIENTS[patient])]
SI_CASES = [
    pytest.param(patient.id, hook, path.read_text(encoding="utf-8"), id=path.stem)
    for patient, hook, path in cases("si")
]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with service() as talking:
        yield talking


@pytest.mark.parametrize(("patient", "hook"), CASES)
async def test_a_demo_patient_gets_the_cards_that_were_read(client: TestClient, patient: str, hook: str) -> None:
    chart = PATIENTS[patient]
    written = (FOLDER / f"{patient}.{hook}.md").read_text(encoding="utf-8")
    assert page(chart, hook, await answer(client, chart, hook)) == written, f"read the difference, then: {REWRITE}"


@pytest.fixture(scope="module")
def si_client() -> Iterator[TestClient]:
    with service(units="si") as talking:
        yield talking


@pytest.mark.parametrize(("patient", "hook", "written"), SI_CASES)
async def test_a_site_with_si_units_gets_the_cards_that_were_read(
    si_client: TestClient, patient: str, hook: str, written: str
) -> None:
    chart = PATIENTS[patient]
    assert page(chart, hook, await answer(si_client, chart, hook)) == written, f"read the difference, then: {REWRITE}"


@pytest.mark.parametrize("patient", PATIENTS)
def test_si_units_cost_no_statement_about_a_demo_patient(patient: str) -> None:
    bundle = msgspec.json.encode(
        {"resourceType": "Bundle", "entry": [{"resource": Raw(each)} for each in PATIENTS[patient].resources]}
    )
    summariser, dropped = Summariser(templates.load()), []
    for units in ("conventional", "si"):
        record = from_bundle(bundle, NOW, patient, units=units)
        summary = summariser.summarise(record, salience.rank(record, BUDGET), ZoneInfo("UTC"))
        assert summary.statements
        dropped.append(summary.dropped)
    assert dropped[1] == dropped[0]
    assert not dropped[1] or patient == "demo-dirty"


def test_every_demo_patient_has_a_page_for_every_hook_and_there_is_no_page_of_nobody() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == {f"{patient}.{hook}.md" for patient, hook in CASES}
    assert len(PATIENTS) == 12
    assert {hook for _, hook in CASES} == set(HOOKS)
