"""Every metric of the service, declared in one place and kept in a registry of our own. No label ever carries PHI.

Labels come from closed sets (service ids, reasons, indicators); should more values appear than a family expects, the
rest is counted under ``other``. Children are bound once and reused: the hot path takes a lock and adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from cds_service.services.service import Answer

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time of birth beside every counter tells nothing

ENGINE_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)
LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
CHILDREN = 64  # label combinations of one family before the rest becomes 'other'
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}

_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "calls": ("Hook calls by outcome (complete, partial, failed)", ("service", "outcome")),
    "cards": ("Cards sent by indicator", ("service", "indicator")),
    "refused": ("Requests refused by HTTP status", ("status",)),
    "feedback": ("Feedback entries by outcome (accepted, overridden, unknown, unreadable, unverified)", ("outcome",)),
    "replays": ("Repeated calls answered from the first one's cards, by where these were found", ("found",)),
    "fhir_requests": ("Requests of hook calls to FHIR servers: all, second tries, and pages that came", ("kind",)),
    "fhir_faults": (
        "Searches and reads of hook calls over FHIR that came to nothing or not to their end, by reason",
        ("reason",),
    ),
    "unreadable": ("Resources of a record that no reader could read, by reason", ("reason",)),
    "refused_readings": ("Readings of a record that are shown as data quality and used nowhere", ()),
    "statements_dropped": ("Statements of an engine that did not stand up to the record, by reason", ("reason",)),
    "image_reads": ("Cards about image reads by how the read stood", ("state",)),
    "drafts": (
        "Drafts by what became of them (made, accepted, edited, rejected, write failed, resumed, not opened, …)",
        ("event",),
    ),
    "draft_writes": (
        "Attempts to bring the record or the archive to what was decided, by outcome (status written, or why not)",
        ("outcome",),
    ),
    "assessment_jobs": (
        "Assessments asked for, by what became of them (queued, joined, again, done, failed, shed, taken over, …)",
        ("fate",),
    ),
    "assessments": ("Stored assessments that could not be opened", ("reason",)),
    "engine_requests": (
        "Requests to an engine by outcome (ok, cancelled, or the reason of the fault)",
        ("engine", "outcome"),
    ),
    "engine_tokens": ("Tokens an engine counted (prompt, completion)", ("engine", "kind")),
    "database_rows": (
        "Rows by fate (written, spooled, replayed, dropped, rejected, lost, failed, untold, retired)",
        ("fate",),
    ),
    "log_fields_withheld": ("Log fields and texts that were not on the allow-list", ()),
    "others": ("Counts of an answer that have no family of their own", ("name",)),
}


class Breaks(Protocol):
    """What the breaker gauge reads."""

    @property
    def state(self) -> str:
        """closed, half-open or open."""
        ...


class Stores(Protocol):
    """What the database gauges read."""

    @property
    def depth(self) -> int:
        """Rows waiting in memory."""
        ...

    @property
    def spooled(self) -> int:
        """Bytes waiting on disk."""
        ...


class Family:
    """A counter whose children are bound once and whose label values are bounded."""

    def __init__(self, counter: Counter, labels: int) -> None:
        self._counter = counter
        self._labels = labels
        self._children: dict[tuple[str, ...], Counter] = {}

    def add(self, n: float, *labels: str) -> None:
        """Count ``n`` under the labels, or under ``other`` when there are too many different ones."""
        child = self._children.get(labels)
        (child or self._bind(labels)).inc(n)

    def _bind(self, labels: tuple[str, ...]) -> Counter:
        if not self._labels:
            return self._counter
        if len(self._children) >= CHILDREN:
            labels = ("other",) * self._labels
        return self._children.setdefault(labels, self._counter.labels(*labels))


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._families = {
            name: Family(Counter(f"cds_{name}", text, labels, registry=self.registry), len(labels))
            for name, (text, labels) in _COUNTERS.items()
        }
        self._latency = Histogram(
            "cds_hook_seconds", "Time from request to answer", ("service",), buckets=LATENCY_S, registry=self.registry
        )
        self._latencies: dict[str, Histogram] = {}
        self._engine_latency = Histogram(
            "cds_engine_seconds", "Time an engine took", ("engine", "asked"), buckets=ENGINE_S, registry=self.registry
        )
        self._engine_queue = Gauge(
            "cds_engine_queue_depth", "Requests waiting for an engine", ("engine",), registry=self.registry
        )
        self._breakers = Gauge(
            "cds_breaker", "Breakers: 0 closed, 1 half-open, 2 open", ("name",), registry=self.registry
        )
        self._drafts = Gauge(
            "cds_drafts_kept", "Drafts in the database by state, counted every few seconds", ("state",),
            registry=self.registry,
        )  # fmt: skip
        self._queue = Gauge("cds_database_queue_depth", "Rows waiting in memory", registry=self.registry)
        self._spool = Gauge("cds_database_spool_bytes", "Bytes waiting on disk", registry=self.registry)

    def call(self, service: str, answer: Answer, seconds: float) -> None:
        """One answered hook call. ``service`` is one of our own ids."""
        latency = self._latencies.get(service)
        if latency is None:
            latency = self._latencies[service] = self._latency.labels(service)
        latency.observe(seconds)
        families = self._families
        families["calls"].add(1, service, answer.outcome)
        for card in answer.issued:
            families["cards"].add(1, service, card.indicator)
        for name, n in answer.counts.items():
            if n:
                self.count(name, n)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter by name: ``family``, or ``family:reason`` (``fhir_faults:timed out``)."""
        family, _, reason = name.partition(":")
        if family in _COUNTERS and len(_COUNTERS[family][1]) <= 1:
            self._families[family].add(n, *((reason or "unspecified",) if _COUNTERS[family][1] else ()))
        else:
            self._families["others"].add(n, name)

    def rows(self, fate: str, n: int) -> None:
        """What became of rows on their way to the database (the gateway's ``count``)."""
        self._families["database_rows"].add(n, fate)

    def watch(self, database: Stores) -> None:
        """Read the queue and the spool at each scrape."""
        self._queue.set_function(lambda: database.depth)
        self._spool.set_function(lambda: database.spooled)

    def engine(self, engine: str, asked: str, outcome: str, seconds: float, tokens: tuple[int, int] = (0, 0)) -> None:
        """One request to an engine ('text', 'image'). ``asked``: text or labels. ``tokens``: of prompt and answer."""
        self._engine_latency.labels(engine, asked).observe(seconds)
        self._families["engine_requests"].add(1, engine, outcome)
        for kind, count in zip(("prompt", "completion"), tokens, strict=True):
            if count:
                self._families["engine_tokens"].add(count, engine, kind)

    def drafts_kept(self, by_state: Mapping[str, int]) -> None:
        """How many drafts there are in each state."""
        for state in ("waiting", "accepted", "edited", "rejected"):
            self._drafts.labels(state).set(by_state.get(state, 0))

    def watch_engine(self, engine: str, depth: Callable[[], float]) -> None:
        """Read the length of an engine's queue at each scrape."""
        self._engine_queue.labels(engine).set_function(depth)

    def watch_breaker(self, name: str, breaker: Breaks) -> None:
        """Read a breaker's state at each scrape."""
        state: Callable[[], float] = lambda: BREAKER_STATES.get(str(breaker.state), 2)  # noqa: E731
        self._breakers.labels(name).set_function(state)

    def exposition(self) -> tuple[bytes, str]:
        """Body and content type of ``GET /metrics`` (Prometheus text format)."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
