"""What doctor says of a production set-up that would start and not work: each fault by name, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cds_service.commands import doctor, doctor_clients
from tests.conformance.tokens import production
from tests.fhir_adapters.fixtures import ehr, running_server
from tests.fhir_adapters.misbehaving import Misbehaving, answer

__all__ = ["ehr", "running_server"]
NOBODY = "http://127.0.0.1:1"  # nothing listens on port 1


async def said(tmp_path: Path, **members: Any) -> Mapping[str, doctor.Check]:
    """Every check by what was looked at, of production settings with keys in a file and these changes."""
    settings = production(tmp_path, state_dir=tmp_path, **members)
    return {check.what: check async for check in doctor.checks_of(settings)}


async def test_an_issuer_nobody_has_keys_of_is_a_fault(tmp_path: Path) -> None:
    check = (await said(tmp_path, client={"jwks_url": "", "jwks_file": None}))["client keys"]
    assert (check.state, "jwks_file or jwks_url" in check.say) == ("fault", True)


@pytest.mark.parametrize(
    ("origins", "state", "words"),
    [
        (["https://ehr.example"], "ok", "https://ehr.example"),
        (["https://ehr.example/"], "fault", "write https://ehr.example"),
        (["ehr.example"], "fault", "write https://HOST"),
        (["*"], "note", "any page may call"),
    ],
)
def test_browser_origins_are_compared_as_a_browser_writes_them(
    tmp_path: Path, origins: list[str], state: str, words: str
) -> None:
    settings = production(tmp_path, state_dir=tmp_path).model_copy(update={"cors_origins": origins})
    check = doctor_clients.browser_origins(settings)
    assert check.state == state
    assert words in check.say


async def test_a_client_without_a_fhir_server_is_told_what_that_costs(tmp_path: Path) -> None:
    check = (await said(tmp_path))["[clients.ehr]"]
    assert check.state == "note"
    assert "refused (400); set fhir_origins" in check.say


async def test_the_fhir_servers_of_a_client_are_tried_through_the_services_own_policy(
    tmp_path: Path, ehr: Misbehaving
) -> None:
    ehr.on("metadata", answer(b"", 401))  # asks for a token: it answers
    inside = "https://127.0.0.1:9"
    client = {"fhir_origins": [ehr.origin, NOBODY, inside, "https://*.ehr.example"]}
    checks = await said(tmp_path, client=client, fhir_allow=[ehr.origin, NOBODY])
    assert checks[f"[clients.ehr] {ehr.origin}"].state == "ok"
    refused = checks[f"[clients.ehr] {NOBODY}"]
    assert (refused.state, "connection refused" in refused.say) == ("fault", True)
    private = checks[f"[clients.ehr] {inside}"]
    assert (private.state, "write it in CDS_FHIR_ALLOW too" in private.say) == ("fault", True)
    allowed = checks[f"FHIR {NOBODY}"]
    assert (allowed.state, "check that it runs" in allowed.say) == ("fault", True)


async def test_a_database_that_refuses_says_why(tmp_path: Path) -> None:
    check = (await said(tmp_path, database_url="postgresql+psycopg://cds@127.0.0.1:1/cds"))["database"]
    assert (check.state, "Connection refused" in check.say) == ("fault", True)


async def test_a_state_folder_without_room_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await said(tmp_path))["state folder"].state == "ok"
    monkeypatch.setattr(doctor, "LIMIT_BYTES", 2**62)
    check = (await said(tmp_path))["state folder"]
    assert (check.state, "make room" in check.say) == ("fault", True)


async def test_keys_that_cannot_be_fetched_say_why(tmp_path: Path) -> None:
    check = (await said(tmp_path, client={"jwks_url": f"{NOBODY}/jwks.json"}))[f"keys {NOBODY}/jwks.json"]
    assert (check.state, "connection refused" in check.say) == ("fault", True)
