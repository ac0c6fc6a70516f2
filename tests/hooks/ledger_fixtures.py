"""A small house around the ledger, and calls, findings and feedback as the other rooms make them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from cds_service.db import models
from cds_service.db.gateway import Gateway
from cds_service.encryption import Cipher
from cds_service.hooks.clients.profiles import Profile
from cds_service.hooks.ledger import Ledger
from cds_service.hooks.protocol import Context, FeedbackEntry, HookRequest
from cds_service.rules.catalogue import Finding, Rule, Scope, Severity, Source
from cds_service.services.hygiene import Hygiene, critical, quietable
from cds_service.services.service import Call, IssuedCard

CLIENT, TENANT = "https://ehr.example.org", "https://ehr.example.org\nward"
USER, PATIENT = "Practitioner/7", "demo-hyperkalaemia"
START = 1_790_000_000.0


class Clock:
    """Wall time that tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    @property
    def moment(self) -> datetime:
        """The same, aware."""
        return datetime.fromtimestamp(self.now, UTC)


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


def call(*, client: str = CLIENT, tenant: str = TENANT, user: str = USER, patient: str = PATIENT) -> Call:
    context = Context(patientId=patient, userId=user)
    return Call(
        request=HookRequest(hook="order-sign", hookInstance=str(uuid4()), context=context),
        profile=Profile(name="spec", deadline_ms={"default": 500}),
        client=client,
        tenant=tenant,
        now=datetime.fromtimestamp(START, UTC),
        deadline=0.0,
    )


def finding(
    *, key: str = "potassium", severity: Severity = Severity.WARNING, worse: float = 5.9, topic: str = "potassiumraas"
) -> Finding:
    rule = Rule(
        id="potassium-raas",
        topic=topic,
        title="Potassium and RAAS",
        version="1",
        scope=Scope.RECORD,
        severity=severity,
        sources=(Source(label="label", edition="2026"),),
    )
    return Finding(rule=rule, key=key, severity=severity, summary="Potassium is high", worse=worse)


def card(*findings: Finding, **members: Any) -> IssuedCard:
    given: dict[str, Any] = {
        "uuid": str(uuid4()),
        "service": "order-triage",
        "rules": tuple(f"{f.rule.id}@{f.rule.version}" for f in findings),
        "indicator": "warning",
        "findings": quietable(findings),
        "critical": critical(findings),
    }
    return IssuedCard(**given | members)


def entry(issued: IssuedCard | str, outcome: Any = "overridden", **members: Any) -> FeedbackEntry:
    return FeedbackEntry(card=issued if isinstance(issued, str) else issued.uuid, outcome=outcome, **members)


class House:
    """What the ledger lives in."""

    def __init__(self, url: str, folder: Path) -> None:
        self.clock = Clock()
        self.gateway = Gateway(url, folder)
        self.cipher = Cipher([b"k" * 32])
        self.counts: dict[str, int] = {}
        self.hygiene = Hygiene(self.gateway, self.cipher, clock=self.clock)
        self.ledger = self.new_ledger()

    def new_ledger(self) -> Ledger:
        """A ledger as after a restart: nothing in memory."""
        return Ledger(
            self.gateway, self.cipher, self.hygiene, pack="sha256:abcdef", count=self._count, clock=self.clock
        )

    def new_hygiene(self) -> Hygiene:
        """Hygiene as after a restart."""
        return Hygiene(self.gateway, self.cipher, clock=self.clock)

    async def rows(self, table: str, at_least: int = 0) -> list[dict[str, Any]]:
        """The rows of a table once there are so many and nothing is queued."""
        statement = select(models.metadata.tables[table])
        for _ in range(150):
            found = await self.gateway.run(lambda c: list(c.execute(statement).mappings()), deadline=soon())
            if len(found) >= at_least and self.gateway.depth == 0:
                return [dict(row) for row in found]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{table} never held {at_least} rows")

    def _count(self, name: str, n: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + n
