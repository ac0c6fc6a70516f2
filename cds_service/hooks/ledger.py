"""Which cards went out, and what clinicians did with them. No PHI: rules and prompts that spoke, ids as keyed hashes.

Cards are recorded off the request path. Feedback is matched to them by card uuid within one client; an unknown uuid is
counted, never refused. The same entry sent twice is one row. What a clinician or an analyst may have written (comments,
the displays of reasons) is sealed: people write names into it. So is what the findings of a card stood at and to whom it
was shown. Codes and uuids stand in the clear.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.db.models import issued_card
from cds_service.encryption import Cipher, Unsealable
from cds_service.errors import Unavailable
from cds_service.hooks.protocol import Coding, FeedbackEntry
from cds_service.services.hygiene import Hygiene, answer_key, finding_key, who, whose
from cds_service.services.service import Call, IssuedCard
from cds_service.telemetry import log

RECENT = 2_000  # cards in memory: feedback may be quicker than the database
PATIENCE_S = 5.0  # how long feedback may wait for the database, off the request path
_CHUNK = 500

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SYSTEM = re.compile(r"[a-z]+:[!-~]{1,150}")
_encode = msgspec.json.Encoder().encode
_log = log(__name__)


class _Shown(Struct, frozen=True, array_like=True):
    """Whom a card was shown to and which findings it showed, as keyed hashes beside what they stood at; of critical ones
    for user and patient, and the user by name for whoever is told later that they were answered."""

    who: str
    findings: Sequence[tuple[str, float]] = ()
    whose: str = ""
    critical: Sequence[tuple[str, str, float]] = ()
    user: str = ""


class Words(Struct, frozen=True):
    """What people wrote: the user's comment (HTML-escaped) and the displays of the reasons, by code."""

    comment: str = ""
    displays: dict[str, str] = {}


_words = msgspec.json.Decoder(Words).decode
_Card = Mapping[str, Any]  # the columns of an issued card that feedback needs
_COLUMNS = [
    issued_card.c[name] for name in ("uuid", "client", "service", "rules", "prompt", "engine", "user_key", "shown")
]
_packed = msgspec.msgpack.Encoder().encode  # unlike JSON it has infinities
_unpacked = msgspec.msgpack.Decoder(_Shown).decode


