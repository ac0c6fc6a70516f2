"""Tracing that is on: OpenTelemetry's SDK with the OTLP exporter (protobuf over HTTP). Imported by ``tracing.of`` alone.

The provider is ours and never the process's global one: a library that traces by itself, with the ids it sees, has none to
write to. Of an incoming request ``traceparent`` is read; ``tracestate`` and ``baggage``, which may hold anything, are not.
Spans are sent by a thread of the SDK; a collector that does not answer costs spans, never a call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from threading import Thread
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cds_service import __version__
from cds_service.models.faults import EngineFault
from cds_service.settings import Settings
from cds_service.telemetry import traced
from cds_service.tracing import Kind, Parent, Span, Spanning, Tracing, Withheld, allowed, named

NAME = "medgemma-cds"
PATH = "/v1/traces"
LAST_S = 2.0  # most the last spans may take when the service stops
KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_w3c = TraceContextTextMapPropagator()


class Otlp(Tracing):
    """Made with the application, sending from ``start`` on."""

    on = True

    def __init__(self, settings: Settings, withheld: Withheld) -> None:
        self._settings, self._withheld = settings, withheld
        self._provider = TracerProvider(resource=_resource(settings), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer(NAME, __version__)
        self._exporter: SpanExporter | None = None

    def start(self) -> None:
        """Begin to send, in a thread of the SDK."""
        self._exporter = exporter(self._settings)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))

    async def aclose(self) -> None:
        """Send what is left, for at most ``LAST_S``: a collector that hangs does not hold the service up."""
        last = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, LAST_S)
        if last.is_alive() and self._exporter is not None:
            await asyncio.to_thread(self._exporter.shutdown)  # no further try

    def span(self, name: str, kind: Kind = "internal", **attributes: Any) -> Spanning:
        """See ``Tracing``."""
        return self._spanning(name, kind, None, attributes)

    def call(self, service: str, hook: str, traceparent: str) -> Spanning:
        """See ``Tracing``."""
        above = _w3c.extract({"traceparent": traceparent}, Context()) if traceparent else Context()
        route = f"/cds-services/{service}"
        said = {"method": "POST", "route": route, "service": service, "hook": hook}
        return self._spanning(f"POST {route}", "server", above, said)

    def job(self, parent: Parent | None, **attributes: Any) -> Spanning:
        """See ``Tracing``."""
        return self._spanning("assessment job", "consumer", Context() if parent is None else parent, attributes)

    def current(self) -> Span:
        """See ``Tracing``."""
        return _Spanning(trace.get_current_span(), self._withheld)

    def here(self) -> Parent | None:
        """See ``Tracing``. The span alone, without whatever else the context holds."""
        current = trace.get_current_span()
        return trace.set_span_in_context(current, Context()) if current.get_span_context().is_valid else None

    def headers(self) -> Mapping[str, str]:
        """See ``Tracing``."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return {name: value for name, value in carrier.items() if name == "traceparent"}

    def _spanning(self, name: str, kind: Kind, above: Context | None, attributes: Mapping[str, Any]) -> Spanning:
        span = self._tracer.start_span(
            named(name), above, KINDS[kind], allowed(attributes, self._withheld), record_exception=False,
            set_status_on_exception=False,
        )  # fmt: skip
        return _Spanning(span, self._withheld)


class _Spanning:
    """One span and its turn as the current one."""

    __slots__ = ("_span", "_token", "_untraced", "_withheld")

    def __init__(self, span: trace.Span, withheld: Withheld) -> None:
        self._span, self._withheld = span, withheld

    def set(self, **attributes: Any) -> None:
        """See ``Span``."""
        self._span.set_attributes(allowed(attributes, self._withheld))

    def failed(self, error: str) -> None:
        """See ``Span``. Without a description: that would be a text."""
        self._span.set_status(Status(StatusCode.ERROR))
        self.set(error=error)

    def __enter__(self) -> Self:
        self._token = attach(trace.set_span_in_context(self._span))
        ids = self._span.get_span_context()
        self._untraced = traced(trace.format_trace_id(ids.trace_id), trace.format_span_id(ids.span_id))
        return self

    def __exit__(self, kind: object, value: object, places: object) -> None:
        self._untraced()
        detach(self._token)
        if isinstance(value, asyncio.CancelledError):
            self.set(outcome="cancelled")
        elif value is not None:
            self.failed(value.reason if isinstance(value, EngineFault) else type(value).__name__)
        self._span.end()


def exporter(settings: Settings) -> SpanExporter:
    """To the collector of the settings, by no proxy and with no password of the environment, following no redirect.

    Headers, certificates, compression and time-out are the standard ``OTEL_EXPORTER_OTLP_…`` variables' to say.
    """
    session = requests.Session()
    session.trust_env = False
    return OTLPSpanExporter(endpoint=traces(settings.otlp_endpoint), session=session)


def traces(endpoint: str) -> str:
    """The address spans are posted to: ``/v1/traces`` below the base (OTLP specification, "OTLP/HTTP request")."""
    base = endpoint.rstrip("/")
    return base if urlsplit(base).path.endswith(PATH) else base + PATH


def _resource(settings: Settings) -> Resource:
    """What sends. ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` may say more."""
    return Resource.create({
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or NAME,
        "service.version": __version__,
        "deployment.environment.name": settings.mode,
    })  # fmt: skip
