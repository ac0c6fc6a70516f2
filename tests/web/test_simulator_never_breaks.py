"""Whatever is sent to the simulated FHIR server, the answer is FHIR: an OperationOutcome, never an unhandled error."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_over_http import NOW

from cds_service.web.simulator.exchange import Request
from cds_service.web.simulator.interactions import FhirServer
from cds_service.web.simulator.search_parameters import parameters
from cds_service.web.simulator.store import Store

BASE = "https://ehr.example/fhir"
NAMES = sorted({path[0] for rows in parameters().values() for row in rows.values() for path in row.paths})
TYPES = st.sampled_from(sorted(parameters()))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
DATES = st.sampled_from(["2026", "2026-13", "2026-02-30", "0000", "9999-12-31", "2026-11-20T25:00:00Z", "20261120", ""])
KEYS = st.sampled_from(["coding", "code", "system", "value", "reference", "start", "end", "text"])
NODES = st.recursive(
    LEAVES | DATES,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(KEYS, deeper, max_size=3),
    max_leaves=8,
)
MEMBERS = st.dictionaries(st.sampled_from([*NAMES, "meta"]), NODES, max_size=6)


@settings(max_examples=150, deadline=None)
@given(TYPES, MEMBERS)
def test_any_members_are_stored_or_refused_with_an_outcome(resource_type: str, members: dict[str, Any]) -> None:
    server = FhirServer(Store(lambda: NOW))
    body = json.dumps({**members, "resourceType": resource_type, "id": "x"}).encode()
    reply = server.respond(Request(method="PUT", path=f"{resource_type}/x", body=body), BASE)
    assert reply.status in {201, 400}
    if reply.status == 201:
        for name in parameters()[resource_type]:
            found = server.respond(Request(method="GET", path=resource_type, query=[("_sort", f"-{name}")]), BASE)
            assert (found.status, json.loads(found.body)["total"]) == (200, 1)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]),
    st.lists(TYPES | st.text(max_size=5) | st.sampled_from(["_search", "_history", "metadata", "p"]), max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(["patient", "code", "date", "_sort", "_count", "_include", "_id", "_lastUpdated"]),
            st.text(max_size=8) | DATES | st.sampled_from(["ge2026", "Patient/p", "|", ",", "a|b,c", "-date", "*:*"]),
        ),
        max_size=3,
    ),
    st.binary(max_size=20) | st.just(b'{"resourceType":"Bundle","type":"batch","entry":[{}]}'),
)  # fmt: skip
def test_any_request_is_answered(method: str, path: list[str], query: list[tuple[str, str]], body: bytes) -> None:
    store = Store(lambda: NOW)
    store.put("Patient", "p", b'{"resourceType":"Patient"}')
    store.put("Observation", "o", b'{"resourceType":"Observation","subject":{"reference":"Patient/p"}}')
    request = Request(method=method, path=quote("/".join(path)), query=query, body=body)
    reply = FhirServer(store).respond(request, BASE)
    assert reply.status < 500
    if reply.status >= 400:
        assert json.loads(reply.body)["resourceType"] == "OperationOutcome"
