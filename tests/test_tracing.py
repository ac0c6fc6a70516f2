"""Tracing itself: nothing gets out that is not on the allow-list, nothing is there while it is off, no collector holds it up."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

from cds_service import otlp, telemetry, tracing
from cds_service.app import create_app
from cds_service.commands.doctor import checks_of
from cds_service.errors import ConfigurationError
from cds_service.models.engine import Capabilities, Generation, Identity, Request, Scores, Usage
from cds_service.models.faults import QueueFull
from cds_service.models.wrappers.traced import Traced
from cds_service.settings import Settings
from cds_service.tracing import ATTRIBUTES, NOTHING, OFF
from tests.conformance import bodies
from tests.models.answering_engine import Receive, Send, reply, serving

SECRET = "Eleonora Muster, 12345678, takes warfarin"
COLLECTOR = "http://127.0.0.1:4318"


class Traces:
    """Tracing that is on, into memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.memory = InMemorySpanExporter()
        monkeypatch.setattr(otlp, "exporter", lambda _settings: self.memory)
        self.withheld: list[str] = []
        self.tracing = tracing.of(Settings(mode="demo", otlp_endpoint=COLLECTOR, **settings), self.withheld.append)
        self.tracing.start()

    async def ended(self) -> dict[str, ReadableSpan]:
        """Every span by its name."""
        await self.tracing.aclose()
        return {span.name: span for span in self.memory.get_finished_spans()}


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    return Traces(monkeypatch)


async def test_an_attribute_that_is_not_listed_or_not_of_its_kind_is_withheld_and_counted(traces: Traces) -> None:
    with traces.tracing.span("gather") as span:
        span.set(patient="p1", url="https://ehr/Patient/p1", outcome=SECRET, keys=SECRET, fetched=3, model="p1 Muster")
    (span_,) = (await traces.ended()).values()
    assert dict(span_.attributes or {}) == {"cds.gather.fetched": 3}
    assert traces.withheld == ["log_fields_withheld"] * 5


async def test_a_span_whose_name_is_not_ours_loses_it(traces: Traces) -> None:
    with traces.tracing.span(f"GET Patient/{SECRET}"):
        pass
    assert set(await traces.ended()) == {"withheld"}


async def test_an_exception_is_named_and_never_quoted(traces: Traces) -> None:
    with pytest.raises(ValueError, match="Muster"), traces.tracing.span("rules"):
        raise ValueError(SECRET)
    span = (await traces.ended())["rules"]
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert not span.status.description
    assert not span.events
    assert "Muster" not in span.to_json()


async def test_of_a_request_only_a_well_formed_traceparent_is_taken(traces: Traces) -> None:
    above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with traces.tracing.call("patient-summary", "patient-view", above):
        pass
    with traces.tracing.call("order-triage", "order-sign", f"00-{SECRET}-01"):
        pass
    spans = await traces.ended()
    below, alone = spans["POST /cds-services/patient-summary"], spans["POST /cds-services/order-triage"]
    assert below.parent is not None
    assert f"{below.parent.trace_id:032x}-{below.parent.span_id:016x}" == above[3:-3]
    assert alone.parent is None
    assert below.kind is alone.kind is SpanKind.SERVER
    assert below.context is not None
    assert not below.context.trace_state


async def test_a_job_goes_on_with_the_trace_of_the_call_that_asked_for_it(traces: Traces) -> None:
    with traces.tracing.call("order-triage", "order-sign", ""):
        place = traces.tracing.here()
    with traces.tracing.job(place, task="text:triage", attempt=1):
        pass
    assert traces.tracing.here() is None
    spans = await traces.ended()
    call, job = spans["POST /cds-services/order-triage"], spans["assessment job"]
    assert job.parent == call.context
    assert job.kind is SpanKind.CONSUMER


