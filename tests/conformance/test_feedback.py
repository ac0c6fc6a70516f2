"""Rows F1–F3: what becomes of feedback."""
# ruff: noqa: N802 - the rows of the checklist are upper case

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_service.hooks.protocol import Coding, FeedbackEntry

from . import bodies
from .minimal import Minimal

PATH = "/cds-services/patient-summary/feedback"
CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
REASON = {"code": "known", "system": "urn:x", "display": "Known"}


def entry(**members: Any) -> dict[str, Any]:
    return {"card": CARD, "outcome": "overridden", "outcomeTimestamp": "2026-11-20T08:10:00Z", **members}


def taken(house: Minimal, body: Any) -> list[FeedbackEntry]:
    with TestClient(house.app) as client:
        answer = client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return [found for _, _, found in house.ledger.entries]


def test_F1_feedback_on_an_issued_card_is_taken(client: TestClient) -> None:
    (first, *_) = client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    answer = client.post(PATH, json={"feedback": [entry(card=first["uuid"])]})
    assert answer.status_code == 200


def test_F1_a_batch_may_mix_cards_and_repeat_them(minimal: Minimal) -> None:
    other = "4e0a3a1e-3283-4575-ab82-028d55fe2720"
    accepted = entry(card=other, outcome="accepted", acceptedSuggestions=[{"id": "s1"}, {"id": "s2"}])
    found = taken(minimal, {"feedback": [entry(), accepted, entry()]})
    assert [f.card for f in found] == [CARD, other, CARD]
    assert found[1].suggestions == ("s1", "s2")


def test_F1_a_card_nobody_issued_is_taken_too(client: TestClient) -> None:
    assert client.post(PATH, json={"feedback": [entry()]}).status_code == 200


def test_F2_reason_comment_and_time_of_an_override_are_read(minimal: Minimal) -> None:
    (found,) = taken(minimal, {"feedback": [entry(overrideReason={"reason": REASON, "userComment": "seen"})]})
    assert found.reasons == (Coding(**REASON),)
    assert found.comment == "seen"
    assert found.timestamp == datetime(2026, 11, 20, 8, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "members",
    [
        {"overrideReasons": {"reason": REASON}},
        {"overrideReasons": [{"reason": REASON}]},
        {"overrideReason": REASON},
        {"overrideReasons": {**REASON, "extension": {"category": "x"}}},
    ],
)
def test_F2_reasons_in_the_plural_or_bare_are_read_too(minimal: Minimal, members: dict[str, Any]) -> None:
    (found,) = taken(minimal, {"feedback": [entry(**members)]})
    assert found.reasons == (Coding(**REASON),)


@pytest.mark.parametrize(
    "odd",
    [
        {"outcomeTimestamp": "yesterday"},
        {"outcomeTimestamp": None},
        {"overrideReason": "no"},
        {"overrideReason": {"reason": {"code": 5}}},
        {"acceptedSuggestions": "s1"},
        {"acceptedSuggestions": [None, {"id": 3}]},
        {"extension": {"x": []}},
    ],
)
def test_F2_odd_optional_members_are_set_aside(minimal: Minimal, odd: dict[str, Any]) -> None:
    (found,) = taken(minimal, {"feedback": [entry(**odd)]})
    assert found.card == CARD


@pytest.mark.parametrize("body", [entry(), {"feedback": entry()}])
def test_F2_a_single_entry_outside_an_array_is_read(minimal: Minimal, body: dict[str, Any]) -> None:
    assert len(taken(minimal, body)) == 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"feedback": "x"},
        {"feedback": [{"card": CARD}]},
        {"feedback": [entry(outcome="ignored")]},
        {"feedback": [7]},
    ],
)
def test_F2_what_is_no_feedback_is_a_400(client: TestClient, body: Any) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_F2_unusable_entries_beside_usable_ones_are_counted(minimal: Minimal) -> None:
    assert len(taken(minimal, {"feedback": [entry(), {"outcome": "accepted"}]})) == 1
    assert minimal.metrics.counted["feedback:unreadable"] == 1


def test_F3_nothing_is_recorded_for_cards_without_feedback(minimal: Minimal) -> None:
    with TestClient(minimal.app) as client:
        client.post("/cds-services/patient-summary", json=bodies.request())
        assert client.post(PATH, json={"feedback": []}).status_code == 200
    assert minimal.ledger.entries == []
