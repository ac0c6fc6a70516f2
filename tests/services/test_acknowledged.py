"""A critical finding that somebody answered is shown all the same, with when that was and who it was."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from cds_service.db.breaker import Breaker
from cds_service.record.facts import Fact, Order
from cds_service.rules.catalogue import Acknowledged, Finding, Severity
from cds_service.services import layout, priority
from cds_service.services.hygiene import REMEMBERED
from cds_service.services.layout import block
from cds_service.services.raising import Suggested
from cds_service.services.showing import Showing
from cds_service.web.simulator.patients import DemoPatient
from tests.db import postgres as fixtures
from tests.hooks.ledger_fixtures import CLIENT, PATIENT, TENANT, USER, House, call, card, entry, finding, soon
from tests.services import golden_cards

database_url, postgres = fixtures.database_url, fixtures.postgres
UTC = ZoneInfo("UTC")
CRITICAL = finding(severity=Severity.CRITICAL, worse=0.1)
OTHER_USER = "Practitioner/8"


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    made = House(database_url, tmp_path)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def answered(
    house: House, *findings: Finding, user: str = USER, outcome: str = "overridden", **members: Any
) -> None:
    shown = card(*findings)
    house.ledger.issue(TENANT, call(user=user), [shown])
    await house.ledger.settle(TENANT, "order-triage", [entry(shown, outcome, **members)])


async def shown(house: House, what: Finding, hygiene: Any = None, **asked: str) -> Finding:
    """What the layout gets of one critical finding: it is always there."""
    showing = Showing(hygiene or house.hygiene, {}, UTC)
    (found,) = (await showing.choose(replace(call(**asked), deadline=soon()), [what])).findings
    return found


@pytest.mark.parametrize("outcome", ["overridden", "accepted"])
async def test_the_same_user_is_told_that_it_was_you_and_another_who_it_was(house: House, outcome: str) -> None:
    await answered(house, CRITICAL, outcome=outcome)
    at = house.clock.moment
    assert (await shown(house, CRITICAL)).acknowledged == Acknowledged(at=at, mine=True, worse=0.1, by=USER)
    other = await shown(house, CRITICAL, user=OTHER_USER)
    assert other.acknowledged == Acknowledged(at=at, mine=False, worse=0.1, by=USER)


async def test_having_been_shown_is_not_having_been_acknowledged(house: House) -> None:
    house.ledger.issue(TENANT, call(), [card(CRITICAL)])
    assert (await shown(house, CRITICAL)).acknowledged is None


async def test_the_last_answer_counts_whoever_gave_it(house: House) -> None:
    await answered(house, CRITICAL)
    house.clock.now += 600
    await answered(house, CRITICAL, user=OTHER_USER)
    last = (await shown(house, CRITICAL)).acknowledged
    assert last == Acknowledged(at=house.clock.moment, mine=False, worse=0.1, by=OTHER_USER)


@pytest.mark.parametrize(
    "asked",
    [{"patient": "another"}, {"tenant": f"{CLIENT}\nanother ward"}, {"user": ""}, {"patient": ""}],
)
async def test_it_is_told_of_no_other_patient_and_to_no_other_tenant(house: House, asked: dict[str, str]) -> None:
    await answered(house, CRITICAL)
    assert (await shown(house, CRITICAL, **asked)).acknowledged is None


async def test_another_conclusion_and_a_lesser_one_are_not_acknowledged_by_it(house: House) -> None:
    await answered(house, CRITICAL)
    assert (await shown(house, finding(severity=Severity.CRITICAL, key="sodium"))).acknowledged is None
    assert (await shown(house, finding(severity=Severity.WARNING))).acknowledged is None


async def test_an_answer_to_a_warning_acknowledges_no_critical_finding(house: House) -> None:
    await answered(house, finding(severity=Severity.WARNING, worse=0.1))
    assert (await shown(house, CRITICAL)).acknowledged is None


async def test_an_answer_from_before_the_first_critical_result_is_another_story(house: House) -> None:
    await answered(house, CRITICAL)
    began = house.clock.moment + timedelta(minutes=1)
    assert (await shown(house, replace(CRITICAL, since=began))).acknowledged is None
    assert (await shown(house, replace(CRITICAL, since=house.clock.moment))).acknowledged is not None


async def test_it_is_remembered_for_seven_days(house: House) -> None:
    await answered(house, CRITICAL)
    house.clock.now += REMEMBERED.total_seconds() - 1
    assert (await shown(house, CRITICAL)).acknowledged is not None
    house.clock.now += 1
    assert (await shown(house, CRITICAL)).acknowledged is None


async def test_it_is_remembered_across_a_restart_and_by_keyed_hashes_alone(house: House) -> None:
    await answered(house, CRITICAL)
    rows = await house.rows("quiet", 2)
    assert not any(word in repr(rows) for word in (USER, PATIENT, "potassium", CLIENT))
    restarted = house.new_hygiene()
    await restarted.start(soon())
    found = (await shown(house, CRITICAL, restarted)).acknowledged
    assert found is not None
    assert found.mine


@pytest.mark.integration
async def test_another_replica_knows_it_and_a_database_that_does_not_answer_hides_nothing(
    postgres: fixtures.Cluster, tmp_path: Path
) -> None:
    house = House(postgres.database(), tmp_path)
    await house.gateway.start()
    await answered(house, CRITICAL)
    await house.rows("quiet", 2)
    found = (await shown(house, CRITICAL, house.new_hygiene(), user=OTHER_USER)).acknowledged
    assert found is not None
    assert not found.mine
    house.gateway.breaker = Breaker(failures=1, rest=60)
    house.gateway.breaker.failed()
    assert (await shown(house, CRITICAL, house.new_hygiene())).acknowledged is None
    await house.gateway.close()


def printed(house: House, *, mine: bool = True, worse: float = 0.1, minutes: float = -10) -> str:
    """The card's text; ``minutes``: when the newest result is from, seen from the answer."""
    at = house.clock.moment
    result = Fact(number=1, reference="Observation/k1", label="Potassium", time=at + timedelta(minutes=minutes))
    found = replace(
        CRITICAL,
        worse=worse,
        facts=(result,),
        acknowledged=Acknowledged(at, mine=mine, worse=0.1, by="Practitioner/a-7"),
    )
    return block(found, UTC)


