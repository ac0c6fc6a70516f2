"""What the doctor says about where drafts go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from cds_service.commands import doctor
from cds_service.settings import Client, Settings
from cds_service.wiring.outside import policy
from cds_service.wiring.own_access import record_access
from fhir_adapters.outbound import Outbound
from tests.conformance.tokens import key_set
from tests.drafts.house import House
from tests.fhir_adapters.fixtures import ehr, running_server
from tests.fhir_adapters.misbehaving import Misbehaving, answer

__all__ = ["ehr", "running_server"]


async def said(settings: Settings, what: str) -> doctor.Check:
    return next(check for check in [c async for c in doctor.checks_of(settings)] if check.what == what)


@pytest.mark.parametrize(
    ("what", "members", "state", "words"),
    [
        ("drafts", {"mode": "production"}, "note", "CDS_WRITE_FHIR_URL"),
        ("structured reports", {"structured_reports": True}, "fault", "CDS_DICOMWEB_URL"),
        ("token endpoint", {"fhir_client_id": "us"}, "fault", "CDS_WRITE_FHIR_URL"),
    ],
)
async def test_what_is_missing_is_named(
    tmp_path: Path, what: str, members: dict[str, Any], state: str, words: str
) -> None:
    check = await said(Settings(state_dir=tmp_path, **members), what)
    assert check.state == state
    assert words in check.say


async def test_the_token_endpoint_is_tried(house: House, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    root = house.base.removesuffix("/simulator/fhir")
    given = Settings(
        state_dir=tmp_path, write_fhir_url=house.base, fhir_client_id="us", signing_key_file=file,
        fhir_token_url=f"{root}/token",
    )  # fmt: skip
    assert (await said(given, "token endpoint")).state == "ok"
    wrong = given.model_copy(update={"fhir_token_url": f"{root}/nowhere"})
    check = await said(wrong, "token endpoint")
    assert (check.state, "CDS_FHIR_TOKEN_URL" in check.say) == ("fault", True)


async def test_the_server_drafts_are_written_to_is_asked_what_it_is(house: House, tmp_path: Path) -> None:
    what = "FHIR server of drafts"
    given = Settings(state_dir=tmp_path, write_fhir_url=house.base)
    check = await said(given, what)
    assert (check.state, "FHIR 4.0.1" in check.say) == ("ok", True), check.say
    wrong = given.model_copy(update={"write_fhir_url": house.base.removesuffix("/fhir")})
    check = await said(wrong, what)
    assert (check.state, "CDS_WRITE_FHIR_URL with its path" in check.say) == ("fault", True), check.say
    nobody = given.model_copy(update={"write_fhir_url": "http://127.0.0.1:9/fhir"})
    check = await said(nobody, what)
    assert (check.state, "check that it runs" in check.say) == ("fault", True), check.say


async def test_a_token_endpoint_on_another_origin_is_called_by_the_service_and_by_the_doctor(
    house: House, tmp_path: Path
) -> None:
    """A record and its authorization server often stand on two hosts: what the operator wrote is the operator's."""
    file = tmp_path / "key.pem"
    file.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    there = house.base.removesuffix("/simulator/fhir").replace("127.0.0.1", "localhost")
    given = Settings(
        mode="production", state_dir=tmp_path, write_fhir_url=house.base, fhir_client_id="us", signing_key_file=file,
        fhir_token_url=f"{there}/token",
    )  # fmt: skip
    async with Outbound(policy(given)) as outbound:
        connect = record_access(given, outbound).connect
        assert connect is not None
        await connect(asyncio.get_running_loop().time() + 5)
    assert (await said(given, "token endpoint")).state == "ok"


async def test_what_is_no_address_is_a_fault_that_names_its_setting(tmp_path: Path) -> None:
    check = await said(Settings(state_dir=tmp_path, fhir_allow=["ehr.example"], imaging=True), "addresses")
    assert (check.state, "CDS_FHIR_ALLOW" in check.say) == ("fault", True)


@pytest.mark.parametrize(
    ("body", "state", "words"),
    [
        (key_set(), "ok", "2 usable keys"),
        ({"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}, "fault", "no RSA"),
        (b"<html>", "fault", "no JWK set"),
    ],
)
async def test_a_clients_keys_are_read_and_not_only_fetched(
    ehr: Misbehaving, tmp_path: Path, body: Any, state: str, words: str
) -> None:
    ehr.on("Keys", answer(body))
    url = f"{ehr.base}/Keys"
    given = Settings(state_dir=tmp_path, clients={"ehr": Client(issuer="https://ehr.example", jwks_url=url)})
    check = await said(given, f"keys {url}")
    assert (check.state, words in check.say) == (state, True), check.say
