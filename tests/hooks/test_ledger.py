"""Issued cards and feedback. Rows 62 (store side) and 63 of the fault matrix."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from cds_service.db.breaker import Breaker
from cds_service.errors import Unavailable
from cds_service.hooks.ledger import read_words
from cds_service.hooks.protocol import Coding
from tests.db import postgres as fixtures
from tests.hooks.ledger_fixtures import CLIENT, PATIENT, START, TENANT, USER, House, call, card, entry, finding

database_url, postgres = fixtures.database_url, fixtures.postgres


SUGGESTION = "7d1c8a5e-52a3-4d0f-a1b0-6f0c2e7b9d11"


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    made = House(database_url, tmp_path)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_an_issued_card_is_recorded_with_who_spoke_and_without_whom_it_is_about(house: House) -> None:
    issued = card(finding(), prompt="record-summary@1 sha256:0f", engine="extractive", suggestions=("s1",))
    house.ledger.issue(TENANT, call(), [issued])
    (row,) = await house.rows("issued_card", 1)
    assert row["uuid"] == issued.uuid
    assert json.loads(row["rules"]) == ["potassium-raas@1"]
    assert (row["prompt"], row["engine"], row["pack"]) == ("record-summary@1 sha256:0f", "extractive", "sha256:abcdef")
    assert row["issued_at"] == START * 1000
    assert not any(secret in repr(row) for secret in (USER, PATIENT, "potassium'", "Potassium is high"))


async def test_feedback_finds_its_card_at_once_and_after_a_restart(house: House) -> None:
    first, second = card(finding()), card(finding())
    house.ledger.issue(TENANT, call(), [first, second])
    assert await house.ledger.settle(TENANT, "order-triage", [entry(first, "accepted")]) == {"accepted": 1}
    await house.rows("issued_card", 2)
    assert await house.new_ledger().settle(TENANT, "order-triage", [entry(second)]) == {"overridden": 1}
    rows = await house.rows("feedback", 2)
    assert {row["card"]: (row["outcome"], row["rules"], row["known"]) for row in rows} == {
        first.uuid: ("accepted", '["potassium-raas@1"]', True),
        second.uuid: ("overridden", '["potassium-raas@1"]', True),
    }


async def test_what_the_user_said_is_kept_and_its_words_are_sealed(house: House) -> None:
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    reason = Coding(code="will-monitor", system="urn:x", display="Will monitor")
    theirs = Coding(code="told Mrs Demo", system="free words", display="told Mrs Demo")
    said = entry(
        issued,
        reasons=(reason, theirs),
        comment="Mrs Demo knows",
        suggestions=(SUGGESTION, "Mrs Demo"),
        timestamp=house.clock.moment,
    )
    await house.ledger.settle(TENANT, "order-triage", [said])
    (row,) = await house.rows("feedback", 1)
    assert json.loads(row["reasons"]) == [{"code": "will-monitor", "system": "urn:x"}, {"code": "other", "system": ""}]
    assert json.loads(row["suggestions"]) == [SUGGESTION]
    assert row["outcome_at"] == START * 1000
    assert "Demo" not in repr(row)
    words = read_words(house.cipher, row["id"], row["words"])
    assert words.comment == "Mrs Demo knows"
    assert words.displays == {"will-monitor": "Will monitor", "told Mrs Demo": "told Mrs Demo"}


async def test_row_62_unknown_uuids_are_counted_and_not_refused(house: House) -> None:
    known = card(finding())
    house.ledger.issue(TENANT, call(), [known])
    entries = [entry("123456"), entry("x" * 5000), entry(known.uuid.upper()), entry("' OR 1=1 --")]
    assert await house.ledger.settle(TENANT, "order-triage", entries) == {"unknown": 3, "overridden": 1}
    assert house.counts == {"feedback:unknown": 3, "feedback:overridden": 1}
    assert len(await house.rows("feedback", 1)) == 1


async def test_the_same_entry_sent_twice_is_one_row(house: House) -> None:
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    for _ in range(2):
        await house.ledger.settle(TENANT, "order-triage", [entry(issued, timestamp=house.clock.moment)] * 2)
    await house.ledger.settle(TENANT, "order-triage", [entry(issued, "accepted", timestamp=house.clock.moment)])
    assert sorted(row["outcome"] for row in await house.rows("feedback", 2)) == ["accepted", "overridden"]


async def test_row_63_a_client_cannot_answer_for_another_clients_card(house: House) -> None:
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    assert await house.ledger.settle("https://other.example.org\n", "order-triage", [entry(issued)]) == {"unknown": 1}
    await house.rows("issued_card", 1)
    restarted = house.new_ledger()
    assert await restarted.settle(f"{CLIENT}\nanother ward", "order-triage", [entry(issued)]) == {"unknown": 1}
    assert await house.rows("feedback") == []


async def test_feedback_while_the_database_is_down_is_kept_unmatched(house: House) -> None:
    house.gateway.breaker = Breaker(failures=1, rest=60)
    house.gateway.breaker.failed()
    counts = await house.ledger.settle(TENANT, "order-triage", [entry("0f8fad5b-d9cb-469f-a165-70867728950e")])
    assert counts == {"unverified": 1}
    house.gateway.breaker.succeeded()
    (row,) = await house.rows("feedback", 1)
    assert row["known"] is False


async def test_feedback_is_taken_without_waiting_for_the_database(house: House) -> None:
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    await house.rows("issued_card", 1)
    restarted = house.new_ledger()
    restarted.feedback(TENANT, "order-triage", [entry(issued)])
    assert "feedback:overridden" not in house.counts
    await restarted.close()
    assert house.counts == {"feedback:overridden": 1}


async def test_row_44_feedback_that_cannot_be_kept_is_refused_with_503(tmp_path: Path) -> None:
    house = House(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path)
    house.gateway._spool.failed = True
    with pytest.raises(Unavailable) as refused:
        house.ledger.feedback(TENANT, "order-triage", [entry("x")])
    assert refused.value.status == 503
    await house.gateway.close()


async def test_a_time_of_the_future_counts_as_now(house: House) -> None:
    issued = card(finding())
    house.ledger.issue(TENANT, call(), [issued])
    late = entry(issued, timestamp=house.clock.moment + timedelta(days=400))
    await house.ledger.settle(TENANT, "order-triage", [late])
    (row,) = await house.rows("feedback", 1)
    assert row["outcome_at"] == row["received_at"] == START * 1000
