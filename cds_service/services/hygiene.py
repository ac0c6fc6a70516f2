"""Alert hygiene: what a user overrode or accepted goes quiet, for that user and patient, for a while.

A finding is hidden only from the user who was shown it and then overrode or accepted its card; having been shown is not
having been acknowledged. It fires again when its value is worse than it was then, and after a window. Critical findings
are never hidden; that a user answered a card with one is remembered per patient, so that a repeat can say when that was
and who it was. Without a user or a patient nobody can be recognised again, and without the store nothing is known: in
both cases everything is shown. Keyed hashes are kept, and sealed what a finding stood at and who answered it: the table
says of nobody what was found in them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import quiet as quiet_table
from cds_service.encryption import Cipher, Unsealable
from cds_service.rules.catalogue import Acknowledged, Finding, Severity
from cds_service.telemetry import log

WINDOWS: Mapping[str, timedelta] = {"overridden": timedelta(hours=24), "accepted": timedelta(hours=24)}
REMEMBERED = timedelta(days=7)  # how long an answer to a critical finding is remembered
MOST = 50_000  # users beside patients in memory
FRESH_S = 5.0  # how long a look into a database that others write to is believed
PATIENCE_S = 0.05  # most such a look may take
_log = log(__name__)


class Hushed(NamedTuple):
    """A finding that went quiet: its keyed hash, how it stood then (``Then``, sealed), when it may fire again (ms, UTC)."""

    finding: str
    sealed: bytes
    until: int


class Then(Struct, frozen=True, array_like=True):
    """How a finding stood when a user dealt with it: how bad it was; of an answered critical one, who that was."""

    worse: float
    by: str = ""  # the user as the client names it: 'Practitioner/7'


_encode = msgspec.msgpack.Encoder().encode  # unlike JSON it has infinities
_then = msgspec.msgpack.Decoder(Then).decode


class Quiet:
    """What is quiet for one user and patient at one moment, and what anybody answered about this patient."""

    __slots__ = ("_answered", "_cipher", "_hushed", "_now", "_who", "_whose")

    def __init__(
        self,
        cipher: Cipher,
        who: str,
        hushed: Mapping[str, Hushed],
        now: int,
        whose: str = "",
        answered: Mapping[str, Hushed] | None = None,
    ) -> None:
        self._cipher = cipher
        self._who = who
        self._hushed = hushed
        self._now = now
        self._whose = whose
        self._answered = answered or {}

    def hides(self, finding: Finding) -> bool:
        """True when this user has dealt with this finding, it is no worse than then, and the window is still open."""
        if not self._hushed or finding.severity is Severity.CRITICAL:
            return False
        hushed = self._hushed.get(finding_key(self._cipher, self._who, finding.rule.topic, finding.key))
        if hushed is None or self._now >= hushed.until:
            return False
        then = self._opened(self._who, hushed)
        return then is not None and finding.worse <= then.worse

    def acknowledged(self, finding: Finding) -> Acknowledged | None:
        """The last answer to a critical finding about this patient. One from before its first result is another story."""
        if not self._answered or finding.severity is not Severity.CRITICAL:
            return None
        topic, key = finding.rule.topic, finding.key
        last = self._answered.get(answer_key(self._cipher, self._whose, topic, key))
        if last is None or self._now >= last.until:
            return None
        at = datetime.fromtimestamp(last.until / 1000, UTC) - REMEMBERED
        if finding.since is not None and at < finding.since:
            return None
        then = self._opened(self._whose, last)
        own = self._hushed.get(answer_key(self._cipher, self._who, topic, key))
        mine = own is not None and own.until == last.until
        return Acknowledged(at=at, mine=mine, worse=then.worse, by=then.by) if then is not None else None

    def _opened(self, owner: str, hushed: Hushed) -> Then | None:
        """How it stood then; None, and said in the log, when it does not open: as if nobody had answered."""
        try:
            return _then(self._cipher.unseal(hushed.sealed, _place(owner, hushed.finding)))
        except (Unsealable, msgspec.DecodeError) as fault:
            _log.error("what a user answered could not be opened", exc_info=fault)
            return None


def who(cipher: Cipher, client: str, user: str, patient: str) -> str:
    """Keyed hash of one user of one client looking at one patient; '' when one of them is not named."""
    return cipher.pseudonym("who", client, user, patient) if user and patient else ""


def finding_key(cipher: Cipher, person: str, topic: str, key: str) -> str:
    """Keyed hash of one conclusion of one rule about the patient behind ``person`` (of ``who``)."""
    return cipher.pseudonym("finding", person, topic, key)


def whose(cipher: Cipher, client: str, patient: str) -> str:
    """Keyed hash of one patient of one client, whoever looks; '' without a patient."""
    return cipher.pseudonym("whose", client, patient) if patient else ""


def answer_key(cipher: Cipher, person: str, topic: str, key: str) -> str:
    """Keyed hash of a critical conclusion a user answered; ``person`` of ``who`` or ``whose``. Never that of quietness."""
    return cipher.pseudonym("answered", person, topic, key)


def _place(owner: str, finding: str) -> bytes:
    """What a sealed ``Then`` belongs to: copied to another row it does not open."""
    return f"quiet {owner} {finding}".encode()


def quietable(findings: Iterable[Finding]) -> tuple[tuple[str, str, float], ...]:
    """What an IssuedCard remembers so that an override can quiet it: (topic, key, worse), none of them critical."""
    parts = [part for finding in findings for part in finding.parts]
    return tuple([(f.rule.topic, f.key, f.worse) for f in parts if f.severity is not Severity.CRITICAL])


def critical(findings: Iterable[Finding]) -> tuple[tuple[str, str, float], ...]:
    """What an IssuedCard remembers of critical findings so that an answer can be shown: (topic, key, worse)."""
    parts = [part for finding in findings for part in finding.parts]
    return tuple([(f.rule.topic, f.key, f.worse) for f in parts if f.severity is Severity.CRITICAL])


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
        columns = (table.who, table.finding, table.sealed, table.until)
        statement = select(*columns).where(table.until > self._now()).order_by(table.until.desc()).limit(self._most)
        rows = await self._gateway.run(lambda connection: connection.execute(statement).all(), deadline=deadline)
        for person, finding, sealed, until in reversed(rows):
            self._remember(person, [Hushed(finding, sealed, until)])

    async def load(self, client: str, user: str, patient: str, deadline: float) -> Quiet:
        """What is quiet for this user and patient. When the store does not answer in time: nothing."""
        person = who(self._cipher, client, user, patient)
        if not person:
            return Quiet(self._cipher, "", {}, 0)
        about = whose(self._cipher, client, patient)
        if self._gateway.shared and not await self._refresh(person, about, deadline):
            return Quiet(self._cipher, person, {}, 0)
        known = self._known
        return Quiet(self._cipher, person, known.get(person, {}), self._now(), about, known.get(about))

    def quieten(
        self, person: str, findings: Sequence[tuple[str, float]], outcome: str, outcome_at: int, now: int
    ) -> None:
        """A user has overridden or accepted a card that showed these (finding hash, worse), at ``outcome_at`` (ms)."""
        until = min(outcome_at, now) + self._windows.get(outcome, 0)
        if person and until > now:
            self._keep(person, {finding: Then(worse) for finding, worse in findings}, outcome, until)

    def acknowledge(
        self,
        person: str,
        about: str,
        by: str,
        findings: Sequence[tuple[str, str, float]],
        outcome: str,
        outcome_at: int,
        now: int,
    ) -> None:
        """``by`` has answered a card with these critical ones: (hash for the user, for the patient, worse)."""
        until = min(outcome_at, now) + int(REMEMBERED.total_seconds() * 1000)
        if not (person and about) or until <= now:
            return
        self._keep(person, {own: Then(worse, by) for own, _, worse in findings}, outcome, until)
        self._keep(about, {shared: Then(worse, by) for _, shared, worse in findings}, outcome, until)

    def _keep(self, owner: str, findings: Mapping[str, Then], outcome: str, until: int) -> None:
        for finding, then in findings.items():
            sealed = self._cipher.seal(_encode(then), _place(owner, finding))
            self._remember(owner, [Hushed(finding, sealed, until)])
            row = {"who": owner, "finding": finding, "sealed": sealed, "outcome": outcome, "until": until}
            self._gateway.later("quiet", row)

    async def _refresh(self, person: str, about: str, deadline: float) -> bool:
        """Read what all replicas know of a user at a patient, and of the patient; False when that was not possible."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at.get(person, -FRESH_S) < FRESH_S:
            return True
        table = quiet_table.c
        columns = (table.who, table.finding, table.sealed, table.until)
        statement = select(*columns).where(table.who.in_((person, about)))

        def rows(connection: Connection) -> list[tuple[str, Hushed]]:
            return [(owner, Hushed(*row)) for owner, *row in connection.execute(statement)]

        try:
            found = await self._gateway.run(rows, deadline=min(deadline, now + PATIENCE_S), single=True)
        except DatabaseUnavailable:
            return False
        for owner in (person, about):
            self._remember(owner, [hushed for whom, hushed in found if whom == owner])
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
