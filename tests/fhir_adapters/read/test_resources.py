"""Bytes → views: every shape a body comes in, and what is counted where it cannot be read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from fhir_adapters.read.condition import ConditionView
from fhir_adapters.read.datatypes import CodeableConcept, Coding
from fhir_adapters.read.encounter import EncounterView
from fhir_adapters.read.medication import MedicationRequestView
from fhir_adapters.read.observation import ObservationView
from fhir_adapters.read.other_types import NAMES
from fhir_adapters.read.outcome import Issue
from fhir_adapters.read.patient import PatientView
from fhir_adapters.read.requests import ServiceRequestView
from fhir_adapters.read.resources import READERS, Resources, read
from fhir_adapters.read.view import View

OBSERVATION = {"resourceType": "Observation", "id": "o1", "status": "final"}


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def bundle(*resources: Any, **more: Any) -> bytes:
    return body({"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]} | more)


def one(value: Any) -> View:
    (view,) = read(body(value)).views
    return view


@pytest.mark.parametrize(
    "kind", [view.__struct_config__.tag for view in READERS if view.__name__ != "OperationOutcomeView"]
)
def test_every_reader_reads_its_type_alone_and_in_a_bundle(kind: str) -> None:
    alone, among = read(body({"resourceType": kind, "id": "x"})), read(bundle({"resourceType": kind, "id": "x"}))
    assert (alone.kind, among.kind) == ("resource", "bundle")
    assert alone.views == among.views
    assert (alone.views[0].resourceType, alone.views[0].id) == (kind, "x")


@pytest.mark.parametrize(
    ("raw", "kind", "empty"),
    [
        (b"null", "null", False),
        (b"{}", "not-fhir", False),
        (b'{"resourceType":"Bundle"}', "bundle", True),
        (b'{"resourceType":"Bundle","entry":[]}', "bundle", True),
        (b'{"entry":[]}', "bundle", True),
        (b"[]", "not-fhir", False),
        (b"7", "not-fhir", False),
        (b'"x"', "not-fhir", False),
        (b"", "not-fhir", False),
        (b"<html></html>", "not-fhir", False),
        (b"\xef\xbb\xbf{}", "not-fhir", False),
        (b'{"resourceType":"Observation","valueQuantity":{"value":NaN}}', "not-fhir", False),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Pat', "not-fhir", False),
    ],
)
def test_null_nothing_and_empty_are_different_answers(raw: bytes, kind: str, empty: bool) -> None:
    found = read(raw)
    assert (found.kind, found.empty, found.views) == (kind, empty, [])
    assert bool(found.faults) is (kind == "not-fhir")


def test_a_bundle_says_where_it_goes_on_and_how_many_there_are() -> None:
    links = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    found = read(bundle(OBSERVATION, link=links, total=7, type="searchset"))
    assert (found.next, found.total) == ("https://ehr.example/fhir?page=2", 7)


def test_entries_keep_their_addresses_beside_the_views() -> None:
    entries = [{"fullUrl": "urn:uuid:1", "resource": OBSERVATION}, {"resource": {"resourceType": "Patient", "id": "p"}}]
    found = read(body({"resourceType": "Bundle", "entry": entries}))
    assert found.urls == ["urn:uuid:1", ""]


def test_types_without_a_reader_are_counted_and_no_fault() -> None:
    found = read(bundle(OBSERVATION, {"resourceType": "Claim"}, {"resourceType": "Claim"}, {"resourceType": "Weird"}))
    assert found.unknown == {"Claim": 2, "Weird": 1}
    assert (len(found.views), found.faults.total()) == (1, 0)


def test_no_type_has_a_reader_and_none() -> None:
    assert not {str(view.__struct_config__.tag) for view in READERS} & set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "entry without resource"),
        ({"resource": None}, "entry without resource"),
        ({"resource": {}}, "no resourceType"),
        ({"resource": {"resourceType": 7}}, "no resourceType"),
        ({"resource": {"id": "x"}}, "no resourceType"),
    ],
)
def test_one_unreadable_entry_costs_only_itself(entry: Any, reason: str) -> None:
    found = read(body({"resourceType": "Bundle", "entry": [entry, {"resource": OBSERVATION}, entry]}))
    assert [v.id for v in found.views] == ["o1"]
    assert found.faults == {reason: 2}


@pytest.mark.parametrize("entry", [7, None, "x", [], {"resource": 7}])
def test_an_entry_that_is_no_entry_costs_only_itself(entry: Any) -> None:
    found = read(body({"resourceType": "Bundle", "entry": [entry, {"resource": OBSERVATION}]}))
    assert [v.id for v in found.views] == ["o1"]
    assert found.faults.total() == 1


def test_an_outcome_alone_or_inside_is_read_as_issues() -> None:
    issue = {"severity": "error", "code": "processing", "diagnostics": "x" * 1000}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue, {"code": "security", "details": {"text": "no"}}]}
    alone, inside = read(body(outcome)), read(bundle(OBSERVATION, outcome))
    assert alone.issues == inside.issues == [Issue("error", "processing", "x" * 300), Issue("error", "security", "no")]
    assert (alone.views, len(inside.views)) == ([], 1)


def test_the_answer_to_a_batch_is_bundles_inside_a_bundle() -> None:
    inner = {"resourceType": "Bundle", "entry": [{"resource": OBSERVATION}]}
    assert [v.id for v in read(bundle(inner, inner)).views] == ["o1", "o1"]


def test_bundles_do_not_nest_without_end() -> None:
    value: Any = OBSERVATION
    for _ in range(6):
        value = {"resourceType": "Bundle", "entry": [{"resource": value}]}
    found = read(body(value))
    assert (found.views, found.faults) == ([], {"Bundles nested too deeply": 1})
    broken = json.loads(body(value))
    broken["total"] = "x"
    assert read(body(broken)).faults == {"Bundles nested too deeply": 1}


@pytest.mark.parametrize("depth", [500, 20_000])
@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_depth_is_a_fault_and_no_crash(depth: int, pair: str) -> None:
    opening, closing = (pair[:-1], pair[-1])
    deep = opening * depth + ("1" if pair != "[]" else "") + closing * depth
    for raw in (
        deep,
        f'{{"resourceType":"Observation","x":{deep}}}',
        f'{{"resourceType":"Bundle","entry":[{{"resource":{deep}}}]}}',
    ):
        assert isinstance(read(raw.encode()), Resources)


def test_text_that_is_not_utf_8_costs_only_its_resource() -> None:
    raw = bundle({"resourceType": "Condition", "id": "BAD"}, OBSERVATION).replace(b"BAD", b"\xff\xfe")
    found = read(raw)
    assert [v.id for v in found.views] == ["o1"]
    assert found.faults.total() == 1


def test_decimals_keep_their_digits_on_both_ways() -> None:
    raw = b'{"resourceType":"Observation","valueQuantity":{"value":7.40,"unit":"x"}%s}'
    for tail in (b"", b',"status":7'):
        (view,) = read(raw % tail).views
        assert isinstance(view, ObservationView)
        assert view.valueQuantity is not None
        assert str(view.valueQuantity.value) == "7.40"


def test_a_class_is_read_though_python_has_a_word_for_it() -> None:
    view = one({"resourceType": "Encounter", "class": {"code": "IMP"}})
    assert isinstance(view, EncounterView)
    assert view.class_ == Coding(code="IMP")


# What sloppy servers send


@pytest.mark.parametrize(
    "code",
    [
        {"coding": {"system": "s", "code": "c"}},
        {"system": "s", "code": "c"},
        [{"coding": [{"system": "s", "code": "c"}]}],
        {"coding": [{"system": "s", "code": "c", "userSelected": True}, None]},
    ],
)
def test_a_code_is_read_in_whatever_wrapping(code: Any) -> None:
    view = one({"resourceType": "Condition", "code": code})
    assert isinstance(view, ConditionView)
    assert view.code is not None
    assert view.code.codings == [Coding("s", "c")]


def test_a_word_stands_for_a_concept_and_an_object_for_a_list_of_one() -> None:
    view = one(
        {"resourceType": "ServiceRequest", "category": {"text": "imaging"}, "code": "CT chest", "subject": "Patient/p"}
    )
    assert isinstance(view, ServiceRequestView)
    assert view.category == [CodeableConcept(text="imaging")]
    assert view.code == CodeableConcept(text="CT chest")
    assert view.subject is not None
    assert (view.subject.reference, view.damaged) == ("Patient/p", ())


def test_numbers_and_words_are_told_apart_and_read_across() -> None:
    view = one(
        {"resourceType": "Patient", "id": 12345, "gender": "female", "deceasedBoolean": "true", "birthDate": 1950}
    )
    assert isinstance(view, PatientView)
    assert (view.id, view.deceasedBoolean, view.birthDate, view.damaged) == ("12345", True, "1950", ())


def test_a_member_that_does_not_fit_is_left_out_whole_and_named() -> None:
    half = {"value": 4, "comparator": ["<"]}
    view = one(OBSERVATION | {"valueQuantity": half, "issued": {}})
    assert isinstance(view, ObservationView)
    assert (view.valueQuantity, view.issued, set(view.damaged)) == (None, None, {"valueQuantity", "issued"})
    assert view.status == "final"


def test_null_members_are_absent() -> None:
    view = one(
        OBSERVATION | {"valueQuantity": None, "component": None, "code": {"coding": None}, "valueSampledData": None}
    )
    assert isinstance(view, ObservationView)
    assert (view.valueQuantity, view.valueSampledData, view.damaged) == (None, None, ())


def test_members_nobody_reads_may_hold_anything() -> None:
    view = one(OBSERVATION | {"category": 7, "encounter": [[]], "extension": {"a": None}, "(damaged)": ["status"]})
    assert view.id == "o1"


def test_contained_resources_stay_bytes() -> None:
    view = one({"resourceType": "MedicationRequest", "contained": [{"resourceType": "Medication", "id": "m"}]})
    assert isinstance(view, MedicationRequestView)
    assert view.contained is not None
    assert json.loads(bytes(view.contained[0])) == {"resourceType": "Medication", "id": "m"}


def test_a_total_that_is_no_number_does_not_cost_the_entries() -> None:
    found = read(bundle(OBSERVATION, total="many", link=[{"relation": "next", "url": "u"}]))
    assert (len(found.views), found.next, found.total) == (1, "u", None)


def test_a_huge_number_is_read_and_left_to_others_to_judge() -> None:
    (view,) = read(b'{"resourceType":"Observation","valueQuantity":{"value":1e999999}}').views
    assert isinstance(view, ObservationView)
    assert view.valueQuantity is not None
    assert view.valueQuantity.value == Decimal("1e999999")