class Ledger:
    """Issued cards and feedback. ``close`` waits for feedback still being matched."""

    def __init__(
        self,
        gateway: Gateway,
        cipher: Cipher,
        hygiene: Hygiene,
        *,
        pack: str = "",
        count: Callable[[str, int], None] = lambda _name, _n: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._cipher = cipher
        self._hygiene = hygiene
        self._pack = pack
        self._count = count
        self._clock = clock
        self._recent: OrderedDict[str, _Card] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()

    def issue(self, client: str, call: Call, cards: Sequence[IssuedCard]) -> None:
        """Remember cards that went out. ``client`` separates clients and tenants; the call says to whom, about whom."""
        if not cards:
            return
        context = call.request.context
        user_key = self._cipher.pseudonym("user", client, context.userId) if context.userId else ""
        person = who(self._cipher, client, context.userId, context.patientId)
        about = whose(self._cipher, client, context.patientId) if any(card.critical for card in cards) else ""
        now = int(self._clock() * 1000)
        for card in cards:
            row = {
                "uuid": card.uuid,
                "client": client,
                "service": card.service,
                "indicator": card.indicator,
                "rules": _text(card.rules),
                "prompt": card.prompt,
                "engine": card.engine,
                "pack": self._pack,
                "suggestions": _text(card.suggestions),
                "user_key": user_key,
                "shown": self._shown(person, about, context.userId, card),
                "issued_at": now,
            }
            self._gateway.later("issued_card", row)
            self._recent[card.uuid] = row
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def feedback(self, client: str, service: str, entries: Sequence[FeedbackEntry]) -> None:
        """Take feedback and match it off the request path. ``Unavailable`` when it could not be kept."""
        if not self._gateway.keeps:
            raise Unavailable("feedback cannot be kept now", retry_after=60)
        task = asyncio.get_running_loop().create_task(self.settle(client, service, entries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, client: str, service: str, entries: Sequence[FeedbackEntry]) -> Counter[str]:
        """Match feedback to cards, keep it, quiet what was dealt with. How many were accepted, overridden, unknown.

        While the database is down entries are kept unmatched and counted as ``unverified``; they quiet nothing.
        """
        counts: Counter[str] = Counter()
        uuids = [entry.card.lower() for entry in entries]
        cards, complete = await self._find(client, {uuid for uuid in uuids if _UUID.fullmatch(uuid)})
        for uuid, entry in zip(uuids, entries, strict=True):
            card = cards.get(uuid)
            if card is None and (complete or not _UUID.fullmatch(uuid)):
                counts["unknown"] += 1
                continue
            counts[entry.outcome if card else "unverified"] += 1
            self._keep(client, service, entry, card)
        for outcome, n in counts.items():
            self._count(f"feedback:{outcome}", n)
        return counts

    async def close(self) -> None:
        """Wait until feedback that was taken is kept."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE_S)

    def _shown(self, person: str, about: str, user: str, card: IssuedCard) -> bytes | None:
        if not person or not (card.findings or card.critical):
            return None
        cipher = self._cipher
        lesser = [(finding_key(cipher, person, topic, key), worse) for topic, key, worse in card.findings]
        critical = [
            (answer_key(cipher, person, topic, key), answer_key(cipher, about, topic, key), worse)
            for topic, key, worse in card.critical
        ]
        shown = _Shown(person, lesser, about, critical, user) if critical else _Shown(person, lesser)
        return cipher.seal(_packed(shown), shown_place(card.uuid))

    async def _find(self, client: str, uuids: Collection[str]) -> tuple[Mapping[str, _Card], bool]:
        """Cards of this client by uuid, and whether all places could be looked at."""
        cards = {uuid: card for uuid in uuids if (card := self._recent.get(uuid)) and card["client"] == client}
        missing = [uuid for uuid in uuids if uuid not in cards]

        def stored_cards(connection: Connection) -> dict[str, _Card]:
            found: dict[str, _Card] = {}
            for start in range(0, len(missing), _CHUNK):
                chunk = issued_card.c.uuid.in_(missing[start : start + _CHUNK])
                rows = connection.execute(select(*_COLUMNS).where(chunk)).mappings()
                found |= {row["uuid"]: row for row in rows}
            return found

        if missing:
            deadline = asyncio.get_running_loop().time() + PATIENCE_S
            try:
                stored = await self._gateway.run(stored_cards, deadline=deadline)
            except DatabaseUnavailable:
                return cards, False
            cards |= {uuid: card for uuid, card in stored.items() if card["client"] == client}
        return cards, True

    def _keep(self, client: str, service: str, entry: FeedbackEntry, card: _Card | None) -> None:
        now = int(self._clock() * 1000)
        outcome_at = min(int(entry.timestamp.timestamp() * 1000), now) if entry.timestamp else now
        words = Words(comment=entry.comment, displays={r.code: r.display for r in entry.reasons if r.display})
        identity = self._cipher.pseudonym("feedback", client, _text(entry))
        sealed = self._cipher.seal(_encode(words), words_place(identity)) if words.comment or words.displays else None
        row = {
            "id": identity,
            "card": entry.card.lower(),
            "client": client,
            "service": card["service"] if card else service,
            "outcome": entry.outcome,
            "reasons": _text([_reason(reason) for reason in entry.reasons]),
            "words": sealed,
            "suggestions": _text([each for each in entry.suggestions if _UUID.fullmatch(each.lower())]),
            "rules": card["rules"] if card else "[]",
            "prompt": card["prompt"] if card else "",
            "engine": card["engine"] if card else "",
            "user_key": card["user_key"] if card else "",
            "known": card is not None,
            "outcome_at": outcome_at,
            "received_at": now,
        }
        self._gateway.later("feedback", row)
        if card and card["shown"]:
            self._deal(card, entry.outcome, outcome_at, now)

    def _deal(self, card: _Card, outcome: str, outcome_at: int, now: int) -> None:
        """Quiet and mark what the card showed. When that does not open nothing goes quiet, and the log says so."""
        try:
            shown = _unpacked(self._cipher.unseal(card["shown"], shown_place(card["uuid"])))
        except (Unsealable, msgspec.DecodeError) as fault:
            _log.error("what an answered card showed could not be opened", exc_info=fault)
            return
        self._hygiene.quieten(shown.who, shown.findings, outcome, outcome_at, now)
        self._hygiene.acknowledge(shown.who, shown.whose, shown.user, shown.critical, outcome, outcome_at, now)


def read_words(cipher: Cipher, identity: str, sealed: bytes) -> Words:
    """Opens ``feedback.words`` of the row ``identity``; ``Unsealable`` without its key."""
    return _words(cipher.unseal(sealed, words_place(identity)))


def words_place(identity: str) -> bytes:
    """What sealed words belong to: copied to another row they do not open."""
    return f"feedback {identity}".encode()


def shown_place(uuid: str) -> bytes:
    """What the sealed ``shown`` of a card belongs to."""
    return f"issued card {uuid}".encode()


def _reason(reason: Coding) -> dict[str, str]:
    return {
        "code": reason.code if _CODE.fullmatch(reason.code) else "other",
        "system": reason.system if _SYSTEM.fullmatch(reason.system) else "",
    }


def _text(value: Any) -> str:
    return _encode(value).decode()
