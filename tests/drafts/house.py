"""Drafts over a fresh database and the simulator on a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI

from cds_service.db.gateway import Gateway
from cds_service.drafts.draft import Person
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import WriteBack
from cds_service.encryption import Cipher
from cds_service.web.simulator.router import attach_simulator
from cds_service.web.simulator.store import Store
from fhir_adapters.client import FhirClient
from fhir_adapters.outbound import Outbound

PERSON = Person(reference="Practitioner/demo-practitioner")
WHERE = {"patient": "demo-pneumonia", "study_reference": "ImagingStudy/s1", "tenant": "t"}


class Gate:
    """In front of the record: refuses writes with a status, or asks for a token that it hands out itself."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.refusals: list[int] = []  # of the writes to come
        self.good: set[str] | None = None  # tokens that are taken; None: nobody is asked
        self.handed_out = 0
        self.writes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/token":
            self.handed_out += 1
            self.good = {f"t{self.handed_out}"}
            token = {"access_token": f"t{self.handed_out}", "token_type": "bearer", "expires_in": 300}
            return await _answer(send, 200, msgspec.json.encode(token))
        if scope["type"] == "http" and scope["path"].startswith("/simulator/fhir"):
            given = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
            if self.good is not None and given not in self.good:
                challenge = (b"www-authenticate", b'Bearer error="invalid_token"')
                return await _answer(send, 401, b"{}", challenge)
            if scope["method"] == "POST":
                self.writes += 1
                if self.refusals:
                    return await _answer(send, self.refusals.pop(0), b'{"resourceType":"OperationOutcome"}')
        return await self._app(scope, receive, send)


async def _answer(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    kind = (b"content-type", b"application/fhir+json")
    await send({"type": "http.response.start", "status": status, "headers": [kind, *headers]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving() -> Iterator[tuple[str, Store, Gate]]:
    """The FHIR base of a simulator behind a gate, its store, the gate."""
    app = FastAPI()
    store = attach_simulator(app, base_url=None, clock=lambda: datetime.now(UTC))
    gate = Gate(app)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(gate, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/simulator/fhir", store, gate
        finally:
            server.should_exit = True
            thread.join(timeout=10)


class House:
    """Drafts over a fresh database (so a fresh key: new identifiers) and the shared record."""

    def __init__(self, base: str, store: Store, folder: Path, outbound: Outbound, gate: Gate) -> None:
        self.ahead_s = 0  # of the clock that claims run out by
        self.base, self.outbound, self.gate = base, outbound, gate
        self.record, self.cipher = store, Cipher([folder.name.encode().ljust(32, b"x")[-32:]])
        self.gateway = Gateway(f"sqlite:///{folder / 'd.sqlite3'}", folder)

        async def connect(_deadline: float) -> FhirClient:
            return FhirClient(outbound, base)

        self.connect = connect
        self.drafts = self.make()

    def make(self, **options: Any) -> Drafts:
        stored = DraftStore(self.gateway, self.cipher, clock=lambda: time.time() + self.ahead_s)
        write_back = options.pop("write_back", None) or WriteBack(self.connect, {"rule-pack": "sha256:bb"})
        return Drafts(stored, self.cipher, write_back, **options)

    def reports(self, identifier: str) -> list[dict[str, Any]]:
        return [
            body for body in self.kept("DiagnosticReport") if body.get("identifier", [{}])[0].get("value") == identifier
        ]

    def kept(self, kind: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(row.body) for row in self.record.compartment(kind).rows.values()]

    def provenances(self, report: str) -> list[dict[str, Any]]:
        return [p for p in self.kept("Provenance") if any(t["reference"] == report for t in p["target"])]

    def of_draft(self, kind: str, report: str) -> list[dict[str, Any]]:
        """Tasks of a report, or its Observations by their study."""
        if kind == "Task":
            return [body for body in self.kept(kind) if body["focus"]["reference"] == report]
        origin = next(p for p in self.provenances(report) if p["activity"]["coding"][0]["code"] == "CREATE")
        named = {target["reference"] for target in origin["target"]}
        return [body for body in self.kept(kind) if f"{kind}/{body['id']}" in named]
