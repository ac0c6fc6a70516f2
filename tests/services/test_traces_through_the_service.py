"""The spans of whole hook calls: who is below whom, what they say, and that they say nothing of a patient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from msgspec import field
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

from cds_service import otlp
from cds_service.app import create_app
from cds_service.commands.embedded import embedded
from cds_service.settings import Settings
from cds_service.tracing import ATTRIBUTES
from cds_service.web.simulator.patients import load_patients
from cds_service.web.simulator.patients.demo_patient import DemoPatient
from tests.conformance import bodies
from tests.models.answering_engine import Receive, Send, Server, obedient, reply, serving
from tests.services.ended import ended, until
from tests.services.test_orders_with_a_model import draft
from tests.test_web_process import call_everything

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # dbos's own statements on SQLite

COLLECTOR = "http://127.0.0.1:4318"
ABOVE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SIGN = "POST /cds-services/order-triage"
VIEW = "POST /cds-services/patient-summary"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where the service's spans go. They are all there once it has stopped."""
    memory = InMemorySpanExporter()
    monkeypatch.setattr(otlp, "exporter", lambda _settings: memory)
    return memory


def traced(folder: Path, **more: Any) -> TestClient:
    return TestClient(create_app(Settings(mode="demo", state_dir=folder, otlp_endpoint=COLLECTOR, **more)))


def tree(spans: Sequence[ReadableSpan], root: ReadableSpan) -> dict[str, Any]:
    """The names below a span, each with those below it."""
    assert root.context is not None
    below = [span for span in spans if span.parent is not None and span.parent.span_id == root.context.span_id]
    return {span.name: tree(spans, span) for span in below}


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_patient_view_is_one_tree_below_the_clients_span(memory: InMemorySpanExporter, tmp_path: Path) -> None:
    with traced(tmp_path) as client:
        answer = client.post("/cds-services/patient-summary", json=bodies.request(), headers={"traceparent": ABOVE})
    cards = answer.json()["cards"]
    spans = memory.get_finished_spans()
    (call,) = [span for span in spans if span.name == VIEW]
    assert tree(spans, call) == {"gather": {}, "record": {}, "rules": {}}
    assert call.kind is SpanKind.SERVER
    assert call.parent is not None
    assert f"{call.parent.trace_id:032x}-{call.parent.span_id:016x}" == ABOVE[3:-3]
    assert said(call) == {
        "http.request.method": "POST",
        "http.route": "/cds-services/patient-summary",
        "http.response.status_code": 200,
        "cds.service": "patient-summary",
        "cds.hook": "patient-view",
        "cds.profile": "spec",
        "cds.outcome": "complete",
        "cds.deadline_ms": 1500,
        "cds.cards": len(cards),
    }
    rules = next(span for span in spans if span.name == "rules")
    assert said(rules)["cds.rules.findings"] > 0
    assert said(rules)["cds.rules.pack"].startswith("sha256:")


