"""Alert hygiene (DESIGN §5.3): what a user overrode or accepted goes quiet, for that user and patient, for a while.

A finding is hidden only from the user who was shown it and then overrode or accepted its card; having been shown is not
having been acknowledged. It fires again when its value is worse than it was then, and after a window. Critical findings
are never hidden. Without a user or a patient nobody can be recognised again, and without the store nothing is known: in
both cases everything is shown. Only keyed hashes are kept, so the table says of nobody what was found in them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import quiet as quiet_table
from cds_service.encryption import Cipher
from cds_service.rules.catalogue import Finding, Severity

WINDOWS: Mapping[str, timedelta] = {"overridden": timedelta(hours=24), "accepted": timedelta(hours=24)}
MOST = 50_000  # users beside patients in memory
FRESH_S = 5.0  # how long a look into a database that others write to is believed
PATIENCE_S = 0.05  # most such a look may take


class Hushed(NamedTuple):
    """A finding that went quiet: its keyed hash, how bad it was then, when it may fire again (milliseconds, UTC)."""

    finding: str
    worse: float
    until: int


class Quiet:
    """What is quiet for one user and patient at one moment."""

    __slots__ = ("_cipher", "_hushed", "_now", "_who")

    def __init__(self, cipher: Cipher, who: str, hushed: Mapping[str, Hushed], now: int) -> None:
        self._cipher = cipher
        self._who = who
        self._hushed = hushed
        self._now = now

    def hides(self, finding: Finding) -> bool:
        """True when this user has dealt with this finding, it is no worse than then, and the window is still open."""
        if not self._hushed or finding.severity is Severity.CRITICAL:
            return False
        hushed = self._hushed.get(finding_key(self._cipher, self._who, finding.rule.topic, finding.key))
        return hushed is not None and self._now < hushed.until and finding.worse <= hushed.worse


def who(cipher: Cipher, client: str, user: str, patient: str) -> str:
    """Keyed hash of one user of one client looking at one patient; '' when one of them is not named."""
    return cipher.pseudonym("who", client, user, patient) if user and patient else ""


def finding_key(cipher: Cipher, person: str, topic: str, key: str) -> str:
    """Keyed hash of one conclusion of one rule about the patient behind ``person`` (of ``who``)."""
    return cipher.pseudonym("finding", person, topic, key)


def quietable(findings: Iterable[Finding]) -> tuple[tuple[str, str, float], ...]:
    """What an IssuedCard remembers so that an override can quiet it: (topic, key, worse), none of them critical."""
    parts = [part for finding in findings for part in finding.parts]
    return tuple([(f.rule.topic, f.key, f.worse) for f in parts if f.severity is not Severity.CRITICAL])


class Hygiene:
    """Who dealt with what. The embedded database is read once, at the start; a shared one under the call's deadline."""

    def __init__(
        self,
        gateway: Gateway,
        cipher: Cipher,
        *,
        windows: Mapping[str, timedelta] = WINDOWS,
        clock: Callable[[], float] = time.time,
        most: int = MOST,
    ) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._windows = {outcome: int(window.total_seconds() * 1000) for outcome, window in windows.items()}
        self._clock = clock
        self._most = most
        self._known: OrderedDict[str, dict[str, Hushed]] = OrderedDict()
        self._read_at: dict[str, float] = {}

    async def start(self, deadline: float) -> None:
        """Take over what the embedded database holds; the newest come in if there are too many."""
        if self._gateway.shared:
            return
        table = quiet_table.c
        columns = (table.who, table.finding, table.worse, table.until)
        statement = select(*columns).where(table.until > self._now()).order_by(table.until.desc()).limit(self._most)
        rows = await self._gateway.run(lambda connection: connection.execute(statement).all(), deadline=deadline)
        for person, finding, worse, until in reversed(rows):
            self._remember(person, [Hushed(finding, worse, until)])

    async def load(self, client: str, user: str, patient: str, deadline: float) -> Quiet:
        """What is quiet for this user and patient. When the store does not answer in time: nothing."""
        person = who(self._cipher, client, user, patient)
        if not person:
            return Quiet(self._cipher, "", {}, 0)
        if self._gateway.shared and not await self._refresh(person, deadline):
            return Quiet(self._cipher, person, {}, 0)
        return Quiet(self._cipher, person, self._known.get(person, {}), self._now())

    def quieten(
        self, person: str, findings: Sequence[tuple[str, float]], outcome: str, outcome_at: int, now: int
    ) -> None:
        """A user has overridden or accepted a card that showed these (finding hash, worse), at ``outcome_at`` (ms)."""
        until = min(outcome_at, now) + self._windows.get(outcome, 0)
        if not person or until <= now:
            return
        hushed = [Hushed(finding, worse, until) for finding, worse in findings]
        self._remember(person, hushed)
        for finding, worse, _ in hushed:
            row = {"who": person, "finding": finding, "worse": worse, "outcome": outcome, "until": until}
            self._gateway.later("quiet", row)

    async def _refresh(self, person: str, deadline: float) -> bool:
        """Read what all replicas know of a person; False when that was not possible."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at.get(person, -FRESH_S) < FRESH_S:
            return True
        table = quiet_table.c
        statement = select(table.finding, table.worse, table.until).where(table.who == person)

        def rows(connection: Connection) -> list[Hushed]:
            return [Hushed(*row) for row in connection.execute(statement)]

        try:
            found = await self._gateway.run(rows, deadline=min(deadline, now + PATIENCE_S), single=True)
        except DatabaseUnavailable:
            return False
        self._remember(person, found)
        if len(self._read_at) >= self._most:
            self._read_at.clear()
        self._read_at[person] = now
        return True

    def _remember(self, person: str, hushed: Iterable[Hushed]) -> None:
        entries = self._known.pop(person, {})
        for each in hushed:
            old = entries.get(each.finding)
            if old is None or each.until >= old.until:
                entries[each.finding] = each
        if entries:
            self._known[person] = entries
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _now(self) -> int:
        return int(self._clock() * 1000)