async def test_a_log_line_names_the_span_it_was_written_in_and_none_outside_of_one(traces: Traces) -> None:
    written = io.StringIO()
    with telemetry_into(written):
        with traces.tracing.call("order-triage", "order-sign", ""), traces.tracing.span("rules"):
            await asyncio.to_thread(telemetry.log("x").error, "inside")
            logging.getLogger("other").error("inside")
        telemetry.log("x").error("outside")
    own, other, outside = (json.loads(line) for line in written.getvalue().splitlines())
    context = (await traces.ended())["rules"].context
    assert context is not None
    for line in (own, other):
        assert (line["trace_id"], line["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert not {"trace_id", "span_id"} & set(outside)


@contextmanager
def telemetry_into(written: io.StringIO) -> Iterator[None]:
    """Logs as production writes them, into memory."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("production", stream=written)
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


class Model:
    """An engine of fixed answers."""

    identity = Identity("vertex", "google/medgemma-27b-text-it", "abc1")
    capabilities = Capabilities()

    async def generate(self, request: Request) -> Generation:
        if request.waiting:
            raise QueueFull(SECRET)
        return Generation(text=SECRET, finish_reason="length", identity=self.identity, usage=Usage(120, 16))

    async def score_labels(self, request: Request, labels: Any) -> Scores:
        return Scores(logprobs=dict.fromkeys(labels, -1.0), identity=self.identity, usage=Usage(120, 0))


async def test_an_engine_is_described_as_the_conventions_say_and_its_words_stay_with_it(traces: Traces) -> None:
    engine = Traced(Model(), traces.tracing)
    label = "triage@1 sha256:0123456789abcdef"
    await engine.generate(Request(prompt=SECRET, max_tokens=200, label=label))
    await engine.score_labels(Request(prompt=SECRET, label=label), [SECRET])
    spans = await traces.ended()
    said, scored = spans["chat google/medgemma-27b-text-it"], spans["score_labels google/medgemma-27b-text-it"]
    assert said.kind is SpanKind.CLIENT
    assert dict(said.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.vertex_ai",
        "gen_ai.request.model": "google/medgemma-27b-text-it",
        "gen_ai.request.max_tokens": 200,
        "gen_ai.response.model": "google/medgemma-27b-text-it",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 16,
        "gen_ai.prompt.name": "triage@1",
        "cds.prompt.hash": "sha256:0123456789abcdef",
        "cds.engine": "vertex",
        "cds.engine.revision": "abc1",
        "cds.engine.waiting": False,
        "cds.images": 0,
    }
    assert (scored.attributes or {})["gen_ai.usage.input_tokens"] == 120
    assert "Muster" not in said.to_json() + scored.to_json()


async def test_an_engines_fault_is_its_reason_without_its_message(traces: Traces) -> None:
    with pytest.raises(QueueFull):
        await Traced(Model(), traces.tracing).generate(Request(prompt=SECRET, waiting=True))
    span = (await traces.ended())["chat google/medgemma-27b-text-it"]
    assert (span.attributes or {})["error.type"] == "queue_full"
    assert "Muster" not in span.to_json()


def test_names_that_are_not_our_own_are_those_of_the_conventions() -> None:
    known = {
        value
        for module in (gen_ai_attributes, error_attributes, http_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    names = [name for name, _ in ATTRIBUTES.values()]
    assert len(set(names)) == len(names)
    assert not {name for name in names if not name.startswith("cds.")} - known


def test_tracing_is_off_without_the_setting_and_its_span_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", COLLECTOR)
    assert tracing.of(Settings(mode="demo")) is OFF
    assert OFF.span("gather") is OFF.call("a", "b", "") is OFF.job(None) is OFF.current() is NOTHING
    assert OFF.here() is None
    assert OFF.headers() == {}


def test_without_the_extra_the_service_runs_untraced_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracing, "installed", lambda: False)
    with TestClient(create_app(Settings(mode="sandbox", state_dir=tmp_path, otlp_endpoint=COLLECTOR))) as client:
        answer = client.post("/cds-services/patient-summary", json=bodies.request())
    assert answer.status_code == 200
    assert "tracing is off, the extra otel is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("part", tracing.NEEDED)
def test_a_part_of_the_extra_that_is_missing_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracing.installed()
    monkeypatch.setitem(sys.modules, f"opentelemetry.{part}", None)
    assert not tracing.installed()


def test_the_frameworks_own_telemetry_stays_off_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(Collector()) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        with TestClient(create_app(Settings(mode="demo", state_dir=tmp_path))) as client:
            assert client.get("/simulator/fhir/Patient/demo-sepsis").status_code == 200
        assert collector.posted == []


@pytest.mark.parametrize("address", ["collector:4318", "ftp://collector", "http://user:password@collector:4318"])
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(ConfigurationError, match="CDS_OTLP_ENDPOINT"):
        tracing.of(Settings(mode="demo", otlp_endpoint=address))


@pytest.mark.parametrize("endpoint", ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"])
def test_spans_are_posted_below_the_base(endpoint: str) -> None:
    assert otlp.traces(endpoint) == "http://c:4318/v1/traces"


class Collector:
    """Takes what is posted."""

    url = ""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[bytes, bytes], bytes]] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.posted.append((scope["path"], dict(scope["headers"]), raw))
        await reply(send, 200, {})


def test_spans_of_a_call_reach_a_collector_over_the_wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-site=demo")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(Collector()) as collector:
        settings = Settings(mode="demo", state_dir=tmp_path, otlp_endpoint=collector.url)
        with TestClient(create_app(settings)) as client:
            client.post("/cds-services/patient-summary", json=bodies.request())
    path, headers, raw = collector.posted[0]
    assert path == "/v1/traces"
    assert headers[b"x-site"] == b"demo"
    sent = ExportTraceServiceRequest.FromString(raw)
    (resource,) = sent.resource_spans
    said = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert said["service.name"] == "medgemma-cds"
    assert said["deployment.environment.name"] == "demo"
    names = {span.name for scope in resource.scope_spans for span in scope.spans}
    assert names == {"POST /cds-services/patient-summary", "gather", "record", "rules"}


def test_a_collector_that_hangs_costs_no_call_and_does_not_hold_the_end_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "LAST_S", 0.3)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "20")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(
            mode="demo", state_dir=tmp_path, otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        with TestClient(create_app(settings)) as client:
            answer = client.post("/cds-services/patient-summary", json=bodies.request())
            assert answer.json()["cards"]
            ending = time.monotonic()
        assert time.monotonic() - ending < 15
    for sending in [thread for thread in threading.enumerate() if thread.name.startswith("OtelBatch")]:
        sending.join(30)  # the collector is gone by now: its connections are reset


def test_lost_spans_are_told_of_in_the_log_in_words_of_the_sdk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with TestClient(create_app(Settings(mode="sandbox", state_dir=tmp_path, otlp_endpoint=endpoint))) as client:
        client.post("/cds-services/patient-summary", json=bodies.request())
    lines = [line for line in capsys.readouterr().err.splitlines() if "trace_exporter" in line]
    assert any('"event":"Transient error"' in line or '"event":"Failed to export"' in line for line in lines), lines
    assert not [line for line in lines if "127.0.0.1" in line]


def doctor_says(settings: Settings) -> str:
    async def lines() -> list[str]:
        return [f"{check.what}: {check.state}, {check.say}" async for check in checks_of(settings)]

    return next(line for line in asyncio.run(lines()) if line.startswith("traces"))


def test_doctor_says_whether_traces_are_sent_and_whether_somebody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(endpoint: str = "") -> Settings:
        return Settings(mode="demo", state_dir=tmp_path, otlp_endpoint=endpoint)

    assert doctor_says(settings()).startswith("traces: ok, none are sent")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert doctor_says(settings(address)) == f"traces: ok, sent to {address}, which answers"
    assert doctor_says(settings(address)).startswith(f"traces: fault, nobody answers at {address}")
    assert doctor_says(settings("collector")).startswith("traces: fault, CDS_OTLP_ENDPOINT")
    monkeypatch.setattr(tracing, "installed", lambda: False)
    assert "medgemma-cds[otel]" in doctor_says(settings(address))


def test_the_page_for_operators_lists_every_attribute_and_setting() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    names = {sent for sent, _ in ATTRIBUTES.values()} | tracing.SPANS | {"CDS_OTLP_ENDPOINT", "CDS_TRACEPARENT_TO"}
    assert not {name for name in names if name not in page}
    written = set(re.findall(r"`((?:cds\.(?!toml`)|gen_ai\.|http\.|error\.)[a-z_.]+)`", page))
    assert written == {sent for sent, _ in ATTRIBUTES.values()}
