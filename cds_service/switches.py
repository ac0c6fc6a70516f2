"""Switches off / shadow / on for services, rules and the AI part, at run time. Every change is audited with it.

A switch is named ``ai``, ``service:ID`` or ``rule:ID``. The hot path reads plain dicts; each process reads the table
every few seconds, so that a change made by a replica or by the command line is soon in force everywhere. While the
database does not answer the states last read stay in force.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, select

from cds_service import audit
from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import audit_event
from cds_service.db.models import switch as switch_table
from cds_service.db.writer import replacing
from cds_service.errors import BadRequest
from cds_service.rules.catalogue import Switch

POLL_S = 3.0
AI = "ai"
_NAME = re.compile(r"ai|service:[a-z0-9-]{1,80}|rule:[A-Za-z0-9_.-]{1,80}")


def read(connection: Connection) -> dict[str, Switch]:
    """All switches that were ever set, by name."""
    rows = connection.execute(select(switch_table.c.name, switch_table.c.state))
    return {name: Switch(state) for name, state in rows if state in tuple(Switch)}


def write(connection: Connection, name: str, state: Switch, by: str, moment: float) -> None:
    """Set a switch and record who did so, in one transaction. ``moment`` is in seconds since 1970."""
    if not _NAME.fullmatch(name):
        raise BadRequest("a switch is named ai, service:ID or rule:ID")
    row = {"name": name, "state": state.value, "changed_by": by, "changed_at": int(moment * 1000)}
    connection.execute(replacing(switch_table, connection.dialect.name), row)
    event = {"event": "switch", "switch": name, "state": state.value, "by": audit.client_name(by)}
    connection.execute(insert(audit_event), audit.row(event, moment))


class Switches:
    """The switches in force in this process. ``start`` before use, ``close`` when done."""

    def __init__(self, gateway: Gateway, *, clock: Callable[[], float] = time.time, poll_s: float = POLL_S) -> None:
        self._gateway = gateway
        self._clock = clock
        self._poll_s = poll_s
        self._services: dict[str, Switch] = {}
        self._rules: dict[str, Switch] = {}
        self.ai = Switch.ON
        self._polling: asyncio.Task[None] | None = None

    def service(self, service_id: str) -> Switch:
        """State of a service; on unless it was switched."""
        return self._services.get(service_id, Switch.ON)

    def rule(self, rule_id: str, default: Switch = Switch.ON) -> Switch:
        """State of a rule; ``default`` (the rule pack's) unless it was switched at run time."""
        return self._rules.get(rule_id, default)

    @property
    def rules(self) -> Mapping[str, Switch]:
        """The rules switched at run time; a new mapping after each change."""
        return self._rules

    async def start(self, deadline: float) -> None:
        """Read the switches, then keep reading. Raises when it cannot: what was turned off must not come back on."""
        self._take(await self._gateway.run(read, deadline=deadline))
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def set(self, name: str, state: Switch, by: str, deadline: float) -> None:
        """Set a switch here at once and everywhere within ``POLL_S``. ``by`` is the account of who asked."""

        def change(connection: Connection) -> dict[str, Switch]:
            write(connection, name, state, by, self._clock())
            return read(connection)

        self._take(await self._gateway.run(change, deadline=deadline))

    async def close(self) -> None:
        """Stop reading."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                states = await self._gateway.run(read, deadline=asyncio.get_running_loop().time() + self._poll_s)
            except DatabaseUnavailable:
                continue
            self._take(states)

    def _take(self, states: Mapping[str, Switch]) -> None:
        self._services = _of("service:", states)
        self._rules = _of("rule:", states)
        self.ai = states.get(AI, Switch.ON)


def _of(kind: str, states: Mapping[str, Switch]) -> dict[str, Switch]:
    return {name.removeprefix(kind): state for name, state in states.items() if name.startswith(kind)}