def test_a_refused_call_says_its_status_and_a_broken_one_that_it_is_one(
    memory: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("Eleonora Muster")

    with traced(tmp_path) as client:
        client.post("/cds-services/patient-summary", json={"hook": "patient-view"})
        monkeypatch.setattr("cds_service.services.chart.evaluate_record", breaks)
        assert client.post("/cds-services/patient-summary", json=bodies.request()).json()["cards"]
    refused, broken = [span for span in memory.get_finished_spans() if span.name == VIEW]
    assert said(refused)["http.response.status_code"] == 400
    assert said(refused)["cds.outcome"] == "refused"
    assert refused.status.status_code is StatusCode.UNSET
    assert said(broken)["cds.outcome"] == "failed"
    assert broken.status.status_code is StatusCode.ERROR
    rules = next(span for span in memory.get_finished_spans() if span.name == "rules")
    assert said(rules)["error.type"] == "RuntimeError"
    assert not [span for span in memory.get_finished_spans() if "Muster" in span.to_json()]


def order_sign(client: TestClient) -> None:
    """One order-sign of a patient with a critical potassium."""
    body = {
        "hook": "order-sign",
        "hookInstance": str(uuid4()),
        "context": {
            "userId": "Practitioner/7",
            "patientId": bodies.PATIENT,
            "draftOrders": bodies.bundle(draft(), kind="collection"),
        },
        "prefetch": {"patient": bodies.patient(), "laboratory": bodies.bundle(bodies.potassium())},
    }
    assert client.post("/cds-services/order-triage", json=body).status_code == 200


class Heard(Server):
    """A model's server that remembers the spans it was told of."""

    above: list[str] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        told = dict(scope.get("headers", ())).get(b"traceparent", b"").decode()
        self.above += [told] if told else []
        await super().__call__(scope, receive, send)


def test_an_order_sign_shows_its_jobs_and_what_the_model_was_asked_below_the_call(
    memory: InMemorySpanExporter, tmp_path: Path
) -> None:
    server = Heard(content=obedient)
    with serving(server):
        engine = {"text_engine": "openai", "text_base_url": server.url, "text_model": "tiny"}
        with traced(tmp_path, traceparent_to=["engines"], **engine) as client:

            def answered() -> bool:
                order_sign(client)
                return ended(tmp_path, "triage", "order-review")

            until(answered)
    spans = memory.get_finished_spans()
    calls = [span for span in spans if span.name == SIGN]
    trees = [tree(spans, call) for call in calls]
    assert all({"gather", "record", "rules"} <= set(found) for found in trees)
    assert {"chat tiny": {}} in [found.get("assessment job") for found in trees]
    asked = [said(span) for span in spans if span.name == "chat tiny"]
    assert {each["gen_ai.prompt.name"] for each in asked} >= {"triage@2", "order-review@2"}
    for each in asked:
        assert re.fullmatch("sha256:[0-9a-f]{16}", each["cds.prompt.hash"])
        assert each["gen_ai.usage.input_tokens"] == 9
        assert each["gen_ai.usage.output_tokens"] == 5
        assert each["gen_ai.response.finish_reasons"] == ("stop",)
    chats = [span.context for span in spans if span.name == "chat tiny"]
    told = sorted(above.rpartition("-")[0] for above in server.above)  # the rest are flags
    assert told == sorted(f"00-{chat.trace_id:032x}-{chat.span_id:016x}" for chat in chats if chat is not None)
    jobs = [said(span) for span in spans if span.name == "assessment job"]
    assert {job["cds.task"] for job in jobs} >= {"text:triage", "text:order-review"}
    assert {job["cds.outcome"] for job in jobs} <= {"done", "failed", "again"}
    assert "7.1" not in str(asked) + str(jobs)
    assert not [span for span in spans if bodies.PATIENT in span.to_json()]


async def test_no_span_holds_a_word_of_a_demo_patient(
    memory: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_OTLP_ENDPOINT", COLLECTOR)
    async with embedded(tmp_path) as base:
        await call_everything(base)
    spans = memory.get_finished_spans()
    assert len({span.name for span in spans}) >= 7
    told = [text for span in spans for text in texts_of(span)]
    words = {word for patient in load_patients(datetime.now(UTC)) for word in telling(patient)}
    assert len(words) > 500
    assert not [(word, text) for text in told for word in words if word in text]
    names = {sent for sent, _ in ATTRIBUTES.values()}
    assert {name for span in spans for name in said(span)} <= names
    assert not [value for span in spans for value in said(span).values() if isinstance(value, float)]


def texts_of(span: ReadableSpan) -> Iterator[str]:
    """Every text of a span that goes out, hashes of ours apart."""
    assert not span.events
    assert not span.links
    assert not span.status.description
    yield span.name
    for value in said(span).values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, str) and not each.startswith("sha256:"):
                yield each


def telling(patient: DemoPatient) -> Iterator[str]:
    """The texts of a patient's resources that tell something: ids, names, dates, codes, values, notes; no words of FHIR."""

    def leaves(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for value in node.values():
                yield from leaves(value)
        elif isinstance(node, list):
            for value in node:
                yield from leaves(value)
        elif isinstance(node, str) or (isinstance(node, float) and not node.is_integer()):
            yield str(node)

    yield patient.id
    for text in leaves([*map(msgspec.json.decode, patient.resources), patient.draft_orders]):
        if len(text) >= 4 and not re.fullmatch("[a-z-]+", text):
            yield text


class Ehr:
    """A FHIR server that has one patient, and remembers the headers it was sent."""

    url = ""

    def __init__(self) -> None:
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.headers.append(dict(scope["headers"]))
        await reply(send, 200, bodies.patient() if "/Patient/" in scope["path"] else bodies.bundle())


@pytest.mark.parametrize("onward", [[], ["records"]])
def test_a_record_server_is_sent_a_traceparent_only_where_the_operator_wants_it(
    memory: InMemorySpanExporter, tmp_path: Path, onward: list[str]
) -> None:
    with serving(Ehr()) as ehr, traced(tmp_path, fhir_allow=[ehr.url], traceparent_to=onward) as client:
        body = {**bodies.request(), "fhirServer": f"{ehr.url}/fhir"}
        client.post("/cds-services/patient-summary", json=body, headers={"traceparent": ABOVE})
    gather = next(span for span in memory.get_finished_spans() if span.name == "gather")
    assert said(gather)["cds.gather.fetched"] > 0
    assert ehr.headers
    assert gather.context is not None
    below = f"00-{gather.context.trace_id:032x}-{gather.context.span_id:016x}-01".encode()
    assert {headers.get(b"traceparent") for headers in ehr.headers} == ({below} if onward else {None})
    assert not [headers for headers in ehr.headers if b"tracestate" in headers]
