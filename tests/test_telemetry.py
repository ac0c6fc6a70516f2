"""Logs that cannot hold PHI, metrics that cannot grow without bound."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

import cds_service
from cds_service import telemetry
from cds_service.hooks.protocol import Card, Source
from cds_service.metrics import _COUNTERS, CHILDREN, Metrics
from cds_service.services.service import Answer, IssuedCard

NAME, MRN, TOKEN = "Zebediah Quillfeather", "MRN-90817263", "eyJhbGciOi.canary.token"
CANARIES = (NAME, "Zebediah", MRN, "90817263", TOKEN)


class Sink(io.StringIO):
    """What was logged, as text and as events."""

    def events(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def withheld() -> Counter[str]:
    return Counter()


@pytest.fixture
def sink(withheld: Counter[str]) -> Iterator[Sink]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = Sink()
    telemetry.configure("production", withheld=lambda name: withheld.update([name]), stream=out)
    yield out
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def assert_clean(sink: Sink) -> None:
    assert sink.getvalue()
    assert [canary for canary in CANARIES if canary in sink.getvalue()] == []


def test_an_event_of_our_own_is_one_json_line_with_its_allowed_fields(sink: Sink) -> None:
    telemetry.log("cds_service.hooks.router").warning(
        "fhir fault", reason="timed out", service="patient-summary", count=2
    )
    (event,) = sink.events()
    assert event.pop("time").endswith("Z")
    assert event == {
        "event": "fhir fault",
        "level": "warning",
        "module": "hooks.router",
        "reason": "timed out",
        "service": "patient-summary",
        "count": 2,
    }


def test_unknown_fields_are_dropped_and_counted(sink: Sink, withheld: Counter[str]) -> None:
    telemetry.log("x").error("refused", patient=MRN, name=NAME, token=TOKEN, status=400)
    assert_clean(sink)
    assert set(sink.events()[0]) == {"event", "level", "module", "status", "time"}
    assert withheld["log_fields_withheld"] == 3


@pytest.mark.parametrize("text", [f"patient {NAME}", f"{MRN} not found", "x" * 200, "Capital", "", 5, None])
def test_an_event_that_is_not_plain_words_is_withheld(sink: Sink, withheld: Counter[str], text: Any) -> None:
    telemetry.log("x").error(text)
    assert sink.events()[0]["event"] == telemetry.WITHHELD
    assert withheld["log_fields_withheld"] == 1


@pytest.mark.parametrize("value", [NAME, {"name": NAME}, f"http://x/Patient?name={NAME}", b"bytes", "a\nb", "x" * 200])
def test_an_allowed_field_takes_only_words_and_numbers(sink: Sink, value: Any) -> None:
    telemetry.log("x").error("refused", reason=value)
    assert_clean(sink)
    assert sink.events()[0]["reason"] == telemetry.WITHHELD


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://ehr.example.org/fhir/Patient?name=Zebediah", "https://ehr.example.org"),
        ("https://Zebediah:secret@ehr.example.org:8443/x", "https://ehr.example.org:8443"),
        ("anonymous", "anonymous"),
        ("https://", telemetry.WITHHELD),
        ("https://[", telemetry.WITHHELD),
        ("Zebediah Quillfeather", telemetry.WITHHELD),
    ],
)
def test_of_an_address_only_the_origin_is_logged(sink: Sink, value: str, shown: str) -> None:
    telemetry.log("x").error("refused", origin=value)
    assert sink.events()[0]["origin"] == shown


def test_an_exception_is_logged_by_kind_and_place_without_its_message(sink: Sink) -> None:
    try:
        int(NAME)
    except ValueError:
        telemetry.log("x").exception("reader failed")
    assert_clean(sink)
    (event,) = sink.events()
    assert (event["error"], event["level"]) == ("ValueError", "error")
    assert event["where"][-1].startswith("test_telemetry.py:")


def test_other_packages_log_without_arguments_messages_or_query_strings(sink: Sink) -> None:
    logging.getLogger("uvicorn.access").info('%s - "GET /x?name=%s"', "1.2.3.4", NAME)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" 403', "1.2.3.4", f"/x?name={NAME}")
    logging.getLogger("httpx2").info("HTTP Request: GET https://ehr/Patient?name=%s", NAME)
    logging.getLogger("some.package").warning("could not read %s", NAME)
    logging.getLogger("some.package").warning(f"{NAME} could not be read")  # noqa: G004
    try:
        raise RuntimeError(MRN)
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"deprecated for '{MRN}'", UserWarning, stacklevel=1)
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {NAME!r}")  # noqa: G004
    assert_clean(sink)
    assert "name=" not in sink.getvalue()
    assert [(e["module"], e["event"]) for e in sink.events()] == [
        ("uvicorn.error", telemetry.WITHHELD),
        ("some.package", telemetry.WITHHELD),
        ("some.package", telemetry.WITHHELD),
        ("uvicorn.error", "Exception in ASGI application"),
        ("py.warnings", telemetry.WITHHELD),
        ("asyncio", "Task exception was never retrieved"),
    ]
    assert sink.events()[1]["where"][0].startswith("test_telemetry.py:")
    assert sink.events()[3]["error"] == "RuntimeError"


def test_where_the_server_listens_is_told_in_full(sink: Sink) -> None:
    logging.getLogger("uvicorn.error").info(
        "Uvicorn running on %s://%s:%d (Press CTRL+C to quit)", "http", "0.0.0.0", 80
    )
    assert sink.events()[0]["event"] == "Uvicorn running on http://0.0.0.0:80 (Press CTRL+C to quit)"


def test_demo_writes_for_people(sink: Sink) -> None:
    out = io.StringIO()
    telemetry.configure("demo", stream=out)
    telemetry.log("x").info("service started", port=8000, patient=MRN)
    assert "service started" in out.getvalue()
    assert "port=8000" in out.getvalue()
    assert MRN not in out.getvalue()


def answer(**members: Any) -> Answer:
    card = Card(summary=NAME, indicator="warning", source=Source(label="x"), uuid="u")
    issued = IssuedCard(uuid="u", service="patient-summary", indicator="warning")
    return Answer(cards=[card], issued=[issued], **members)


def test_a_call_is_seen_in_every_metric_it_belongs_to() -> None:
    metrics = Metrics()
    counts = {
        "statements_dropped:number": 2,
        "fhir_faults:timed out": 1,
        "unreadable:unknown unit": 3,
        "odd_things": 4,
    }
    metrics.call("patient-summary", answer(counts=counts, outcome="partial"), 0.02)
    metrics.rows("spooled", 5)
    text = metrics.exposition()[0].decode()
    for line in (
        'cds_calls_total{outcome="partial",service="patient-summary"} 1.0',
        'cds_cards_total{indicator="warning",service="patient-summary"} 1.0',
        'cds_hook_seconds_bucket{le="0.025",service="patient-summary"} 1.0',
        'cds_hook_seconds_bucket{le="0.01",service="patient-summary"} 0.0',
        'cds_statements_dropped_total{reason="number"} 2.0',
        'cds_fhir_faults_total{reason="timed out"} 1.0',
        'cds_unreadable_total{reason="unknown unit"} 3.0',
        'cds_others_total{name="odd_things"} 4.0',
        'cds_database_rows_total{fate="spooled"} 5.0',
    ):
        assert line in text
    assert NAME not in text


# counted by methods of Metrics itself
BY_METHOD = {"calls", "cards", "engine_requests", "engine_tokens", "database_rows", "others"}


@pytest.mark.parametrize("family", sorted(set(_COUNTERS) - BY_METHOD))
def test_every_family_is_counted_somewhere_in_the_service(family: str) -> None:
    """A series that never moves tells an operator that all is well."""
    asked = re.compile(rf"""["']{family}["':]""")
    files = [file for file in Path(cds_service.__file__).parent.rglob("*.py") if file.name != "metrics.py"]
    assert any(asked.search(file.read_text()) for file in files)


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for number in range(CHILDREN * 3):
        metrics.count(f"fhir_faults:reason {number}")
    lines = [
        line for line in metrics.exposition()[0].decode().splitlines() if line.startswith("cds_fhir_faults_total{")
    ]
    assert len(lines) == CHILDREN + 1
    assert f'cds_fhir_faults_total{{reason="other"}} {CHILDREN * 2}.0' in lines


def test_queue_spool_and_breakers_are_read_at_the_scrape() -> None:
    class Database:
        depth, spooled, state = 7, 1024, "open"

    metrics = Metrics()
    metrics.watch(Database())
    metrics.watch_breaker("database", Database())
    text = metrics.exposition()[0].decode()
    assert "cds_database_queue_depth 7.0" in text
    assert "cds_database_spool_bytes 1024.0" in text
    assert 'cds_breaker{name="database"} 2.0' in text
