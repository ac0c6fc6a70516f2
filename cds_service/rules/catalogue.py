"""The catalogue all rules live in: what a rule declares, what it concludes. Pure: facts in, findings out.

A rule's texts, severity, sources and thresholds are data (``pack/*.toml``); its logic is one small function
(``logic.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from msgspec import Struct, field

from cds_service.record.facts import Fact, Order, Reading


class Severity(StrEnum):
    """Card indicator (CDS Hooks 2.0.1, Card.indicator)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 2 for critical."""
        return ("info", "warning", "critical").index(self.value)


class Urgency(IntEnum):
    """A suggested minimum urgency. The site table maps it to ServiceRequest.priority (R4 request-priority)."""

    ROUTINE = 0
    URGENT = 1
    ASAP = 2
    STAT = 3


class Switch(StrEnum):
    """State of a rule, a service or the AI part: shadow means computed, audited and reported, but not shown."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class Source(Struct, frozen=True):
    """Where a rule comes from. ``edition`` is the text's date or version; ``reviewed`` the day the rule was last read
    against it, '' where it is cited without having been read again for this pack.
    """

    label: str
    edition: str
    url: str = ""
    reviewed: str = ""


class Scope(StrEnum):
    """What a rule looks at: the record alone, the record and one draft order, or an order beside all findings."""

    RECORD = "record"
    ORDER = "order"
    TRIAGE = "triage"


class Absorbs(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rules' findings stand inside a rule's own, once that one's value is ``at`` or more."""

    rules: tuple[str, ...]
    at: float = 0.0


class Rule(Struct, frozen=True, kw_only=True):
    """One rule of the pack. ``topic`` is the stable alphanumeric code of card.source.topic.

    ``severity`` is its ordinary tier, ``raised`` the tier of the worse state its title or limits describe. Findings of
    rules that share a ``mechanism`` are one finding per draft; a finding about the patient takes in those of the rules it
    ``absorbs`` that rest on its own facts (evaluate.py).
    """

    id: str
    topic: str
    title: str
    version: str
    scope: Scope
    severity: Severity
    sources: tuple[Source, ...]
    raised: Severity | None = None
    function: str = ""  # name of its logic; several rules may share one
    mechanism: str = ""  # the harm it warns of, where other rules of the pack warn of the same
    absorbs: Absorbs | None = None
    inputs: tuple[str, ...] = ()  # concept keys and resource types it reads
    must_mention: bool = False  # rendered by template, always
    override_reasons: tuple[str, ...] = ()  # keys of overrides.toml
    limits: str = ""  # what it does not cover, in one sentence
    parameters: Mapping[str, Any] = field(default_factory=dict)  # thresholds and lists of the pack
    given: Any = None  # the parameters, checked and typed by the logic
    texts: Mapping[str, str] = field(default_factory=dict)  # str.format templates; 'name.detail' holds lines
    switch: Switch = Switch.ON


class Acknowledged(Struct, frozen=True):
    """When a user last overrode or accepted a card that showed a critical finding, and how bad it was then."""

    at: datetime
    mine: bool  # by the user who looks now, else by another
    worse: float
    by: str = ""  # who it was, as the client names its users: 'Practitioner/7'


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule concludes. ``key`` names the same conclusion across calls (for quietness), ``worse`` orders it."""

    rule: Rule
    key: str
    severity: Severity
    summary: str  # one sentence; numbers in it stand in ``facts``
    details: tuple[str, ...] = ()  # lines of plain text
    facts: tuple[Fact, ...] = ()  # inputs, each printed with its date and resource
    missing: tuple[str, ...] = ()  # inputs that were not there, in words
    urgency: Urgency = Urgency.ROUTINE
    order: Order | None = None
    worse: float = 0.0
    since: datetime | None = None
    values: Mapping[str, Any] = field(default_factory=dict)  # machine-readable result
    absorbed: tuple[Finding, ...] = ()  # what else was found of the same harm, no more severe
    acknowledged: Acknowledged | None = None  # of critical ones, known to the services alone
    unusable: tuple[Reading, ...] = ()  # newer results of its inputs that no rule may use; known to the services alone

    @property
    def parts(self) -> tuple[Finding, ...]:
        """Itself and what it absorbed: every rule that spoke."""
        return (self, *self.absorbed)
