"""Where the images of a study are: Endpoints of the record are followed only where the site allows their address."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from cds_service.imaging.archives import Archives
from cds_service.imaging.seen import Refused, Seen
from cds_service.imaging.viewer import Viewer
from cds_service.web.simulator.store import Store
from fhir_adapters.addresses import Policy
from fhir_adapters.client import FhirClient
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.dicom.errors import NoEndpoint, NotConfigured
from fhir_adapters.outbound import Outbound
from tests.web.simulated import simulated

PACS, OWN = "https://pacs.example.org/dicom-web", "https://own.example.org/dicom-web"
NUMBERS = itertools.count()
KIND = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "dicom-wado-rs"}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    with simulated(tmp_path_factory.mktemp("images")) as made:
        yield made


def endpoint(address: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint", "status": "active", "connectionType": KIND, "payloadType": [{"text": "DICOM"}],
        "address": address, **members,
    }  # fmt: skip


@asynccontextmanager
async def client_of(base: str) -> AsyncIterator[FhirClient]:
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:
        yield FhirClient(outbound, base)


def soon() -> float:
    return asyncio.get_running_loop().time() + 20


async def written(client: FhirClient, *endpoints: dict[str, Any] | str, contained: Any = None) -> str:
    """A study that refers to these: resources are written, texts are references as they stand."""
    names, study = [], f"study-{next(NUMBERS)}"
    entries = []
    for number, each in enumerate(endpoints):
        if isinstance(each, str):
            names.append(each)
            continue
        own = f"{study}-{number}"
        entries.append({"resource": {**each, "id": own}, "request": {"method": "PUT", "url": f"Endpoint/{own}"}})
        names.append(f"Endpoint/{own}")
    body = {
        "resourceType": "ImagingStudy", "id": study, "status": "available", "subject": {"reference": "Patient/demo-pneumonia"},
        "endpoint": [{"reference": name} for name in names], **({"contained": contained} if contained else {}),
    }  # fmt: skip
    entries.append({"resource": body, "request": {"method": "PUT", "url": f"ImagingStudy/{study}"}})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    await client.transaction(msgspec.json.encode(bundle), deadline=soon())
    return f"ImagingStudy/{study}"


async def where(client: FhirClient, study: str, configured: str = OWN, *allowed: str) -> str:
    async def connect(_deadline: float) -> FhirClient:
        return client

    return await Archives(connect, configured, allowed or ("https://pacs.example.org",)).of(study)


async def test_the_first_endpoint_whose_address_is_allowed_is_taken(record: tuple[str, Store]) -> None:
    async with client_of(record[0]) as client:
        study = await written(
            client, "Endpoint/none-such", "Organization/o1", "https://elsewhere.example.org/Endpoint/1",
            endpoint("https://elsewhere.example.org/dicom-web"), endpoint(PACS, status="off"),
            endpoint(PACS, connectionType={"code": "hl7-fhir-rest"}), endpoint(f"{PACS}/studies"), endpoint(OWN),
        )  # fmt: skip
        assert await where(client, study) == PACS


@pytest.mark.parametrize(
    "endpoints",
    [
        (),
        ("Endpoint/none-such",),
        (endpoint("http://169.254.169.254/latest"),),
        (endpoint("https://pacs.example.org.evil.example/dicom-web"),),
        (endpoint("not an address"),),
    ],
)
async def test_without_one_that_may_be_called_the_configured_server_is_asked_and_without_that_nothing(
    record: tuple[str, Store], endpoints: tuple[Any, ...]
) -> None:
    async with client_of(record[0]) as client:
        study = await written(client, *endpoints)
        assert await where(client, study) == ""
        with pytest.raises(NoEndpoint if endpoints else NotConfigured):
            await where(client, study, "")


async def test_a_contained_endpoint_and_one_of_a_series_are_found(record: tuple[str, Store]) -> None:
    async with client_of(record[0]) as client:
        study = await written(client, "#e1", contained=[endpoint(PACS, id="e1")])
        assert await where(client, study) == PACS


async def test_the_endpoint_of_the_configured_server_is_the_configured_server(record: tuple[str, Store]) -> None:
    async with client_of(record[0]) as client:
        study = await written(client, endpoint(OWN))
        assert await where(client, study, f"{OWN}/", "https://own.example.org") == ""


async def test_a_record_that_does_not_know_the_study_leaves_the_configured_server(record: tuple[str, Store]) -> None:
    async with client_of(record[0]) as client:
        assert await where(client, "ImagingStudy/none-such") == ""
        with pytest.raises(NoEndpoint):
            await where(client, "ImagingStudy/none-such", "")


async def test_where_no_address_is_allowed_the_record_is_not_even_asked() -> None:
    async def connect(_deadline: float) -> FhirClient:
        raise AssertionError("asked")

    assert await Archives(connect, OWN, ()).of("ImagingStudy/s1") == ""
    assert await Archives(None, OWN, ("https://pacs.example.org",)).of("ImagingStudy/s1") == ""


async def test_a_study_of_another_archive_is_fetched_there_and_remembers_it(record: tuple[str, Store]) -> None:
    base, store = record
    row = store.compartment("ImagingStudy").rows["demo-pneumonia-imaging-1"]
    uid = msgspec.json.decode(row.body)["identifier"][0]["value"].removeprefix("urn:oid:")
    archive = base.replace("/fhir", "/dicomweb")
    async with Outbound(Policy(operator=[base.removesuffix("/simulator/fhir")])) as outbound:
        viewer = Viewer(None, elsewhere=lambda address: DicomWeb(outbound, address))
        try:
            seen = await viewer.study(uid, patient_check=None, deadline=soon(), archive=archive)
            assert isinstance(seen, Seen), seen
            assert seen.archive == archive
            (instance,) = seen.instances
            again = await viewer.instance(
                uid, instance.series_uid, instance.instance_uid, patient_check=None, deadline=soon(), archive=archive
            )
            assert isinstance(again, Seen), again
            assert again.images == seen.images
            assert isinstance(await viewer.study(uid, patient_check=None, deadline=soon()), Refused)
        finally:
            await viewer.aclose()
