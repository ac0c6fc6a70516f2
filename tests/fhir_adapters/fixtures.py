"""Fixtures shared by tests/fhir_adapters and tests/faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Limits
from tests.fhir_adapters.misbehaving import Misbehaving, serving

LIMITS = Limits(max_bytes=4 * 1024 * 1024, patience_s=0.02)


@pytest.fixture(scope="session")
def running_server() -> Iterator[Misbehaving]:
    app = Misbehaving()
    with serving(app) as port:
        app.origin = f"http://127.0.0.1:{port}"
        yield app


@pytest.fixture
def ehr(running_server: Misbehaving) -> Misbehaving:
    """The misbehaving server, with nothing said yet."""
    running_server.reset()
    return running_server


@pytest.fixture
async def outbound(ehr: Misbehaving) -> AsyncIterator[Outbound]:
    async with Outbound(Policy(operator=[ehr.origin]), limits=LIMITS) as door:
        yield door


@pytest.fixture
def client(outbound: Outbound, ehr: Misbehaving) -> FhirClient:
    return FhirClient(outbound, ehr.base, "secret-token-of-the-call")


def within(seconds: float) -> float:
    """A deadline so many seconds from now."""
    return asyncio.get_running_loop().time() + seconds
