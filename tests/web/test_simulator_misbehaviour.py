"""Every fault the simulator can commit on purpose does what its name says, and stops when told to."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest
from simulator_over_http import NOW, Simulator

from cds_service.web.simulator.misbehaviour import Rule, faults
from cds_service.web.simulator.store import Store

SEARCH = "Observation?patient=demo-sepsis&_sort=-date&_count=5"


def misbehave(simulator: Simulator, fault: str, on: str = "", times: int = 0) -> None:
    simulator.store.misbehaviour.set(Rule(fault=fault, on=on, times=times))


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("throttled", 429, "throttled"),
        ("throttled-until", 429, "throttled"),
        ("server-error", 500, "exception"),
        ("unavailable", 503, "transient"),
        ("expired-token", 401, "login"),
        ("forbidden", 403, "forbidden"),
        ("gone", 410, "deleted"),
        ("outcome", 200, "exception"),
    ],
)
def test_an_error_comes_with_its_status_and_an_outcome(
    simulator: Simulator, fault: str, status: int, code: str
) -> None:
    misbehave(simulator, fault)
    answer = simulator.get(SEARCH)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["code"] == code
    assert answer.headers["access-control-allow-origin"] == "*"


def test_retry_after_comes_in_both_forms(simulator: Simulator) -> None:
    misbehave(simulator, "throttled")
    assert simulator.get(SEARCH).headers["retry-after"] == "1"
    misbehave(simulator, "throttled-until")
    assert parsedate_to_datetime(simulator.get(SEARCH).headers["retry-after"]) == NOW + timedelta(seconds=2)


def test_an_expired_token_says_so_in_the_challenge(simulator: Simulator) -> None:
    misbehave(simulator, "expired-token")
    assert "invalid_token" in simulator.get(SEARCH).headers["www-authenticate"]


def test_a_fault_may_strike_one_type_a_number_of_times(simulator: Simulator) -> None:
    misbehave(simulator, "server-error", on="Observation", times=2)
    assert simulator.get("Condition?patient=demo-sepsis").status_code == 200
    assert [simulator.get(SEARCH).status_code for _ in range(3)] == [500, 500, 200]


def test_a_clean_server_behaves(simulator: Simulator) -> None:
    misbehave(simulator, "gone")
    simulator.store.misbehaviour.clear()
    assert simulator.get(SEARCH).status_code == 200


def test_a_fault_nobody_knows_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="no fault is called 'flood'"):
        misbehave(simulator, "flood")


def test_an_error_in_the_middle_of_paging_spares_the_first_page(simulator: Simulator) -> None:
    misbehave(simulator, "mid-paging-error")
    first = simulator.get(SEARCH)
    assert first.status_code == 200
    assert simulator.client.get(first.json()["link"][1]["url"]).status_code == 500


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_count_elements_and_sort_may_not_be_honoured(simulator: Simulator, method: str) -> None:
    def entries(query: str) -> list[dict[str, Any]]:
        kind, _, rest = query.partition("?")
        if method == "POST":
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = simulator.client.post(f"/simulator/fhir/{kind}/_search", content=rest, headers=headers)
        else:
            answer = simulator.get(query)
        found: list[dict[str, Any]] = [entry["resource"] for entry in answer.json()["entry"]]
        return found

    everything = len(entries("Observation?patient=demo-sepsis&_count=1000"))
    misbehave(simulator, "ignored-count")
    assert len(entries(SEARCH)) == everything > 5
    misbehave(simulator, "ignored-elements")
    assert "valueQuantity" in entries(SEARCH + "&_elements=status")[0]
    misbehave(simulator, "ignored-sort")
    dates = [entry["effectiveDateTime"] for entry in entries(SEARCH)]
    assert dates != sorted(dates, reverse=True)
    misbehave(simulator, "ignored-include")
    assert len(entries("MedicationRequest?patient=demo-af&_include=MedicationRequest:medication")) == 3


@pytest.mark.parametrize(("fault", "status"), [("html", 200), ("html-error", 502)])
def test_html_comes_where_json_was_asked_for(simulator: Simulator, fault: str, status: int) -> None:
    misbehave(simulator, fault)
    answer = simulator.get(SEARCH)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_the_right_body_may_come_under_the_wrong_content_type(simulator: Simulator) -> None:
    misbehave(simulator, "wrong-content-type")
    answer = simulator.get(SEARCH)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.json()["resourceType"] == "Bundle"


def test_truncated_json_is_a_whole_http_message(simulator: Simulator) -> None:
    whole = len(simulator.get("Patient/demo-sepsis").content)
    misbehave(simulator, "truncated")
    answer = simulator.get("Patient/demo-sepsis")
    assert (len(answer.content), int(answer.headers["content-length"])) == (whole // 2, whole // 2)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_an_outcome_may_stand_among_the_entries(simulator: Simulator) -> None:
    misbehave(simulator, "outcome-entry")
    entry = simulator.get(SEARCH).json()["entry"][-1]
    assert (entry["resource"]["resourceType"], entry["search"]["mode"]) == ("OperationOutcome", "outcome")


def test_another_patients_result_may_stand_among_the_entries(simulator: Simulator) -> None:
    misbehave(simulator, "foreign-entry")
    entry = simulator.get(SEARCH).json()["entry"][-1]
    assert entry["resource"]["subject"]["reference"] == "Patient/somebody-else"


def test_the_next_link_may_lead_elsewhere_or_back(simulator: Simulator) -> None:
    for fault, ending in (("next-elsewhere", "elsewhere.invalid"), ("paging-loop", "testserver")):
        misbehave(simulator, fault)
        links = {link["relation"]: link["url"] for link in simulator.get(SEARCH).json()["link"]}
        assert httpx2.URL(links["next"]).host.endswith(ending)
    assert links["next"] == links["self"]


def test_entries_may_come_twice_or_not_at_all(simulator: Simulator) -> None:
    misbehave(simulator, "duplicates")
    ids = [entry["resource"]["id"] for entry in simulator.get(SEARCH).json()["entry"]]
    assert len(ids) == 10
    assert ids[::2] == ids[1::2]
    misbehave(simulator, "total-only")
    bundle = simulator.get(SEARCH).json()
    assert "entry" not in bundle
    assert bundle["total"] > 0


def test_metadata_alone_may_be_missing(simulator: Simulator) -> None:
    misbehave(simulator, "no-metadata")
    assert simulator.get("metadata").status_code == 404
    assert simulator.get("Patient/demo-sepsis").status_code == 200


def test_a_single_resource_is_not_spoilt_as_a_bundle(simulator: Simulator) -> None:
    misbehave(simulator, "duplicates")
    assert simulator.get("Patient/demo-sepsis").json()["id"] == "demo-sepsis"


def test_a_hanging_server_sends_no_byte(listening: tuple[str, Store]) -> None:
    base, store = listening
    store.misbehaviour.set(Rule(fault="hang", on="Observation"))
    with httpx2.Client(timeout=0.3) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.get(f"{base}/{SEARCH}")
        assert client.get(f"{base}/Patient/demo-sepsis").status_code == 200


def test_a_dripping_server_sends_a_byte_at_a_time(listening: tuple[str, Store]) -> None:
    base, store = listening
    store.misbehaviour.set(Rule(fault="drip"))
    with httpx2.Client() as client, client.stream("GET", f"{base}/Patient/demo-sepsis") as answer:
        pieces = [piece for piece, _ in zip(answer.iter_raw(), range(3), strict=False)]
    assert pieces == [b"{", b'"', b"r"]


def test_a_connection_may_close_before_the_announced_length(listening: tuple[str, Store]) -> None:
    base, store = listening
    store.misbehaviour.set(Rule(fault="cut-off"))
    with httpx2.Client() as client, pytest.raises(httpx2.RemoteProtocolError):
        client.get(f"{base}/Patient/demo-sepsis")


def test_a_slow_page_comes_late_but_whole(listening: tuple[str, Store]) -> None:
    base, store = listening
    with httpx2.Client() as client:
        first = client.get(f"{base}/{SEARCH}").json()
        store.misbehaviour.set(Rule(fault="slow-pages"))
        started = time.monotonic()
        second = client.get(first["link"][1]["url"])
    assert time.monotonic() - started >= faults()["slow-pages"].delay_s
    assert second.json()["resourceType"] == "Bundle"


def test_faults_are_switched_over_http_in_the_demo(simulator: Simulator) -> None:
    address = "/simulator/misbehaviour"
    assert simulator.client.get(address).json()["rules"] == []
    assert set(simulator.client.get(address).json()["faults"]) == set(faults())
    rules = {"rules": [{"fault": "gone", "on": "Observation"}]}
    assert simulator.client.put(address, json=rules).status_code == 200
    assert simulator.get(SEARCH).status_code == 410
    assert simulator.client.delete(address).json()["rules"] == []
    assert simulator.get(SEARCH).status_code == 200
    bodies: tuple[Any, ...] = ({"rules": [{"fault": "flood"}]}, {"rules": 7}, {"typo": []}, [])
    for body in bodies:
        answer = simulator.client.put(address, json=body)
        assert answer.status_code == 400
        assert answer.json()["resourceType"] == "OperationOutcome"
