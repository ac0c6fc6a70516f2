"""Faults on purpose: which one strikes a request and what it does to the answer. The list is misbehaviour.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Raw, Struct, field

from cds_service.web.simulator.outcome import outcome

_members = msgspec.json.Decoder(dict[str, Raw])
_FOREIGN = (
    b'{"resource":{"resourceType":"Observation","id":"foreign-1","status":"final","code":{"coding":[{"system":'
    b'"http://loinc.org","code":"2823-3"}]},"subject":{"reference":"Patient/somebody-else"},"effectiveDateTime":'
    b'"2020-01-01T08:00:00Z","valueQuantity":{"value":7.4,"unit":"mmol/L"}},"search":{"mode":"match"}}'
)


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to misbehave. Unset members leave that part of the answer alone."""

    about: str
    only: str = ""  # 'next-pages' or 'metadata': requests of that kind alone
    without: tuple[str, ...] = ()  # query parameters that are not honoured
    status: int = 0
    code: str = ""  # issue-type of an OperationOutcome that takes the answer's place
    body: str = ""  # text that takes the answer's place
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_at_s: int = 0  # Retry-After as a date so many seconds ahead
    next: str = ""  # what the next link says; 'self' for a loop
    repeat: bool = False
    entries: bool = True
    outcome_entry: bool = False
    foreign_entry: bool = False
    keep: float = 1.0  # the share of the body that is sent
    breaks_off: bool = False  # the connection closes before the announced length
    delay_s: float = 0.0  # before the first byte
    drip_s: float = 0.0  # between single bytes


class Rule(Struct, forbid_unknown_fields=True):
    """A fault switched on: for paths that start with ``on`` ('' for all), ``times`` times (0: until switched off)."""

    fault: str
    on: str = ""
    times: int = 0


@cache
def faults() -> Mapping[str, Fault]:
    """Every fault by name."""
    table = tomllib.loads(files(__package__).joinpath("misbehaviour.toml").read_text(encoding="utf-8"))
    return msgspec.convert(table, dict[str, Fault])


class Misbehaviour:
    """The faults that are switched on."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.rules: list[Rule] = []

    def set(self, *rules: Rule) -> None:
        """Switch on these faults and no others. Raises ValueError for a name that is not in the list."""
        for rule in rules:
            if rule.fault not in faults():
                raise ValueError(f"no fault is called {rule.fault!r}; there are {', '.join(faults())}")
        self.rules = list(rules)

    def clear(self) -> None:
        """Behave again."""
        self.rules = []

    def strike(self, path: str, *, next_page: bool) -> list[Fault]:
        """The faults of this request; a rule with a number of times is used up."""
        path = path.strip("/")
        struck = []
        for rule in list(self.rules):
            fault = faults()[rule.fault]
            kind_fits = {"": True, "next-pages": next_page, "metadata": path == "metadata"}[fault.only]
            if kind_fits and path.startswith(rule.on):
                struck.append(fault)
                if rule.times:
                    rule.times -= 1
                    if not rule.times:
                        self.rules.remove(rule)
        return struck

    def spoil(self, fault: Fault, status: int, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """What the fault makes of a reply; headers are changed in place."""
        if fault.code:
            body = outcome("error", fault.code, fault.about)
        elif fault.body:
            body = fault.body.encode()
        elif body and headers.get("Content-Type", "").startswith("application/fhir+json"):
            body = _spoil_bundle(fault, body)
        headers.update(fault.headers)
        if fault.retry_at_s:
            at = self._clock() + timedelta(seconds=fault.retry_at_s)
            headers["Retry-After"] = format_datetime(at, usegmt=True)
        return fault.status or status, body


def _spoil_bundle(fault: Fault, body: bytes) -> bytes:
    members = _members.decode(body)
    if bytes(members.get("resourceType", b"")) != b'"Bundle"':
        return body
    entries = msgspec.json.decode(members.get("entry", b"[]"), type=list[Raw])
    if fault.repeat:
        entries = [entry for entry in entries for _ in range(2)]
    if fault.outcome_entry:
        issue = outcome("warning", "incomplete", fault.about)
        entries.append(Raw(b'{"resource":%s,"search":{"mode":"outcome"}}' % issue))
    if fault.foreign_entry:
        entries.append(Raw(_FOREIGN))
    if fault.next:
        links = msgspec.json.decode(members.get("link", b"[]"), type=list[dict[str, str]])
        members["link"] = Raw(msgspec.json.encode(_with_next(links, fault.next)))
    if not fault.entries:
        entries = []
    members.pop("entry", None)
    if entries:
        members["entry"] = Raw(msgspec.json.encode(entries))
    return msgspec.json.encode(members)


def _with_next(links: Sequence[Mapping[str, str]], address: str) -> list[Mapping[str, str]]:
    itself = next((link["url"] for link in links if link.get("relation") == "self"), "")
    kept = [link for link in links if link.get("relation") != "next"]
    return [*kept, {"relation": "next", "url": itself if address == "self" else address}]
