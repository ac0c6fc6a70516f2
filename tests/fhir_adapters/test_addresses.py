from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from fhir_adapters.addresses import Origin, Policy, Resolver, is_public, origin_of
from fhir_adapters.errors import UnsafeAddress

EHR = "https://ehr.example.org"


def names(**table: Sequence[str]) -> Resolver:
    """A resolver that knows these names (dots as underscores)."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return table[host.replace(".", "_")]

    return resolve


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://EHR.example.org/fhir", Origin("https", "ehr.example.org", 443)),
        ("https://ehr.example.org:443", Origin("https", "ehr.example.org", 443)),
        ("http://10.0.0.7:8080/fhir?a=b", Origin("http", "10.0.0.7", 8080)),
        ("https://[2606:4700::1111]:8443/x", Origin("https", "2606:4700::1111", 8443)),
        ("http://fhir_server:8080", Origin("http", "fhir_server", 8080)),
    ],
)
def test_a_plain_address_has_an_origin(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin
    assert origin_of(str(origin)) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehr.example.org",
        "//ehr.example.org",
        "ftp://ehr.example.org",
        "file:///etc/passwd",
        "https://",
        "https:///fhir",
        "https://user@ehr.example.org",
        "https://user:secret@ehr.example.org",
        "https://ehr.example.org@evil.example",
        "https://ehr.example.org\\@evil.example",
        "https://ehr.example.org%2f@evil.example",
        "https://ehr.example.org .evil.example",
        "https://ehr.example.org\n.evil.example",
        "https://ehr.exämple.org",
        "https://ehr..example.org",
        "https://ehr.example.org.",
        "https://ehr.example.org:0",
        "https://ehr.example.org:99999",
        "https://ehr.example.org:4a",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://[zz::1]",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://127.0.0.0x1/",
        "http://256.256.256.256/",
        "https://ehr.example.org/" + "a" * 10_000,
    ],
)
def test_any_other_spelling_is_refused(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        origin_of(url)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "192.0.0.192", "192.88.99.1", "192.0.2.1", "192.168.1.1", "198.18.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
        "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:0:53aa:64c::1",
        "2002:7f00:1::", "2002:808:808::", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_private_disguised_and_metadata_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_only_listed_origins_are_admitted() -> None:
    policy = Policy(operator=[EHR], request=["https://clinic.example.net:8443"])
    assert policy.admit(f"{EHR}/fhir/r4") == origin_of(EHR)
    assert policy.admit("https://clinic.example.net:8443/fhir").port == 8443
    for url in ("https://evil.example", f"{EHR}:8443", "https://clinic.example.net", "https://x.ehr.example.org"):
        with pytest.raises(UnsafeAddress, match="not allowed"):
            policy.admit(url)


def test_http_is_admitted_only_where_the_operator_wrote_that_exact_origin() -> None:
    policy = Policy(operator=["http://hapi:8080"], request=["http://plain.example.org", EHR])
    assert policy.admit("http://hapi:8080/fhir").scheme == "http"
    for url in ("http://plain.example.org/fhir", "http://ehr.example.org/fhir", "http://hapi/fhir"):
        with pytest.raises(UnsafeAddress, match="https required"):
            policy.admit(url)


def test_a_pattern_admits_https_names_below_it_and_nothing_else() -> None:
    policy = Policy(operator=["https://*.fhir.example.org"])
    assert policy.admit("https://a.b.fhir.example.org/r4").host == "a.b.fhir.example.org"
    for url in ("https://fhir.example.org", "https://evilfhir.example.org", "https://a.fhir.example.org:8443"):
        with pytest.raises(UnsafeAddress):
            policy.admit(url)
    with pytest.raises(UnsafeAddress, match="https required"):
        policy.admit("http://a.fhir.example.org")


@pytest.mark.parametrize("pattern", ["https://*", "https://*.org", "https://a.*.example.org", "http://*.example.org"])
def test_a_pattern_too_wide_is_refused_when_the_policy_is_made(pattern: str) -> None:
    with pytest.raises(UnsafeAddress):
        Policy(operator=[pattern])


def test_an_issuer_may_be_bound_to_a_pattern() -> None:
    pattern = "https://*.ehr.example.org"
    policy = Policy(request=[pattern])
    assert policy.admit("https://site-1.ehr.example.org/fhir", bound=[pattern])
    for other in ("https://other.example.org", "https://ehr.example.org", "http://site-1.ehr.example.org"):
        with pytest.raises(UnsafeAddress):
            policy.admit(other, bound=[pattern])


def test_an_issuer_is_bound_to_its_own_origins() -> None:
    policy = Policy(operator=[EHR, "https://other.example.org"])
    assert policy.admit(EHR, bound=[EHR])
    with pytest.raises(UnsafeAddress, match="issuer"):
        policy.admit("https://other.example.org", bound=[EHR])


def test_a_private_literal_of_a_request_is_refused_even_when_its_issuer_lists_it() -> None:
    policy = Policy(request=["https://10.0.0.1", "https://[::1]", "https://8.8.8.8"])
    assert policy.admit("https://8.8.8.8/fhir")
    for url in ("https://10.0.0.1/fhir", "https://[::1]/fhir"):
        with pytest.raises(UnsafeAddress, match="not a public address"):
            policy.admit(url)


async def test_the_addresses_of_an_operator_may_be_private_but_never_link_local() -> None:
    policy = Policy(operator=["http://hapi:8080"])
    assert await policy.addresses("hapi", 8080, names(hapi=["10.1.2.3", "fd12::1"])) == ["10.1.2.3", "fd12::1"]
    for trap in ("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "fd00:ec2::254", "::ffff:127.0.0.1"):
        with pytest.raises(UnsafeAddress):
            await policy.addresses("hapi", 8080, names(hapi=[trap]))


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    policy = Policy(request=[EHR])
    good = names(ehr_example_org=["93.184.216.34"])
    assert await policy.addresses("ehr.example.org", 443, good) == ["93.184.216.34"]
    with pytest.raises(UnsafeAddress, match="not public"):
        await policy.addresses("ehr.example.org", 443, names(ehr_example_org=["93.184.216.34", "127.0.0.1"]))


async def test_another_port_of_an_operators_host_gets_the_full_policy() -> None:
    policy = Policy(operator=["http://hapi:8080"])
    with pytest.raises(UnsafeAddress):
        await policy.addresses("hapi", 22, names(hapi=["10.1.2.3"]))
