"""Rows R4, R8 and R9 against the whole service on a socket, with the simulator as the client's FHIR server."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio

from cds_service.commands.embedded import embedded

from . import bodies
from .checking import check_response

PATIENT = "demo-hyperkalaemia"


@pytest_asyncio.fixture
async def ehr(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running service."""
    async with embedded(tmp_path) as url, httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        yield client


async def ask(ehr: httpx2.AsyncClient, fhir: str = "/simulator/fhir", **members: Any) -> httpx2.Response:
    body = bodies.request(fhirServer=f"{ehr.base_url}".rstrip("/") + fhir, **members)
    return await ehr.post("/cds-services/patient-summary", json=body)


async def test_R4_R9_what_prefetch_lacks_is_fetched_from_the_fhir_server(ehr: httpx2.AsyncClient) -> None:
    answer = await ask(ehr, prefetch={})
    assert answer.status_code == 200
    cards = check_response(answer.json())
    assert "potassium" in str(cards).lower()
    patient = (await ehr.get(f"/simulator/fhir/Patient/{PATIENT}")).json()
    partly = await ask(ehr, prefetch={"patient": patient})
    assert [c["summary"] for c in check_response(partly.json())] == [c["summary"] for c in cards]


async def test_R8_required_data_neither_sent_nor_on_the_fhir_server_is_a_412(ehr: httpx2.AsyncClient) -> None:
    context = {"userId": "Practitioner/demo", "patientId": "nobody-of-this-name"}
    answer = await ask(ehr, prefetch={}, context=context)
    assert answer.status_code == 412
    assert "'patient'" in answer.json()["issue"][0]["diagnostics"]


async def test_R8_a_fhir_server_that_is_none_is_a_412_too(ehr: httpx2.AsyncClient) -> None:
    answer = await ask(ehr, fhir="/no-such-place", prefetch={})
    assert answer.status_code == 412
