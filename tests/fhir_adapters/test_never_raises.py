"""Whatever a client or a server sends: a state or a named fault, never another exception."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from fhir_adapters import errors
from fhir_adapters.addresses import Origin, origin_of, within_origin
from fhir_adapters.answers import check, unpack
from fhir_adapters.client import path_template
from fhir_adapters.gather import State, gather
from fhir_adapters.server import Reply, retry_after
from fhir_adapters.templates import resolve

names = st.sampled_from(
    ["resourceType", "entry", "resource", "link", "relation", "url", "total", "issue", "severity", "code", "id", "x"]
)
words = (
    st.sampled_from(["Bundle", "Observation", "Patient", "OperationOutcome", "next", "error", "../..", ""]) | st.text()
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=25,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_prefetch_comes_to_a_state(prefetch: dict[str, Any]) -> None:
    raw = {key: Raw(json.dumps(value).encode()) for key, value in prefetch.items()}
    found = asyncio.run(gather(raw, {"labs": "Observation?patient=p1"}, None, 0))
    assert found.keys() == prefetch.keys() | {"labs"}
    assert all(isinstance(answer.state, State) for answer in found.values())


@given(
    st.integers(200, 599),
    st.dictionaries(st.sampled_from(["content-type", "retry-after", "location"]), st.text(max_size=40)),
    values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200),
)
@settings(max_examples=300, deadline=None)
def test_any_answer_is_resources_or_a_named_fault(status: int, headers: dict[str, str], body: bytes) -> None:
    reply = Reply(status, headers, body, "https://ehr.example.org/fhir/Observation")
    where = ""
    try:
        check(reply, "GET Observation")
        asyncio.run(unpack(reply, "GET Observation"))
    except errors.FhirError as fault:
        where = fault.where
    assert where in ("", "GET Observation")


@given(st.text() | st.from_regex(r"https?://[^\s]{0,40}"), st.text())
@settings(max_examples=500)
def test_any_text_is_an_address_or_refused(url: str, link: str) -> None:
    try:
        origin = origin_of(url)
    except errors.UnsafeAddress:
        origin = Origin("https", "ehr.example.org", 443)
    else:
        assert url.startswith(f"{origin.scheme}://")
    within = within_origin(origin, str(origin), link)
    assert within == "" or origin_of(within) == origin


@given(st.text(), st.text())
def test_any_template_is_filled_or_refused_and_any_query_has_a_place_without_ids(template: str, value: str) -> None:
    with suppress(ValueError):
        assert resolve("Patient/{{context.patientId}}" + template, {"patientId": value}).startswith("Patient/")
    assert path_template(f"Observation?patient={value}{template}") == "GET Observation"
    assert retry_after({"retry-after": value}) is None or value.strip()
