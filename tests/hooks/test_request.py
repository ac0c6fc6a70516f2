from __future__ import annotations

from typing import Any

import msgspec
import pytest
from conformance import bodies
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from cds_service.errors import BadRequest
from cds_service.hooks.request import Parsed, parse


def read(hook: str = "patient-view", **members: Any) -> Parsed:
    return parse(msgspec.json.encode(bodies.request(hook, **members)), hook)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ["hook", "hookInstance", "context", "fhirServer", "fhirAuthorization", "prefetch", "extension"]
CONTEXT = ["patientId", "userId", "encounterId", "selections", "draftOrders"]


@given(st.binary())
def test_any_bytes_are_a_request_or_a_400(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body, "patient-view")


@given(st.dictionaries(st.sampled_from(MEMBERS), json), st.dictionaries(st.sampled_from(CONTEXT), json))
def test_any_json_in_any_member_is_a_request_or_a_400(members: dict[str, Any], context: dict[str, Any]) -> None:
    body = bodies.request(context={**bodies.context("patient-view"), **context})
    try:
        parsed = parse(msgspec.json.encode({**body, **members}), "patient-view")
    except BadRequest:
        return
    assert parsed.request.context.patientId
    assert isinstance(parsed.request.prefetch, dict)
    assert all(isinstance(raw, Raw) for raw in parsed.request.prefetch.values())


def test_a_conformant_request_is_read_without_notes() -> None:
    parsed = read("order-select")
    assert parsed.notes == ()
    assert parsed.request.context.selections == ["MedicationRequest/m1"]
    assert parsed.request.context.draftOrders is not None
    assert b"Amoxicillin" in bytes(parsed.request.context.draftOrders)


def test_numbers_of_embedded_resources_stay_as_written() -> None:
    body = b'{"hook":"patient-view","hookInstance":"i","context":{"patientId":"p"},"prefetch":{"o":{"value":1.50}}}'
    assert bytes(parse(body, "patient-view").request.prefetch["o"]) == b'{"value":1.50}'


@pytest.mark.parametrize(
    ("context", "note"),
    [
        ({"encounterId": {}}, "encounterId is not text"),
        ({"encounterId": "a/b"}, "context.encounterId unusable"),
        ({"userId": "not a reference"}, "context.userId unusable"),
        ({"selections": {"a": 1}}, "selections is not a list of references"),
    ],
)
def test_what_is_set_aside_is_noted(context: dict[str, Any], note: str) -> None:
    assert note in read(context={**bodies.context("patient-view"), **context}).notes


@pytest.mark.parametrize(("selections", "expected"), [("A/1", ["A/1"]), (["A/1"], ["A/1"]), (None, []), (7, [])])
def test_selections_may_be_one_reference(selections: Any, expected: list[str]) -> None:
    context = {**bodies.context("order-select"), "selections": selections}
    assert read("order-select", context=context).request.context.selections == expected


def test_a_patient_id_that_is_a_number_is_taken_as_its_digits() -> None:
    assert read(context={"patientId": 123, "userId": "Practitioner/1"}).request.context.patientId == "123"


@pytest.mark.parametrize("instance", ["", "  ", "x" * 201, "a\x00b", "a\nb", None, [], ...])
def test_a_hook_instance_is_needed(instance: Any) -> None:
    with pytest.raises(BadRequest, match="hookInstance"):
        read(hookInstance=instance)


@pytest.mark.parametrize("instance", ["d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "x" * 200, "order 7 of today"])
def test_a_hook_instance_that_is_no_uuid_is_taken(instance: str) -> None:
    assert read(hookInstance=instance).request.hookInstance == instance


def test_a_byte_order_mark_is_forgiven() -> None:
    assert parse(b"\xef\xbb\xbf" + msgspec.json.encode(bodies.request()), "patient-view").request.hook == "patient-view"


def test_what_is_asked_leaves_out_the_token_and_nothing_else() -> None:
    body = bodies.request(fhirServer="https://fhir.example", fhirAuthorization={"access_token": "a"})
    first = parse(msgspec.json.encode(body), "patient-view").asked
    fresh = {**body, "fhirAuthorization": {"access_token": "b", "expires_in": 1}}
    assert parse(msgspec.json.encode(fresh), "patient-view").asked == first
    for changed in ({"prefetch": {}}, {"context": bodies.context("patient-view", "p2")}, {"fhirServer": "https://x"}):
        assert parse(msgspec.json.encode({**body, **changed}), "patient-view").asked != first


def test_a_token_shows_nothing_of_itself() -> None:
    parsed = read(fhirServer="https://fhir.example", fhirAuthorization={"access_token": "canary"})
    assert parsed.request.fhirAuthorization is not None
    assert parsed.request.fhirAuthorization.access_token == "canary"
    assert "canary" not in repr(parsed)
