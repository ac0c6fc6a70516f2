"""Spans of a call for an OTLP collector, without PHI by construction: what is not in ``ATTRIBUTES`` does not get out.

Off unless ``CDS_OTLP_ENDPOINT`` is set and the extra ``otel`` is installed; while it is off neither SDK nor exporter of
OpenTelemetry is imported and a span is one and the same object that does nothing. A value must look as its attribute says,
whatever the caller gives; no exception's message and no text of a span comes from anywhere but our source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Literal, Protocol, Self

from cds_service import telemetry
from cds_service.errors import ConfigurationError
from cds_service.settings import Settings
from fhir_adapters.addresses import Origin, origin_of
from fhir_adapters.errors import UnsafeAddress

Kind = Literal["server", "client", "consumer", "internal"]
Check = Callable[[Any], bool]
Withheld = Callable[[str], None]
Parent = Any  # opaque: a place in a trace, as ``here`` gave it
_log = telemetry.log(__name__)


def _matching(pattern: str) -> Check:
    fits = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: isinstance(value, str) and fits(value) is not None


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9


def _words(value: Any) -> bool:
    return isinstance(value, tuple) and all(_word(each) for each in value)


_word = _matching(r"[a-z][a-z_-]*(?: [a-z_-]+){0,7}")  # words of our source: no digit, no capital
# a reason of ours, the kind of an exception, an HTTP status
_error = _matching(r"[a-z][a-z_-]*(?:,? [a-z_-]+){0,12}|[A-Z][A-Za-z]{0,39}|5[0-9]{2}")
# models, prompts and hashes, as the operator or the source names them
_version = _matching(r"[A-Za-z0-9./][\w.@:/+-]{0,119}")
_flag: Check = lambda value: isinstance(value, bool)  # noqa: E731

# Our name → the attribute's name and what its value must be. Names of HTTP, errors and GenAI are those of the OpenTelemetry
# semantic conventions (https://opentelemetry.io/docs/specs/semconv/), our own begin with cds.
ATTRIBUTES: Mapping[str, tuple[str, Check]] = {
    "method": ("http.request.method", _matching("[A-Z]{3,7}")),
    "route": ("http.route", _matching("/cds-services/[a-z-]{1,40}")),
    "status": ("http.response.status_code", _number),
    "error": ("error.type", _error),
    "hook": ("cds.hook", _word),
    "service": ("cds.service", _word),
    "profile": ("cds.profile", _word),
    "outcome": ("cds.outcome", _word),
    "deadline_ms": ("cds.deadline_ms", _number),
    "cards": ("cds.cards", _number),
    "keys": ("cds.gather.keys", _number),
    "fetched": ("cds.gather.fetched", _number),
    "unanswered": ("cds.gather.unanswered", _number),
    "facts": ("cds.record.facts", _number),
    "findings": ("cds.rules.findings", _number),
    "pack": ("cds.rules.pack", _version),
    "task": ("cds.task", _matching("[a-z]+:[a-z-]{1,40}")),
    "attempt": ("cds.attempt", _number),
    "waited_ms": ("cds.waited_ms", _number),
    "operation": ("gen_ai.operation.name", _word),
    "provider": ("gen_ai.provider.name", _matching("[a-z][a-z_.-]{0,39}")),
    "model": ("gen_ai.request.model", _version),
    "answered": ("gen_ai.response.model", _version),
    "max_tokens": ("gen_ai.request.max_tokens", _number),
    "finish_reasons": ("gen_ai.response.finish_reasons", _words),
    "input_tokens": ("gen_ai.usage.input_tokens", _number),
    "output_tokens": ("gen_ai.usage.output_tokens", _number),
    "prompt": ("gen_ai.prompt.name", _version),
    "prompt_hash": ("cds.prompt.hash", _matching("sha256:[0-9a-f]{8,64}")),
    "engine": ("cds.engine", _word),
    "revision": ("cds.engine.revision", _version),
    "images": ("cds.images", _number),
    "waiting": ("cds.engine.waiting", _flag),
    "modality": ("cds.image.modality", _matching("[A-Z]{2}")),
    "dropped": ("cds.statements.dropped", _number),
    "refused": ("cds.image.refused", _flag),
}
SPANS = frozenset({"gather", "record", "rules", "assessment job", "image read"})
_span_name = _matching(r"POST /cds-services/[a-z-]{1,40}|(?:chat|score_labels) [A-Za-z0-9./][\w.@:/+-]{0,119}")
WITHHELD = "withheld"
NEEDED = ("sdk", "exporter", "exporter.otlp", "exporter.otlp.proto", "exporter.otlp.proto.http")  # outer before inner


class Span(Protocol):
    """What one span takes, inside its ``with``."""

    def set(self, **attributes: Any) -> None:
        """Attributes by the names of ``ATTRIBUTES``."""
        ...

    def failed(self, error: str) -> None:
        """It ended in an error of this name, no exception being raised."""
        ...


class Spanning(Span, Protocol):
    """A span as a context manager. An exception that passes through is named by its kind, never quoted."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, value: object, trace: object) -> None: ...


