import json
from collections.abc import AsyncIterator

import pytest

from fhir_adapters import errors
from fhir_adapters.auth import Bearer
from fhir_adapters.client import FhirClient, Paging
from fhir_adapters.outbound import Outbound
from fhir_adapters.read.resources import Resources
from tests.fhir_adapters.fixtures import within
from tests.fhir_adapters.misbehaving import (
    Behaviour,
    Exchange,
    Misbehaving,
    answer,
    bundle,
    in_turn,
    observation,
    outcome,
    pages,
    reset,
)

QUERY = "Observation?patient=p1&category=laboratory&_count=100"


async def every(found: AsyncIterator[Resources]) -> list[Resources]:
    return [page async for page in found]


def ids(found: list[Resources]) -> list[str | None]:
    return [view.id for page in found for view in page.views]


async def test_a_read_sends_token_and_accept_and_gives_the_resource(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer({"resourceType": "Patient", "id": "p1"}))
    found = await client.read("Patient", "p1", deadline=within(5))
    assert ids([found]) == ["p1"]
    assert ehr.seen[0].path == "/fhir/Patient/p1"
    assert ehr.seen[0].headers["authorization"] == "Bearer secret-token-of-the-call"
    assert ehr.seen[0].headers["accept"] == "application/fhir+json"


@pytest.mark.parametrize("id", ["..", "../../metadata", "p1?x=y", "p1/../p2", "", "a" * 65])
async def test_a_read_of_what_is_no_id_is_never_sent(client: FhirClient, ehr: Misbehaving, id: str) -> None:  # noqa: A002
    with pytest.raises(ValueError, match="not a FHIR"):
        await client.read("Patient", id, deadline=within(5))
    assert ehr.seen == []


@pytest.mark.parametrize(
    "content_type",
    ["application/fhir+json", "application/fhir+json; charset=utf-8", "application/json", "application/json+fhir", ""],
)
async def test_every_spelling_of_json_is_read(client: FhirClient, ehr: Misbehaving, content_type: str) -> None:
    ehr.on("Observation", answer(bundle(observation(1)), content_type=content_type))
    assert ids(await every(client.search(QUERY, deadline=within(5)))) == ["o1"]


async def test_a_search_keeps_its_parameters(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle()))
    await every(
        client.search(
            "Observation?patient=p1&code=http://loinc.org|2823-3,http://loinc.org|1&x=a b#c", deadline=within(5)
        )
    )
    assert ehr.seen[0].parameters == {
        "patient": ["p1"],
        "code": ["http://loinc.org|2823-3,http://loinc.org|1"],
        "x": ["a b#c"],
    }


