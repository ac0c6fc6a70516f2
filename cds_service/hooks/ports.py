"""What the CDS Hooks routes need of the rest of the house; app.py hands it in, tests hand in small ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cds_service.hooks.clients.auth import Trusted
from cds_service.hooks.protocol import FeedbackEntry
from cds_service.rules.catalogue import Switch
from cds_service.services.service import Answer, Call, IssuedCard, Service
from cds_service.settings import Settings
from cds_service.tracing import OFF, Tracing


class Clients(Protocol):
    """Who calls (client_auth.ClientAuth)."""

    async def verify(self, authorization: str, path: str, deadline: float) -> Trusted:
        """The caller, or NotAuthenticated."""
        ...


class Replay(Protocol):
    """First answers of hook instances, encrypted, bounded, shared by database (hooks/replay.py)."""

    def fingerprint(self, body: bytes) -> bytes:
        """What tells one body from another, for ``find`` and ``keep``."""
        ...

    async def find(
        self, client: str, service: str, hook_instance: str, body_hash: bytes, deadline: float
    ) -> bytes | None:
        """The body first answered to the same question, or None; never raises for a store that is down."""
        ...

    def keep(self, client: str, service: str, hook_instance: str, body_hash: bytes, body: bytes) -> None:
        """Remember it, off the request path."""
        ...


class Ledger(Protocol):
    """Issued cards and the feedback on them (hooks/ledger.py)."""

    def issue(self, client: str, call: Call, cards: Sequence[IssuedCard]) -> None:
        """Remember cards that went out, off the request path."""
        ...

    def feedback(self, client: str, service: str, entries: Sequence[FeedbackEntry]) -> None:
        """Take feedback; unknown uuids are counted, not refused. Unavailable when it cannot be kept."""
        ...


class Audit(Protocol):
    """Who asked what when (audit.py). Ids of patients, users and hook instances are hashed there, PHI never gets in."""

    def write(
        self,
        event: str,
        *,
        client: str = "",
        issued: Sequence[IssuedCard] = (),
        notes: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        """One line, off the request path: 'hook', 'hook repeated', 'hook in shadow', 'hook refused', 'feedback' …"""
        ...


class Metrics(Protocol):
    """Counters (metrics.py)."""

    def call(self, service: str, answer: Answer, seconds: float) -> None:
        """One answered hook call."""
        ...

    def count(self, name: str, n: int = 1) -> None:
        """Add to ``family`` or ``family:reason``."""
        ...


class Switches(Protocol):
    """Run-time switches (switches.py)."""

    def service(self, service_id: str) -> Switch:
        """Whether a service is off, in shadow or on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything a hook call touches."""

    settings: Settings
    services: Mapping[str, Service]  # by id, in the order of the discovery document
    clients: Clients
    replay: Replay
    ledger: Ledger
    audit: Audit
    metrics: Metrics
    switches: Switches
    clock: Callable[[], datetime]  # wall clock, aware
    tracing: Tracing = OFF