async def test_the_card_says_when_and_by_whom_and_what_has_changed_since(house: House) -> None:
    at = f"{house.clock.moment:%Y-%m-%d %H:%M}"
    assert f"Acknowledged {at} by you." in printed(house)
    assert f"Acknowledged {at} by another user (Practitioner/a-7)." in printed(house, mine=False)
    assert f"Acknowledged {at} by you; a newer result came since." in printed(house, minutes=5)
    assert f"Acknowledged {at} by you; it is worse than it was then." in printed(house, worse=0.2)
    assert "by you; a newer result came since; it is worse than it was then." in printed(house, minutes=5, worse=0.2)


def child() -> DemoPatient:
    return next(patient for patient in golden_cards.patients() if patient.id == "demo-child")


async def test_through_the_service_an_overridden_critical_card_comes_back_marked() -> None:
    with golden_cards.service() as client:
        (card, *_) = (await golden_cards.answer(client, child(), "order-sign"))["cards"]
        assert card["indicator"] == "critical"
        assert "Acknowledged" not in card["detail"]
        answer = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": datetime.now(tz=UTC).isoformat()}
        assert client.post("/cds-services/order-triage/feedback", json={"feedback": [answer]}).status_code == 200
        for _ in range(100):  # feedback is matched off the request path
            (again, *_) = (await golden_cards.answer(client, child(), "order-sign"))["cards"]
            if "Acknowledged" in again["detail"]:
                break
            await asyncio.sleep(0.05)
        assert again["summary"] == card["summary"]
        assert re.search(r"Acknowledged \d{4}-\d\d-\d\d \d\d:\d\d by you", again["detail"])


def test_an_answer_to_a_suggested_priority_acknowledges_nothing() -> None:
    sheet = layout.Sheet(service="order-triage", profile=call().profile, zone=UTC, override_displays=defaultdict(str))
    order = Order(
        number=2, reference="ServiceRequest/1", label="Repeat potassium", resource_type="ServiceRequest",
        priority="routine", raw=b"{}",
    )  # fmt: skip
    laid = priority.card([Suggested(order=order, priority="urgent", floor="urgent", findings=(CRITICAL,))], sheet, {})
    assert laid is not None
    assert laid.issued.critical == ()
