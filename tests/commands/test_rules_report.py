"""The per-rule report counts what users did with the cards a rule spoke on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cds_service.audit import Audit
from cds_service.commands.rules_report import REVIEW_FIRES, RuleReport, report
from cds_service.hooks.protocol import Coding
from tests.db import postgres as fixtures
from tests.hooks.ledger_fixtures import START, TENANT, House, call, card, entry, soon

database_url, postgres = fixtures.database_url, fixtures.postgres


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    made = House(database_url, tmp_path)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def rows(house: House, since: int = 0, until: int = 2**62) -> dict[str, RuleReport]:
    return {row.rule: row for row in await house.gateway.run(lambda c: report(c, since, until), deadline=soon())}


def reason(code: str) -> Coding:
    return Coding(code=code, system="urn:x", display=code.title())


async def test_fires_answers_and_reasons_are_counted_for_every_rule_of_a_card(house: House) -> None:
    first, second, third = card(rules=("a@1", "b@1")), card(rules=("a@2",)), card(rules=("a@2",))
    house.ledger.issue(TENANT, call(), [first, second, third])
    house.clock.now += 30
    await house.ledger.settle(
        TENANT,
        "order-triage",
        [entry(first, reasons=(reason("will-monitor"),)), entry(second, "accepted"), entry("unknown")],
    )
    await house.rows("feedback", 2)
    found = await rows(house)
    assert (found["a"].fired, found["a"].accepted, found["a"].overridden) == (3, 1, 1)
    assert (found["b"].fired, found["b"].accepted, found["b"].overridden) == (1, 0, 1)
    assert found["a"].reasons == found["b"].reasons == {"will-monitor": 1}
    assert found["a"].versions == {"1": 1, "2": 2}
    assert (found["a"].rate, found["b"].rate, found["a"].seconds) == (0.5, 1.0, 30.0)


async def test_a_rule_nobody_answered_has_no_rate(house: House) -> None:
    house.ledger.issue(TENANT, call(), [card(rules=("a@1",))])
    await house.rows("issued_card", 1)
    found = (await rows(house))["a"]
    assert (found.fired, found.rate, found.seconds, found.review) == (1, None, None, False)


async def test_the_last_outcome_of_a_card_counts(house: House) -> None:
    issued = card(rules=("a@1",))
    house.ledger.issue(TENANT, call(), [issued])
    await house.ledger.settle(TENANT, "order-triage", [entry(issued)])
    house.clock.now += 5
    await house.ledger.settle(TENANT, "order-triage", [entry(issued, "accepted")])
    await house.rows("feedback", 2)
    found = (await rows(house))["a"]
    assert (found.accepted, found.overridden, found.reasons) == (1, 0, {})


async def test_only_cards_of_the_time_asked_for_count(house: House) -> None:
    house.ledger.issue(TENANT, call(), [card(rules=("a@1",))])
    house.clock.now += 3600
    house.ledger.issue(TENANT, call(), [card(rules=("b@1",))])
    await house.rows("issued_card", 2)
    middle = int(START * 1000) + 1_800_000
    assert set(await rows(house, since=middle)) == {"b"}
    assert set(await rows(house, until=middle)) == {"a"}


async def test_a_rule_in_shadow_is_reported_from_the_audit_trail(house: House) -> None:
    audit = Audit(house.gateway, house.cipher, clock=house.clock)
    for _ in range(3):
        audit.write("hook", service="patient-summary", notes=["shadow:quiet-rule", "absent:Observation"])
    await house.rows("audit_event", 3)
    found = await rows(house)
    assert (found["quiet-rule"].shadow, found["quiet-rule"].fired) == (3, 0)


@pytest.mark.parametrize(
    ("fired", "overridden", "accepted", "review"),
    [
        (REVIEW_FIRES, 19, 1, True),
        (REVIEW_FIRES, 9, 1, False),
        (REVIEW_FIRES - 1, 20, 0, False),
        (REVIEW_FIRES, 0, 0, False),
    ],
)
def test_a_rule_that_is_nearly_always_overridden_is_put_up_for_review(
    fired: int, overridden: int, accepted: int, review: bool
) -> None:
    row = RuleReport(rule="a", fired=fired, overridden=overridden, accepted=accepted)
    assert row.review is review
