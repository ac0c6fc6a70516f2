"""A record that is served once for each module, and a house that is new for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cds_service.drafts import pdf
from cds_service.web.simulator.store import Store
from fhir_adapters.addresses import Policy
from fhir_adapters.outbound import Outbound
from tests.drafts.house import Gate, House, serving

RENDERED: dict[str, bytes] = {}
render = pdf.render


async def rendered_once(text: str) -> bytes:
    """The real rendering of a text, which is the same every time: made once for all tests of drafts."""
    if text not in RENDERED:
        RENDERED[text] = await render(text)
    return RENDERED[text]


@pytest.fixture(autouse=True)
def _rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "render", rendered_once)


@pytest.fixture(scope="module")
def record() -> Iterator[tuple[str, Store, Gate]]:
    """The FHIR base, its store, and the gate in front of it."""
    with serving() as served:
        yield served


@pytest.fixture
async def house(record: tuple[str, Store, Gate], tmp_path: Path) -> AsyncIterator[House]:
    """Drafts over a fresh database (so a fresh key: new identifiers) and the shared record."""
    base, store, gate = record
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:
        made = House(base, store, tmp_path, outbound, gate)
        await made.gateway.start()
        yield made
        store.misbehaviour.clear()
        gate.refusals, gate.good = [], None
        await made.gateway.close()