async def test_pages_are_followed_by_the_servers_own_link(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on(
        "Observation",
        pages([observation(1)], [observation(2)], [observation(3)], link="{base}/{type}?page={page}&t=a%7Cb"),
    )
    assert ids(await every(client.search(QUERY, deadline=within(5)))) == ["o1", "o2", "o3"]
    assert [seen.query for seen in ehr.seen[1:]] == ["page=2&t=a%7Cb", "page=3&t=a%7Cb"]
    assert all("authorization" in seen.headers for seen in ehr.seen)


@pytest.mark.parametrize("link", ["?page={page}", "/fhir/{type}?page={page}", "Observation?page={page}"])
async def test_a_relative_next_link_is_read_against_the_page_it_came_with(
    client: FhirClient, ehr: Misbehaving, link: str
) -> None:
    ehr.on("Observation", pages([observation(1)], [observation(2)], link=link))
    assert ids(await every(client.search(QUERY, deadline=within(5)))) == ["o1", "o2"]


@pytest.mark.parametrize(
    ("paging", "pages_read"), [(Paging(pages=2), 2), (Paging(entries=3), 3), (Paging(bytes=600), 2)]
)
async def test_caps_end_a_search_and_say_so(
    outbound: Outbound, ehr: Misbehaving, paging: Paging, pages_read: int
) -> None:
    ehr.on("Observation", pages(*([observation(n)] for n in range(9))))
    found: list[Resources] = []

    async def read_all() -> None:
        async for page in FhirClient(outbound, ehr.base, paging=paging).search(QUERY, deadline=within(5)):
            found.append(page)

    with pytest.raises(errors.PagingCap):
        await read_all()
    assert len(found) == len(ehr.seen) == pages_read


@pytest.mark.parametrize(
    ("behaviour", "fault", "status"),
    [
        (answer(outcome("login"), 401), errors.NotPermitted, 401),
        (answer(outcome("forbidden"), 403), errors.NotPermitted, 403),
        (answer(outcome("not-found"), 404), errors.NotFound, 404),
        (answer(b"", 409), errors.Conflict, 409),
        (answer(b"", 410), errors.Gone, 410),
        (answer(b"", 412), errors.Conflict, 412),
        (answer(outcome("invalid"), 422), errors.BadQuery, 422),
        (answer(b"", 429, retry_after="60"), errors.Throttled, 429),
        (answer(b"oops", 500), errors.ServerError, 500),
        (answer(b"<html>", 502, content_type="text/html"), errors.ServerError, 502),
        (answer(b"", 503, retry_after="60"), errors.Throttled, 503),
        (answer(b"", 304), errors.Redirected, 304),
        (answer(b"<html><title>Log in</title>", content_type="text/html"), errors.HtmlBody, 200),
        (answer(b" \n<!doctype html>", content_type="application/fhir+json"), errors.HtmlBody, 200),
        (answer(b"<Bundle/>", content_type="application/fhir+xml"), errors.WrongContentType, 200),
        (answer(b"{}", content_type="text/plain"), errors.WrongContentType, 200),
        (answer(b"%PDF-1.4", content_type="application/pdf"), errors.WrongContentType, 200),
        (answer(b'{"resourceType":"Bundle","entry":['), errors.InvalidJson, 200),
        (answer(b""), errors.InvalidJson, 200),
        (answer(b"{}"), errors.InvalidJson, 200),
        (answer(b"null"), errors.InvalidJson, 200),
        (answer(b"[1, 2]"), errors.InvalidJson, 200),
        (answer(b'{"a":' * 200 + b"1" + b"}" * 200), errors.TooDeep, 200),
        (answer(b" " * 5_000_000), errors.TooLarge, 200),
        (answer(outcome("timeout", "fatal")), errors.OutcomeError, 200),
        (reset, errors.Unreachable, 200),
    ],
)
async def test_every_fault_has_its_own_name_and_status(
    client: FhirClient, ehr: Misbehaving, behaviour: Behaviour, fault: type[errors.FhirError], status: int
) -> None:
    ehr.on("Observation", behaviour)
    with pytest.raises(errors.FhirError) as caught:
        await every(client.search(QUERY, deadline=within(2)))
    assert type(caught.value) is fault
    assert caught.value.status == status
    assert caught.value.where == "GET Observation"


async def test_a_fault_tells_neither_ids_nor_tokens_nor_the_servers_words(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(outcome("Demo, Canary", text="Patient Canary p-canary is locked"), 403))
    with pytest.raises(errors.NotPermitted) as caught:
        await client.read("Patient", "p-canary", deadline=within(5))
    told = f"{caught.value} {caught.value!r} {caught.value.reason} {caught.value.__dict__}"
    assert str(caught.value) == "GET Patient/{id}: not permitted (403): unknown"
    assert "anary" not in told
    assert "secret-token" not in told
    assert caught.value.__cause__ is None


async def test_an_empty_bundle_with_a_warning_is_an_empty_result(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle(outcome("not-found", "warning"))))
    (page,) = await every(client.search(QUERY, deadline=within(5)))
    assert page.views == []
    assert page.issues[0].severity == "warning"


async def test_data_beside_a_reported_error_is_kept(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(bundle(observation(1), outcome("incomplete"))))
    (page,) = await every(client.search(QUERY, deadline=within(5)))
    assert ids([page]) == ["o1"]


async def test_a_search_refused_for_its_bare_reference_is_asked_in_the_other_spelling_from_then_on(
    outbound: Outbound, ehr: Misbehaving
) -> None:
    async def particular(exchange: Exchange) -> None:
        bare = exchange.seen.parameters["patient"] == ["p1"]
        await (answer(outcome("invalid"), 400) if bare else answer(bundle(observation(1))))(exchange)

    ehr.on("Observation", particular)
    for _ in range(2):
        client = FhirClient(outbound, ehr.base)
        assert ids(await every(client.search(QUERY, deadline=within(5)))) == ["o1"]
    assert [seen.parameters["patient"] for seen in ehr.seen] == [["p1"], ["Patient/p1"], ["Patient/p1"]]


