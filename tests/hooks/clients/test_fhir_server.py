from __future__ import annotations

import pytest

from cds_service.errors import BadRequest, UnsafeAddress
from cds_service.hooks.clients.fhir_server import FhirServers
from cds_service.settings import Client, Mode, Settings

EHR = Client(issuer="https://ehr.example", fhir_origins=["https://fhir.ehr.example"])
BARE = Client(issuer="https://bare.example")
NOTE = "fhirServer not allowed so not called"


def servers(mode: Mode = "production", *allow: str) -> FhirServers:
    return FhirServers(Settings(mode=mode, fhir_allow=list(allow), clients={"ehr": EHR, "bare": BARE}))


@pytest.mark.parametrize("with_token", [True, False])
def test_a_client_may_name_its_own_origin(with_token: bool) -> None:
    base, note = servers().base("https://FHIR.ehr.example:443/r4/", EHR, with_token=with_token)
    assert base == "https://FHIR.ehr.example:443/r4"
    assert note == ""


def test_a_client_with_origins_of_its_own_may_name_no_other() -> None:
    allowed = servers("production", "https://shared.example")
    assert allowed.base("https://shared.example", EHR, with_token=False) == ("", NOTE)
    assert allowed.base("https://shared.example", BARE, with_token=False) == ("https://shared.example", "")


def test_production_takes_no_token_of_a_server_nobody_listed() -> None:
    with pytest.raises(UnsafeAddress, match="not one this client may name"):
        servers().base("https://other.example", EHR, with_token=True)
    assert servers().base("https://other.example", EHR, with_token=False) == ("", NOTE)


def test_another_clients_origin_is_a_strangers() -> None:
    assert servers().base("https://fhir.ehr.example", BARE, with_token=False) == ("", NOTE)


@pytest.mark.parametrize("with_token", [True, False])
def test_a_sandbox_calls_nobody_it_does_not_know_and_says_so(with_token: bool) -> None:
    for url in ("https://other.example", "http://127.0.0.1:9999/fhir", "http://169.254.169.254"):
        assert servers("sandbox").base(url, None, with_token=with_token) == ("", NOTE)


def test_a_sandbox_calls_its_own_simulator() -> None:
    house = FhirServers(Settings(mode="sandbox", public_url="http://127.0.0.1:8000"))
    base = "http://127.0.0.1:8000/simulator/fhir"
    assert house.base(base, None, with_token=False) == (base, "")


def test_production_does_not_call_itself() -> None:
    house = FhirServers(Settings(mode="production", public_url="https://cds.example"))
    assert house.base("https://cds.example/simulator/fhir", None, with_token=False) == ("", NOTE)


@pytest.mark.parametrize(
    "url",
    [
        "fhir.example", "ftp://fhir.example", "file:///etc/passwd", "https://", "https://user:pass@fhir.example",
        "https://fhir.example?x=1", "https://fhir.example#x", "https://fhir.example\\@evil.example",
        "https://fhir.example/a b", "http://0x7f.1/", "http://2130706433/", "https://fhir.example:99999",
        "https://" + "x" * 9000,
        "https://fhir.example/\u202e", "javascript:alert(1)", " https://fhir.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["sandbox", "production"])
def test_what_is_no_plain_address_is_a_400_everywhere(mode: Mode, url: str) -> None:
    with pytest.raises(BadRequest, match="plain absolute"):
        servers(mode).base(url, None, with_token=False)
