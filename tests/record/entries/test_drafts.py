"""Draft orders: kept byte for byte, named, selected, and refused as a whole when they name another patient."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from cds_service.errors import WrongPatient
from cds_service.record.build import build
from cds_service.record.entries.medications import NEITHER
from cds_service.record.facts import Order
from tests.record.resources import NOW, RXNORM, SUBJECT, answered, concept, resource

SCAN = b'{"resourceType":"ServiceRequest","id":"s1","status":"draft","intent":"order","priority":"routine","code":{"text":"CT chest"},"subject":{"reference":"Patient/p1"},"quantityQuantity":{"value":1.50},"x":null}'


def orders(*drafts: bytes | dict[str, Any], selections: tuple[str, ...] = (), **more: Any) -> list[Order]:
    entries = [{"resource": Raw(d) if isinstance(d, bytes) else d} for d in drafts]
    body = Raw(msgspec.json.encode({"resourceType": "Bundle", "entry": entries}))
    return list(build("p1", {}, NOW, draft_orders=body, selections=selections, **more).orders)


def test_an_order_keeps_the_bytes_it_came_in() -> None:
    (order,) = orders(SCAN)
    assert order.raw == SCAN
    assert (order.reference, order.label, order.priority, order.intent, order.modalities) == (
        "ServiceRequest/s1", "CT chest", "routine", "order", ("CT",),
    )  # fmt: skip


def test_a_drug_order_names_its_drug_dose_and_route() -> None:
    dosage = [{"text": "1 g IV every 6 h", "route": {"text": "intravenous"}}]
    drug = concept("7980", RXNORM, "Penicillin G")
    (order,) = orders(resource("MedicationRequest", medicationCodeableConcept=drug, dosageInstruction=dosage))
    assert (order.label, order.dose, order.route) == ("Penicillin G", "1 g IV every 6 h", "intravenous")


def test_a_medication_among_the_drafts_is_what_an_order_refers_to_and_no_order() -> None:
    drug = {"resourceType": "Medication", "id": "m1", "code": concept("6809", RXNORM, "Metformin")}
    (order,) = orders(drug, resource("MedicationRequest", medicationReference={"reference": "Medication/m1"}))
    assert order.label == "Metformin"


def test_a_drug_of_the_record_may_be_what_an_order_refers_to() -> None:
    drug = {"resourceType": "Medication", "id": "m1", "code": concept("6809", RXNORM, "Metformin")}
    body = Raw(msgspec.json.encode([resource("MedicationRequest", medicationReference={"reference": "Medication/m1"})]))
    record = build("p1", {"medications": answered("medications", "MedicationRequest", drug)}, NOW, draft_orders=body)
    assert record.orders[0].label == "Metformin"


def test_without_selections_every_draft_is_meant_and_with_them_only_those_named() -> None:
    other = resource("ServiceRequest", code={"text": "MRI brain"})
    assert [o.selected for o in orders(SCAN, other)] == [True, True]
    assert [o.selected for o in orders(SCAN, other, selections=("ServiceRequest/s1",))] == [True, False]
    assert [o.selected for o in orders(SCAN, other, selections=("ServiceRequest/s1/_history/2",))] == [True, False]


def test_a_draft_for_another_patient_spoils_the_request() -> None:
    with pytest.raises(WrongPatient, match="draftOrders"):
        orders(resource("ServiceRequest") | {"subject": {"reference": "Patient/p2"}})


def test_a_draft_whose_subject_cannot_be_resolved_is_kept() -> None:
    (order,) = orders(resource("ServiceRequest", code={"text": "X"}) | {"subject": {"reference": "urn:uuid:9"}})
    assert order.label == "X"


def test_row_54_forty_mixed_drafts_are_forty_orders_each_with_its_own_verdict() -> None:
    kinds = [
        "ServiceRequest",
        "MedicationRequest",
        "DeviceRequest",
        "NutritionOrder",
        "Appointment",
        "Basic",
        "Weird",
        "",
    ]
    drafts = [
        {"resourceType": kinds[i % 8], "id": f"d{i}", "subject": SUBJECT, "code": {"text": "X"}} for i in range(40)
    ]
    made = orders(*drafts, b'{"resourceType":"ServiceRequest","id":"broken","code":[[]]}', b"7")
    assert len(made) == 42
    faults = {o.reference: o.note for o in made if "no reader" in o.note or "unreadable" in o.note}
    assert sum("no reader" in note for note in faults.values()) == 15 + 5
    assert "partly unreadable: code" in faults["ServiceRequest/broken"]
    assert [o.label for o in made if o.reference == "ServiceRequest/d0"] == ["X"]
    assert all(NEITHER in o.note for o in made if o.resource_type == "MedicationRequest")


AMOXICILLIN = {"resourceType": "MedicationRequest", "id": "a", "medicationCodeableConcept": {"text": "amoxicillin"}}


@pytest.mark.parametrize(
    ("drafts", "labels"),
    [
        ({"resourceType": "Bundle", "entry": [AMOXICILLIN]}, ["amoxicillin"]),
        ({"resourceType": "Bundle", "entry": [None, {"resource": None}, {"resource": AMOXICILLIN}]}, ["amoxicillin"]),
        ({"resourceType": "Bundle", "entry": ["x", {"resource": AMOXICILLIN}]}, ["Order not named", "amoxicillin"]),
        ({"entry": [{"fullUrl": 7, "resource": AMOXICILLIN}, AMOXICILLIN]}, ["Order not named", "amoxicillin"]),
        ([{"resource": AMOXICILLIN}, AMOXICILLIN], ["amoxicillin", "amoxicillin"]),
        ({"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE"}}]}, ["Order not named"]),
        ({"resourceType": "Bundle", "entry": AMOXICILLIN}, ["Bundle not named"]),
        ({"resourceType": "Bundle"}, []),
    ],
)
def test_odd_entries_spoil_no_draft_beside_them_and_none_gets_lost(drafts: Any, labels: list[str]) -> None:
    made = build("p1", {}, NOW, draft_orders=Raw(msgspec.json.encode(drafts))).orders
    assert [order.label for order in made] == labels


def test_drafts_are_numbered_behind_the_record_and_cited_by_their_own_id() -> None:
    (order,) = orders(SCAN)
    assert order.id == "F1"


@pytest.mark.parametrize(
    "body", [b"null", b"", b"{}", b"[]", b"7", b'"x"', b'{"resourceType":"Bundle"}', b"{", b"[[[["]
)
def test_no_body_of_drafts_raises(body: bytes) -> None:
    made = build("p1", {}, NOW, draft_orders=Raw(body)).orders
    assert all(o.note for o in made)
