"""Draft orders: a Bundle, a list or one resource; each keeps its bytes exactly."""

from __future__ import annotations

import pytest
from msgspec import Raw

from fhir_adapters.read.medication import MedicationRequestView
from fhir_adapters.read.orders import MAX_ORDERS, read_orders

FIRST = b'{ "resourceType" : "MedicationRequest", "id":"m1", "x": 1.50, "x2":null }'
SECOND = b'{"id":"s1","resourceType":"ServiceRequest"}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Bundle","entry":[{"resource":%s},{"resource":%s}]}' % (FIRST, SECOND),
        b'{"entry":[{"fullUrl":"urn:uuid:1","resource":%s},{"resource":%s},{"resource":null},{}]}' % (FIRST, SECOND),
        b"[%s,%s]" % (FIRST, SECOND),
    ],
)
def test_drafts_keep_their_order_and_their_bytes(body: bytes) -> None:
    found = read_orders(Raw(body))
    assert [(o.resource_type, o.id, o.raw) for o in found] == [
        ("MedicationRequest", "m1", FIRST),
        ("ServiceRequest", "s1", SECOND),
    ]
    assert isinstance(found[0].view, MedicationRequestView)


def test_a_lone_resource_is_one_draft() -> None:
    (order,) = read_orders(SECOND)
    assert order.raw == SECOND


@pytest.mark.parametrize("body", [None, b"", b"null", b" null ", b'{"resourceType":"Bundle"}', b"[]"])
def test_nothing_is_no_draft(body: bytes | None) -> None:
    assert read_orders(body) == []


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        (b'{"resourceType":"Appointment","id":"a"}', "no reader for this resource type"),
        (b'{"resourceType":7}', "unreadable"),
        (b"7", "unreadable"),
        (b'{"id":"x"}', "no reader for this resource type"),
    ],
)
def test_a_draft_that_cannot_be_read_is_kept_with_its_fault(draft: bytes, fault: str) -> None:
    good, bad = read_orders(b"[%s,%s]" % (SECOND, draft))
    assert (good.fault, bad.fault, bad.view, bad.raw) == ("", fault, None, draft)


def test_a_damaged_draft_is_salvaged() -> None:
    (order,) = read_orders(b'{"resourceType":"ServiceRequest","id":"s","priority":["stat"],"status":"draft"}')
    assert order.view is not None
    assert order.view.damaged == ("priority",)


def test_drafts_are_bounded() -> None:
    assert len(read_orders(b"[" + b",".join([SECOND] * (MAX_ORDERS + 50)) + b"]")) == MAX_ORDERS
