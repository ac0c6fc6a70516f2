"""The audit trail: complete, allow-listed, and together with every other sink free of PHI and tokens."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from cds_service import audit as audit_module
from cds_service import telemetry
from cds_service.audit import Audit, AuditFile, client_name, code, sentence
from cds_service.db.breaker import Breaker
from cds_service.hooks.protocol import Card, Coding, FHIRAuthorization, Source
from cds_service.hooks.replay import ReplayStore
from cds_service.metrics import Metrics
from cds_service.services.service import Answer, IssuedCard
from tests.db import postgres as fixtures
from tests.hooks.ledger_fixtures import CLIENT, TENANT, House, call, card, entry, finding

database_url, postgres = fixtures.database_url, fixtures.postgres

NAME, MRN, TOKEN, WORDS = "Quillfeather", "MRN90817263", "eyJhbGciOi.canary.token", "Zebediah told me"
CANARIES = (NAME, MRN, "90817263", TOKEN, "canary", "Zebediah", "told me")


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    made = House(database_url, tmp_path)
    await made.gateway.start()
    yield made
    await made.gateway.close()


def issued() -> IssuedCard:
    return card(finding(), prompt="record-summary@1 sha256:0f0f0f", engine="extractive")


async def events(house: House, n: int) -> list[dict[str, Any]]:
    return [json.loads(row["detail"]) for row in await house.rows("audit_event", n)]


async def test_a_hook_call_leaves_one_event_with_what_spoke_and_for_whom_as_hashes(house: House) -> None:
    audit = Audit(house.gateway, house.cipher, pack="sha256:aabbcc", clock=house.clock)
    shown = issued()
    audit.write(
        "hook",
        client=CLIENT,
        service="order-triage",
        hook="order-sign",
        hook_instance="one",
        patient="p1",
        user="Practitioner/7",
        outcome="partial",
        milliseconds={"total": 12.3456},
        issued=[shown],
        counts={"statements_dropped": 2, "nothing": 0},
        notes=["shadow:a-rule", "quiet:b-rule", "absent:Observation", "prefetch key missing"],
    )
    (row,) = await house.rows("audit_event", 1)
    assert (row["kind"], row["client"], row["service"], row["outcome"]) == ("hook", CLIENT, "order-triage", "partial")
    event = json.loads(row["detail"])
    assert event == {
        "event": "hook",
        "client": CLIENT,
        "service": "order-triage",
        "hook": "order-sign",
        "outcome": "partial",
        "cards": [shown.uuid],
        "rules": ["potassium-raas@1"],
        "prompts": ["record-summary@1 sha256:0f0f0f"],
        "engines": ["extractive"],
        "pack": "sha256:aabbcc",
        "counts": {"statements_dropped": 2},
        "milliseconds": {"total": 12.346},
        "shadow": ["a-rule"],
        "quiet": ["b-rule"],
        "notes": ["absent:Observation", "prefetch key missing"],
        "patient": house.cipher.pseudonym("patient", CLIENT, "p1"),
        "user": house.cipher.pseudonym("user", CLIENT, "Practitioner/7"),
        "hook_instance": house.cipher.pseudonym("hook_instance", CLIENT, "one"),
    }


async def test_the_reason_of_a_refusal_is_told_without_what_it_quotes(house: House) -> None:
    audit = Audit(house.gateway, house.cipher)
    reason = f"context.patientId is about {NAME} ('{MRN}'), the FHIR server says 404"
    audit.write("hook refused", service="order-triage", status=400, reason=reason)
    (event,) = await events(house, 1)
    assert event["reason"] == "context.patientId is about … … the FHIR server says …"
    assert event["status"] == 400


async def test_fields_that_are_not_on_the_list_are_dropped_and_counted(house: House) -> None:
    withheld: Counter[str] = Counter()
    audit = Audit(house.gateway, house.cipher, withheld=lambda name: withheld.update([name]))
    audit.write("hook", name=NAME, token=TOKEN, body={"x": MRN}, status=200)
    assert await events(house, 1) == [{"event": "hook", "status": 200}]
    assert withheld == {"audit_fields_withheld": 3}


@given(st.text(max_size=40))
def test_a_text_that_is_no_code_is_withheld(text: str) -> None:
    assert code(text) in (text, audit_module.WITHHELD)
    assert not any(c in code(text) for c in "\n\r\x00\"'<>|{}")
    assert " " not in client_name(text)
    assert all(word == "…" or word.isascii() for word in sentence(text).split())


async def test_events_are_written_to_a_file_of_json_lines_too(house: House, tmp_path: Path) -> None:
    path = tmp_path / "audit" / "events.jsonl"
    house.gateway.tap("audit_event", AuditFile(path).write)
    audit = Audit(house.gateway, house.cipher, clock=house.clock)
    audit.write("hook", service="order-triage")
    audit.write("feedback", service="order-triage", count=2)
    await house.rows("audit_event", 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["hook", "feedback"]
    assert lines[0]["time"] == "2026-09-21T14:13:20.000Z"
    assert path.stat().st_mode & 0o077 == 0


async def test_a_file_that_cannot_be_written_does_not_keep_events_from_the_database(house: House) -> None:
    house.gateway.tap("audit_event", AuditFile(Path("/dev/full")).write)
    Audit(house.gateway, house.cipher).write("hook", service="order-triage")
    assert len(await events(house, 1)) == 1


def everything_under(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


def canary_answer() -> Answer:
    shown = Card(summary=NAME, indicator="warning", source=Source(label=NAME), uuid="u", detail=f"{WORDS} {MRN}")
    counts = {"statements_dropped:number": 1, "refused_readings": 2}
    kept = card(finding(key=f"{NAME} {MRN}"))
    return Answer(cards=[shown], issued=[kept], counts=counts, notes=("absent:Observation", f"{NAME} {MRN}"))


@pytest.mark.parametrize("database", ["up", "down"])
async def test_no_sink_ever_holds_phi_or_a_token(tmp_path: Path, database: str) -> None:
    """Canaries in every place a caller can put text: ids, cards, notes, feedback, messages, exceptions, log fields."""
    logged = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("production", stream=logged)
    house, metrics = House(f"sqlite:///{tmp_path / 'cds.sqlite3'}", tmp_path), Metrics()
    await house.gateway.start()
    if database == "down":
        locker = sqlite3.connect(tmp_path / "cds.sqlite3", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        house.gateway.breaker = Breaker(failures=1, rest=60)
        house.gateway.breaker.failed()
    house.gateway.tap("audit_event", AuditFile(tmp_path / "audit.jsonl").write)
    replay = ReplayStore(house.gateway, house.cipher, window_s=300)
    audit = Audit(house.gateway, house.cipher)

    asked = call(user=f"Practitioner/{MRN}", patient=MRN)
    asked.request.fhirAuthorization = FHIRAuthorization(access_token=TOKEN, subject=NAME)
    answer = canary_answer()
    replay.keep(TENANT, "order-triage", MRN, TOKEN.encode(), f"{NAME} {WORDS}".encode())
    house.ledger.issue(TENANT, asked, answer.issued)
    metrics.call("order-triage", answer, 0.01)
    audit.write(
        "hook",
        client=f"{CLIENT}?token={TOKEN}",
        patient=MRN,
        user=NAME,
        hook_instance=MRN,
        issued=answer.issued,
        notes=answer.notes,
        counts={f"{NAME} x": 1},
        reason=f"{NAME}: '{MRN}'",
        body=asked,
    )
    reasons = (Coding(code=f"{NAME} {MRN}", system=f"http://x/{NAME} y", display=NAME),)
    said = {"reasons": reasons, "comment": f"{NAME} {MRN} {WORDS}", "suggestions": (MRN,)}
    await house.ledger.settle(TENANT, "order-triage", [entry(answer.issued[0], **said), entry(MRN, **said)])
    try:
        raise ValueError(f"{NAME} {TOKEN}")
    except ValueError:
        telemetry.log("x").exception("hook broke", patient=MRN, reason=f"{NAME} {MRN}", call=asked)
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application %s", NAME)
    await house.gateway.close(grace=0.5 if database == "down" else 5)
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)

    disk = everything_under(tmp_path)
    sinks = {"disk": disk, "logs": logged.getvalue(), "metrics": metrics.exposition()[0].decode(), "repr": repr(asked)}
    for place, text in sinks.items():
        assert text
        secrets = [TOKEN, "canary"] if place == "repr" else CANARIES
        assert [canary for canary in secrets if canary in text] == [], place
    assert answer.issued[0].uuid in disk
    assert list((tmp_path / "spool").glob("*")) if database == "down" else True
    if database == "down":
        locker.close()