async def test_other_refusals_of_a_query_are_not_asked_twice(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("Observation", answer(outcome("invalid"), 422))
    with pytest.raises(errors.BadQuery):
        await every(client.search(QUERY, deadline=within(5)))
    assert len(ehr.seen) == 1


async def test_second_tries_have_a_budget_per_server(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Observation", in_turn(*[answer(b"", 500), answer(bundle())] * 3, answer(b"", 500)))
    for _ in range(3):
        await every(FhirClient(outbound, ehr.base).search(QUERY, deadline=within(5)))
    assert len(ehr.seen) == 6
    with pytest.raises(errors.ServerError):
        await every(FhirClient(outbound, ehr.base).search(QUERY, deadline=within(5)))
    assert len(ehr.seen) == 7


async def test_writes_are_sent_once_whatever_comes(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("DiagnosticReport", answer(b"", 503))
    with pytest.raises(errors.ServerError):
        await client.create("DiagnosticReport", b"{}", deadline=within(5))
    assert len(ehr.seen) == 1


async def test_a_conditional_create_carries_its_condition_and_gives_the_new_id(
    client: FhirClient, ehr: Misbehaving
) -> None:
    place = f"{ehr.base}/DiagnosticReport/d7/_history/1"
    ehr.on(
        "DiagnosticReport",
        in_turn(answer(status=201, location=place, etag='W/"1"'), answer(status=200, location=place)),
    )
    body = json.dumps({"resourceType": "DiagnosticReport"}).encode()
    for status in (201, 200):
        written = await client.create(
            "DiagnosticReport", body, deadline=within(5), if_none_exist="identifier=urn:demo|42"
        )
        assert (written.status, written.id) == (status, "d7")
    seen = ehr.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/fhir/DiagnosticReport", body)
    assert seen.headers["if-none-exist"] == "identifier=urn:demo|42"
    assert seen.headers["content-type"] == "application/fhir+json"


async def test_several_matches_of_a_conditional_create_are_a_conflict(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("DiagnosticReport", answer(outcome("multiple-matches"), 412))
    with pytest.raises(errors.Conflict, match="multiple-matches"):
        await client.create("DiagnosticReport", b"{}", deadline=within(5), if_none_exist="identifier=urn:demo|42")


async def test_an_update_names_the_version_it_replaces(client: FhirClient, ehr: Misbehaving) -> None:
    ehr.on("DiagnosticReport", in_turn(answer(status=200, etag='W/"4"'), answer(outcome("conflict"), 412)))
    written = await client.update("DiagnosticReport", "d7", b"{}", deadline=within(5), if_match="3")
    assert (written.status, written.etag) == (200, 'W/"4"')
    assert (ehr.seen[0].method, ehr.seen[0].headers["if-match"]) == ("PUT", 'W/"3"')
    with pytest.raises(errors.Conflict):
        await client.update("DiagnosticReport", "d7", b"{}", deadline=within(5), if_match='W/"3"')


async def test_a_condition_with_a_line_break_is_never_sent(client: FhirClient, ehr: Misbehaving) -> None:
    with pytest.raises(ValueError, match="header value"):
        await client.create("DiagnosticReport", b"{}", deadline=within(5), if_none_exist="identifier=1\r\nX: y")
    assert ehr.seen == []


async def test_a_transaction_is_posted_to_the_base(client: FhirClient, ehr: Misbehaving) -> None:
    response = {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "201"}}]}
    ehr.on("", answer(response))
    assert json.loads(await client.transaction(b'{"resourceType":"Bundle"}', deadline=within(5))) == response
    assert (ehr.seen[0].method, ehr.seen[0].path.rstrip("/")) == ("POST", "/fhir")


async def test_metadata_is_read_once_and_kept_for_later_calls(outbound: Outbound, ehr: Misbehaving) -> None:
    rest = [{"resource": [{"type": "Patient", "interaction": [{"code": "read"}], "conditionalCreate": True}]}]
    ehr.on("metadata", answer({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest}))
    for _ in range(3):
        capability = await FhirClient(outbound, ehr.base).metadata(deadline=within(5))
        assert capability is not None
        assert capability.types == {"Patient": frozenset({"read"})}
        assert capability.conditional_create == {"Patient"}
    assert len(ehr.seen) == 1


@pytest.mark.parametrize("behaviour", [answer(b"", 404), answer(bundle()), answer(b"<html>"), answer(b"{"), reset])
async def test_missing_or_broken_metadata_is_no_fault(
    client: FhirClient, ehr: Misbehaving, behaviour: Behaviour
) -> None:
    ehr.on("metadata", behaviour)
    assert await client.metadata(deadline=within(5)) is None


async def test_a_token_that_no_header_can_carry_is_never_sent(outbound: Outbound, ehr: Misbehaving) -> None:
    client = FhirClient(outbound, ehr.base, "to ken\r\nX-Evil: 1")
    with pytest.raises(errors.TokenExpired, match="malformed"):
        await client.read("Patient", "p1", deadline=within(5))
    assert ehr.seen == []


def test_a_bearer_shows_itself_nowhere() -> None:
    bearer = Bearer("secret")
    assert "secret" not in f"{bearer} {bearer!r}"
    with pytest.raises(TypeError):
        bearer.__reduce__()
    bearer.spend()
    assert "secret" not in str([getattr(bearer, slot) for slot in Bearer.__slots__])