class _Nothing:
    """The span of tracing that is off."""

    __slots__ = ()

    def set(self, **attributes: Any) -> None:
        """Nothing."""

    def failed(self, error: str) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        return None


NOTHING = _Nothing()


class Tracing:
    """Tracing that is off; ``otlp.Otlp`` is on. A caller whose attributes cost something asks ``on`` first."""

    on = False

    def span(self, name: str, kind: Kind = "internal", **attributes: Any) -> Spanning:
        """A span below the current one."""
        return NOTHING

    def call(self, service: str, hook: str, traceparent: str) -> Spanning:
        """The span of a hook call, below the client's span where a W3C ``traceparent`` came with it."""
        return NOTHING

    def job(self, parent: Parent | None, **attributes: Any) -> Spanning:
        """The span of an attempt at a job, below the call that asked for it where that is known."""
        return NOTHING

    def current(self) -> Span:
        """The current span, for who did not begin it."""
        return NOTHING

    def here(self) -> Parent | None:
        """The current place, for a job that runs later."""
        return None

    def headers(self) -> Mapping[str, str]:
        """A ``traceparent`` of the current span for a server that is to go on with the trace."""
        return {}

    def start(self) -> None:
        """Begin to send."""

    async def aclose(self) -> None:
        """Send what is left, for at most a moment."""


OFF = Tracing()


def installed() -> bool:
    """Whether the extra ``otel`` is there."""
    return all(find_spec(f"opentelemetry.{name}") for name in NEEDED)


def collector(settings: Settings) -> Origin | None:
    """Where spans go; None where none do. ConfigurationError for what is no http(s) address."""
    if not settings.otlp_endpoint:
        return None
    try:
        return origin_of(settings.otlp_endpoint)
    except UnsafeAddress as fault:
        raise ConfigurationError(f"CDS_OTLP_ENDPOINT: {fault.detail}; write http://HOST:4318") from None


def of(settings: Settings, withheld: Withheld = lambda _name: None) -> Tracing:
    """Tracing as the settings say; off, and said so in the log, where the extra is not installed."""
    if collector(settings) is None:
        return OFF
    if not installed():
        _log.warning("tracing is off, the extra otel is not installed")
        return OFF
    from cds_service.otlp import Otlp

    return Otlp(settings, withheld)


def allowed(attributes: Mapping[str, Any], withheld: Withheld) -> dict[str, Any]:
    """The attributes that may be seen, by the names they go out under. ``withheld`` is told of each that may not."""
    kept: dict[str, Any] = {}
    for name, value in attributes.items():
        known = ATTRIBUTES.get(name)
        if value is None or value == "":
            continue
        if known is not None and known[1](value):
            kept[known[0]] = value
        else:
            withheld("log_fields_withheld")
    return kept


def named(name: str) -> str:
    """A span's name, if it is one of ours."""
    return name if name in SPANS or _span_name(name) else WITHHELD
