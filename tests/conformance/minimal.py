"""The smallest house the hook routes run in: real routes, real services of a few lines, stores in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from cds_service.errors import MissingData, WrongPatient
from cds_service.hooks import cors
from cds_service.hooks.admission import Shares
from cds_service.hooks.clients.auth import ClientAuth
from cds_service.hooks.ports import Clients, House
from cds_service.hooks.protocol import Card, Coding, FeedbackEntry, Source
from cds_service.hooks.router import attach_router
from cds_service.rules.catalogue import Switch
from cds_service.services.service import Answer, Call, IssuedCard, Service
from cds_service.settings import Settings

Answering = Callable[[Call], Awaitable[Answer]]


class Answers:
    """First answers, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str, bytes], bytes] = {}

    def fingerprint(self, body: bytes) -> bytes:
        return sha256(body).digest()

    async def find(
        self, client: str, service: str, hook_instance: str, body_hash: bytes, deadline: float
    ) -> bytes | None:
        return self.kept.get((client, service, hook_instance, body_hash))

    def keep(self, client: str, service: str, hook_instance: str, body_hash: bytes, body: bytes) -> None:
        self.kept[client, service, hook_instance, body_hash] = body


class Cards:
    """Issued cards and feedback, in memory."""

    def __init__(self) -> None:
        self.issued: list[tuple[str, Call, IssuedCard]] = []
        self.entries: list[tuple[str, str, FeedbackEntry]] = []

    def issue(self, client: str, call: Call, cards: Sequence[IssuedCard]) -> None:
        self.issued += [(client, call, card) for card in cards]

    def feedback(self, client: str, service: str, entries: Sequence[FeedbackEntry]) -> None:
        self.entries += [(client, service, entry) for entry in entries]


class Lines:
    """The audit log, in memory."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    def reasons(self) -> list[object]:
        """Why requests were refused, in order."""
        return [fields["reason"] for event, fields in self.lines if event.endswith("refused")]


class Counts:
    """Counters, in memory."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def call(self, service: str, answer: Answer, seconds: float) -> None:
        self.counted[f"{service}:{answer.outcome}"] += 1

    def count(self, name: str, n: int = 1) -> None:
        self.counted[name] += n


class Positions:
    """Switches: all on unless set otherwise."""

    def __init__(self) -> None:
        self.set: dict[str, Switch] = {}

    def service(self, service_id: str) -> Switch:
        return self.set.get(service_id, Switch.ON)


class Echo:
    """A service that asks for the patient and says that it saw them."""

    def __init__(self, id_: str, hook: str, answering: Answering | None = None) -> None:
        self.id = id_
        self.hook = hook
        self.title = id_.replace("-", " ").capitalize()
        self.description = "Says that it saw the patient."
        self.prefetch: Mapping[str, str] = {
            "patient": "Patient/{{context.patientId}}",
            "laboratory": "Observation?patient={{context.patientId}}&category=laboratory&_sort=-date&_count=100",
        }
        self.calls: list[Call] = []
        self._answering = answering

    async def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if self._answering is not None:
            return await self._answering(call)
        patient = msgspec.json.decode(call.request.prefetch.get("patient", msgspec.Raw(b"null")))
        if not patient:
            raise MissingData("required prefetch key 'patient' is not available: not asked")
        if patient.get("id") != call.request.context.patientId:
            raise WrongPatient("prefetch is about another patient than the context")
        return Answer(cards=[card("The patient was seen")], counts={"facts": 1})


def card(summary: str, **members: Any) -> Card:
    """A card with what the specification requires, and a static topic."""
    topic = Coding(code="seen", system="urn:example:rule", display="Patient seen")
    return Card(**{"indicator": "info", "source": Source(label="Echo", topic=topic), "summary": summary, **members})


def services(answering: Answering | None = None) -> dict[str, Service]:
    """One service a hook, with the ids of the real ones; all answer by ``answering`` where given."""
    made = [
        Echo("patient-summary", "patient-view", answering),
        Echo("order-precheck", "order-select", answering),
        Echo("order-triage", "order-sign", answering),
        Echo("encounter-brief", "encounter-start", answering),
    ]
    return {service.id: service for service in made}


async def unreachable(url: str, deadline: float) -> object | None:
    """The door out of a house without a network."""
    return None


class Minimal:
    """A composed app and everything a test may look into."""

    def __init__(
        self,
        settings: Settings,
        offered: Mapping[str, Service] | None = None,
        clients: Clients | None = None,
        shares: Shares | None = None,
    ) -> None:
        self.services = offered if offered is not None else services()
        self.replay, self.ledger, self.audit = Answers(), Cards(), Lines()
        self.metrics, self.switches = Counts(), Positions()
        self.app = FastAPI()
        house = House(
            settings=settings,
            services=self.services,
            clients=clients or ClientAuth(settings, unreachable),
            replay=self.replay,
            ledger=self.ledger,
            audit=self.audit,
            metrics=self.metrics,
            switches=self.switches,
            clock=lambda: datetime.now(UTC),
        )
        attach_router(self.app, house, shares)
        self.app.add_middleware(CORSMiddleware, **cors.options(settings))
