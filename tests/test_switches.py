"""Switches: changed at run time, seen by every process, audited, and never turned back on by a fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from cds_service import switches
from cds_service.db.breaker import Breaker
from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import audit_event, switch
from cds_service.errors import BadRequest
from cds_service.rules.catalogue import Switch
from cds_service.switches import POLL_S, Switches
from tests.db import postgres as fixtures

database_url, postgres = fixtures.database_url, fixtures.postgres


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway(database_url, tmp_path)
    await made.start()
    yield made
    await made.close()


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def test_what_was_never_switched_has_its_default(gateway: Gateway) -> None:
    here = Switches(gateway)
    await here.start(soon())
    assert (here.ai, here.service("patient-summary"), here.rule("x")) == (Switch.ON, Switch.ON, Switch.ON)
    assert here.rule("x", Switch.SHADOW) is Switch.SHADOW
    await here.close()


@pytest.mark.parametrize("state", list(Switch))
async def test_a_switch_is_in_force_at_once_and_after_a_restart(gateway: Gateway, state: Switch) -> None:
    here = Switches(gateway)
    for name in ("ai", "service:order-triage", "rule:NEWS2"):
        await here.set(name, state, "admin", soon())
    after = Switches(gateway)
    await after.start(soon())
    for seen in (here, after):
        assert (seen.ai, seen.service("order-triage"), seen.rule("NEWS2", Switch.ON)) == (state, state, state)
        assert seen.service("patient-summary") is Switch.ON
    await after.close()


async def test_a_change_by_another_process_is_seen_by_polling(gateway: Gateway) -> None:
    assert POLL_S <= 5
    here = Switches(gateway, poll_s=0.02)
    await here.start(soon())
    change = lambda c: switches.write(c, "rule:x", Switch.OFF, "admin", 1.0)  # noqa: E731
    await gateway.run(change, deadline=soon())
    for _ in range(200):
        if here.rule("x") is Switch.OFF:
            break
        await asyncio.sleep(0.02)
    assert here.rule("x") is Switch.OFF
    await here.close()


async def test_every_change_is_audited_with_who_and_when(gateway: Gateway) -> None:
    here = Switches(gateway, clock=lambda: 1_790_000_000.0)
    await here.set("ai", Switch.OFF, "root@ward", soon())
    await here.set("ai", Switch.ON, "a name with spaces", soon())
    rows = await gateway.run(lambda c: c.execute(select(audit_event)).mappings().all(), deadline=soon())
    events = sorted((json.loads(row["detail"]) for row in rows), key=lambda event: str(event["state"]))
    assert events == [
        {"event": "switch", "switch": "ai", "state": "off", "by": "root@ward"},
        {"event": "switch", "switch": "ai", "state": "on", "by": "withheld"},
    ]
    assert {row["at"] for row in rows} == {1_790_000_000_000}


async def test_a_change_that_cannot_be_audited_does_not_happen(gateway: Gateway) -> None:
    await gateway.run(audit_event.drop, deadline=soon())
    here = Switches(gateway)
    with pytest.raises(Exception, match=r"audit_event|cannot be reached"):
        await here.set("ai", Switch.OFF, "admin", soon())
    await gateway.run(audit_event.create, deadline=soon())
    assert await gateway.run(lambda c: c.execute(select(switch)).all(), deadline=soon()) == []
    assert here.ai is Switch.ON


async def test_while_the_database_is_down_the_last_states_stay_in_force(gateway: Gateway) -> None:
    here = Switches(gateway, poll_s=0.01)
    await here.set("rule:x", Switch.OFF, "admin", soon())
    await here.start(soon())
    gateway.breaker = Breaker(failures=1, rest=60)
    gateway.breaker.failed()
    await asyncio.sleep(0.1)
    assert here.rule("x") is Switch.OFF
    with pytest.raises(DatabaseUnavailable):
        await here.set("rule:x", Switch.ON, "admin", soon())
    assert here.rule("x") is Switch.OFF
    await here.close()


async def test_a_process_that_cannot_read_its_switches_does_not_start(gateway: Gateway) -> None:
    gateway.breaker = Breaker(failures=1, rest=60)
    gateway.breaker.failed()
    with pytest.raises(DatabaseUnavailable):
        await Switches(gateway).start(soon())


@pytest.mark.parametrize("name", ["", "AI", "rules:x", "rule:", "rule:a b", "service:Ärzte", "rule:" + "x" * 200])
async def test_a_name_that_switches_nothing_is_refused(gateway: Gateway, name: str) -> None:
    with pytest.raises(BadRequest, match="service:ID"):
        await Switches(gateway).set(name, Switch.OFF, "admin", soon())
