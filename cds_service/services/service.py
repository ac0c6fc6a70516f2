"""What a CDS service is to the rest of the house, and what one hook call brings with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from msgspec import Struct, field

from cds_service.hooks.clients.profiles import Profile
from cds_service.hooks.protocol import Card, FHIRAuthorization, HookRequest


class Call(Struct, frozen=True, kw_only=True):
    """One hook call after its protocol checks. ``deadline`` is a moment of the event loop's clock (seconds)."""

    request: HookRequest
    profile: Profile
    client: str  # audit name of the client: its issuer, or 'anonymous'
    now: datetime  # aware; the only clock of everything behind it
    deadline: float
    tenant: str = ""  # the client with its tenant, as its token names them: whatever is kept is kept under it
    fhir_base: str = ""  # '' when no FHIR server may be asked

    @property
    def authorization(self) -> FHIRAuthorization | None:
        """The bearer of this call, for ``fhir_base`` alone."""
        return self.request.fhirAuthorization


class IssuedCard(Struct, frozen=True, kw_only=True):
    """What is remembered of a card so that feedback finds it. No PHI: which rules and prompts spoke, not what."""

    uuid: str
    service: str
    rules: tuple[str, ...] = ()  # 'rule-id@version'
    prompt: str = ""  # 'record-summary@1 sha256:…'
    engine: str = ""
    indicator: str = "info"
    suggestions: tuple[str, ...] = ()  # suggestion uuids
    findings: tuple[tuple[str, str, float], ...] = ()  # hygiene.quietable(findings); hashed before it is stored
    critical: tuple[tuple[str, str, float], ...] = ()  # hygiene.critical(findings), likewise


class Answer(Struct, frozen=True, kw_only=True):
    """The cards of a call and what audit, metrics and feedback need to know of them."""

    cards: list[Card]
    issued: list[IssuedCard] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)  # metric name → n, e.g. statements_dropped
    outcome: str = "complete"  # complete, partial, failed
    notes: tuple[str, ...] = ()  # audit line: what was not done, without PHI


class Service(Protocol):
    """One entry of the discovery document. Distinct ids, one hook each."""

    id: str
    hook: str
    title: str
    description: str

    @property
    def prefetch(self) -> Mapping[str, str]:
        """Template keys → FHIR queries; only ``patient`` is required."""
        ...

    async def answer(self, call: Call) -> Answer:
        """Answer within ``call.deadline``; never raise for what a patient's data can cause."""
        ...
