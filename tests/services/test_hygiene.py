"""Quietness: only for the same user, only after their own override or acceptance, never for critical findings."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.db.breaker import Breaker
from cds_service.encryption import Cipher
from cds_service.hooks.ledger import Ledger
from cds_service.rules.catalogue import Finding, Severity
from cds_service.services.hygiene import WINDOWS, Hushed, Hygiene, Quiet, finding_key, who
from cds_service.services.showing import Showing
from tests.db import postgres as fixtures
from tests.hooks.ledger_fixtures import CLIENT, PATIENT, TENANT, USER, House, call, card, entry, finding, soon

database_url, postgres = fixtures.database_url, fixtures.postgres
HIGH = finding()


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    made = House(database_url, tmp_path)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def dealt_with(house: House, *findings: Finding, outcome: str = "overridden", **members: Any) -> None:
    """A card with these findings was shown to USER about PATIENT, who answered it."""
    shown = card(*findings)
    house.ledger.issue(TENANT, call(), [shown])
    await house.ledger.settle(TENANT, "order-triage", [entry(shown, outcome, **members)])


async def hidden(
    hygiene: Hygiene, what: Finding, client: str = TENANT, user: str = USER, patient: str = PATIENT
) -> bool:
    return (await hygiene.load(client, user, patient, soon())).hides(what)


@pytest.mark.parametrize("outcome", ["overridden", "accepted"])
async def test_a_finding_goes_quiet_after_the_users_own_answer(house: House, outcome: str) -> None:
    assert not await hidden(house.hygiene, HIGH)
    await dealt_with(house, HIGH, outcome=outcome)
    assert await hidden(house.hygiene, HIGH)


async def test_having_been_shown_is_not_having_been_acknowledged(house: House) -> None:
    house.ledger.issue(TENANT, call(), [card(HIGH)])
    assert not await hidden(house.hygiene, HIGH)


@pytest.mark.parametrize(
    "other",
    [
        {"user": "Practitioner/8"},
        {"patient": "another"},
        {"client": "https://other.example.org"},
        {"client": f"{CLIENT}\nanother ward"},
        {"client": CLIENT},
    ],
)
async def test_it_stays_loud_for_everybody_else_and_for_other_patients(house: House, other: dict[str, str]) -> None:
    await dealt_with(house, HIGH)
    assert not await hidden(house.hygiene, HIGH, **other)


@pytest.mark.parametrize(
    ("tenant", "user", "quiet"),
    [
        (TENANT, USER, True),
        (f"{CLIENT}\nanother ward", USER, False),
        ("", USER, False),
        (TENANT, "Practitioner/8", False),
    ],
)
async def test_an_override_quiets_the_same_user_of_the_same_tenant_and_nobody_else(
    house: House, tenant: str, user: str, quiet: bool
) -> None:
    await dealt_with(house, HIGH)
    shown = await Showing(house.hygiene, {}, ZoneInfo("UTC")).choose(
        replace(call(tenant=tenant, user=user), deadline=soon()), [HIGH]
    )
    assert shown.quiet == (("potassium-raas",) if quiet else ())
    assert shown.findings == ([] if quiet else [HIGH])


@pytest.mark.parametrize("missing", [{"user": ""}, {"patient": ""}])
async def test_without_a_user_or_a_patient_nothing_goes_quiet(house: House, missing: dict[str, str]) -> None:
    shown = card(HIGH)
    house.ledger.issue(TENANT, call(**missing), [shown])
    await house.ledger.settle(TENANT, "order-triage", [entry(shown)])
    assert not await hidden(house.hygiene, HIGH, **missing)


async def test_it_fires_again_when_the_value_is_worse_and_not_when_it_is_better(house: House) -> None:
    await dealt_with(house, finding(worse=5.9))
    assert await hidden(house.hygiene, finding(worse=5.9))
    assert await hidden(house.hygiene, finding(worse=5.7))
    assert not await hidden(house.hygiene, finding(worse=6.0))
    assert not await hidden(house.hygiene, finding(worse=float("nan")))


async def test_critical_findings_are_never_quiet(house: House) -> None:
    await dealt_with(house, finding(severity=Severity.CRITICAL))
    assert not await hidden(house.hygiene, finding(severity=Severity.CRITICAL))
    assert not await hidden(house.hygiene, finding(severity=Severity.WARNING))
    await dealt_with(house, finding(severity=Severity.WARNING))
    assert not await hidden(house.hygiene, finding(severity=Severity.CRITICAL))


async def test_other_conclusions_of_the_same_rule_stay_loud(house: House) -> None:
    await dealt_with(house, HIGH)
    assert not await hidden(house.hygiene, finding(key="another drug"))
    assert not await hidden(house.hygiene, finding(topic="another"))


async def test_it_fires_again_after_the_window(house: House) -> None:
    await dealt_with(house, HIGH)
    house.clock.now += WINDOWS["overridden"].total_seconds() - 1
    assert await hidden(house.hygiene, HIGH)
    house.clock.now += 2
    assert not await hidden(house.hygiene, HIGH)


async def test_the_window_runs_from_the_answer_and_not_from_its_arrival(house: House) -> None:
    await dealt_with(house, HIGH, timestamp=house.clock.moment - timedelta(hours=23))
    assert await hidden(house.hygiene, HIGH)
    house.clock.now += 3700
    assert not await hidden(house.hygiene, HIGH)


async def test_an_answer_that_arrives_after_its_window_quiets_nothing(house: House) -> None:
    await dealt_with(house, HIGH, timestamp=house.clock.moment - timedelta(days=3))
    assert not await hidden(house.hygiene, HIGH)


async def test_it_is_still_quiet_after_a_restart(house: House) -> None:
    await dealt_with(house, HIGH)
    await house.rows("quiet", 1)
    restarted = house.new_hygiene()
    await restarted.start(soon())
    assert await hidden(restarted, HIGH)


@pytest.mark.integration
async def test_another_replica_keeps_quiet_too(postgres: fixtures.Cluster, tmp_path: Path) -> None:
    house = House(postgres.database(), tmp_path)
    await house.gateway.start()
    await dealt_with(house, HIGH)
    await house.rows("quiet", 1)
    assert await hidden(house.new_hygiene(), HIGH)
    await house.gateway.close()


@pytest.mark.integration
async def test_when_the_shared_database_does_not_answer_nothing_is_hidden(
    postgres: fixtures.Cluster, tmp_path: Path
) -> None:
    house = House(postgres.database(), tmp_path)
    await house.gateway.start()
    await dealt_with(house, HIGH)
    house.gateway.breaker = Breaker(failures=1, rest=60)
    house.gateway.breaker.failed()
    assert not await hidden(house.hygiene, HIGH)
    await house.gateway.close()


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.CRITICAL])
async def test_the_tables_say_of_nobody_what_was_found_in_them_nor_at_which_value(
    house: House, severity: Severity
) -> None:
    await dealt_with(house, finding(severity=severity, worse=28.625))
    rows = [*await house.rows("quiet", 1), *await house.rows("issued_card", 1)]
    forms = ("28.625", repr(struct.pack(">d", 28.625))[2:-1])
    for row in rows:
        row.pop("rules", None), row.pop("client", None)
        assert not any(word in repr(row) for word in (USER, PATIENT, "potassium", CLIENT, *forms))


async def test_a_row_that_does_not_open_hides_nothing(house: House) -> None:
    await dealt_with(house, HIGH)
    person = who(house.cipher, TENANT, USER, PATIENT)
    copied = Hushed(finding_key(house.cipher, person, "potassiumraas", "potassium"), b"copied from elsewhere", 2**50)
    quiet = Quiet(house.cipher, person, {copied.finding: copied}, 0)
    assert not quiet.hides(HIGH)


async def test_a_card_whose_findings_do_not_open_keeps_the_feedback_and_quiets_nothing(house: House) -> None:
    shown = card(HIGH)
    house.ledger.issue(TENANT, call(), [shown])
    await house.rows("issued_card", 1)
    rekeyed = Ledger(house.gateway, Cipher([b"n" * 32]), house.hygiene, clock=house.clock)
    await rekeyed.settle(TENANT, "order-triage", [entry(shown)])
    (row,) = await house.rows("feedback", 1)
    assert row["known"]
    assert not await hidden(house.hygiene, HIGH)


@given(
    then=st.floats(allow_nan=False, allow_infinity=False),
    now=st.floats(allow_nan=False, allow_infinity=False),
    severity=st.sampled_from(list(Severity)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_worse_is_never_hidden(tmp_path: Path, then: float, now: float, severity: Severity) -> None:
    async def ask() -> bool:
        house = House(f"sqlite:///{tmp_path / 'unused.sqlite3'}", tmp_path)
        await dealt_with(house, finding(worse=then))
        found = await hidden(house.hygiene, finding(worse=now, severity=severity))
        await house.gateway.close(grace=0)
        return found

    assert asyncio.run(ask()) == (now <= then and severity is not Severity.CRITICAL)
