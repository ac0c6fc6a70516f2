"""One hook call from arrival to bytes: who calls, what is asked, the service under its deadline, the answer on record.

Order matters. Shedding comes before the token is looked at (a shed call may come again with the same token), the token
before the body is read, the body's checks before any service runs. Every refusal and every answer leaves an audit line.
"""

from __future__ import annotations

import time
from asyncio import get_running_loop
from typing import NamedTuple

from msgspec.structs import replace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from cds_service.errors import BadRequest, CdsError, Unavailable, UnknownService, WrongPatient
from cds_service.hooks import body, discovery, feedback, notices, outcomes, protocol, request, response
from cds_service.hooks.admission import Gate, Shares
from cds_service.hooks.clients import profiles
from cds_service.hooks.clients.auth import OWN_MEMORY, Trusted
from cds_service.hooks.clients.fhir_server import FhirServers
from cds_service.hooks.flights import Flights
from cds_service.hooks.guard import Guard
from cds_service.hooks.ports import House
from cds_service.hooks.request import Parsed
from cds_service.rules.catalogue import Switch
from cds_service.services.service import Answer, Call, Service
from cds_service.telemetry import log

REPLAY_S = 0.05  # most a look into the store of first answers may take
FEEDBACK_KEYS_S = 2.0  # most that feedback, which has no deadline, waits for a client's keys
REFUSAL_S = 0.05  # of a call's deadline, kept for its refusal when the keys do not come
JSON = "application/json"
NOTHING = protocol.encode(protocol.Response(cards=[]))
SECURITY = frozenset({"login", "security", WrongPatient.code})  # refusals an audit looks for first
HEADERS = {"Cache-Control": "no-store"}
_log = log(__name__)


class Asked(NamedTuple):
    """One accepted call."""

    service: Service
    call: Call
    question: tuple[str, str, str, bytes]  # client and tenant, service, hookInstance, fingerprint of what is asked
    notes: tuple[str, ...]
    arrival: float  # event loop's clock


class Serving:
    """What the routes delegate to. Holds limits and calls at work, nothing of a patient once a call is answered."""

    def __init__(self, house: House, shares: Shares | None = None) -> None:
        self._house = house
        self._profiles = profiles.choose(house.settings.clients)
        self._fhir_servers = FhirServers(house.settings)
        self._gate = Gate(house.settings.max_concurrent_calls)
        self._shares = shares or (Shares(time.monotonic) if house.settings.mode == "production" else None)
        self._flights = Flights()
        self._documents = discovery.Documents(house.services, house.switches)
        self._guard = Guard()

    def discover(self) -> Response:
        """GET /cds-services: bytes prepared before, no I/O, no lock, no token (rows D1, D7)."""
        return Response(self._documents.current(), 200, media_type=JSON)

    async def invoke(self, http: Request, service: Service) -> Response:
        """POST /cds-services/{id}: 200 with cards, or an error with an OperationOutcome (rows R1–R8, A1, A2)."""
        arrival = get_running_loop().time()
        trusted: Trusted | None = None
        patient = ""
        try:
            with self._gate:
                trusted = await self._admit(
                    http, f"/cds-services/{service.id}", self._keys_until(service.hook, arrival)
                )
                if self._house.switches.service(service.id) is Switch.OFF:
                    raise UnknownService(f"service '{service.id}' is switched off here")
                sent = await body.read(http, self._house.settings.max_body_bytes)
                parsed = request.parse(sent, service.hook)
                patient = parsed.request.context.patientId
                answer = await self._answer(service, parsed, trusted, arrival)
        except (CdsError, ClientDisconnect) as error:
            return self._refuse(error, "hook refused", service.id, trusted, patient)
        except Exception as error:  # noqa: BLE001 - the last guard before the wire
            return self._broken(service, error)
        return Response(answer, 200, HEADERS, JSON)

    def unknown(self, path: str) -> Response:
        """Any other address below /cds-services: 404."""
        error = UnknownService("no such service; GET /cds-services lists them")
        return self._refuse(error, "feedback refused" if path.endswith("/feedback") else "hook refused")

    async def take_feedback(self, http: Request, service: Service) -> Response:
        """POST /cds-services/{id}/feedback: 200 once the entries are taken (row F1)."""
        trusted: Trusted | None = None
        try:
            until = get_running_loop().time() + FEEDBACK_KEYS_S
            trusted = await self._admit(http, f"/cds-services/{service.id}/feedback", until)
            taken = feedback.parse(await body.read(http, feedback.LARGEST_BODY))
            self._house.ledger.feedback(trusted.key, service.id, taken.entries)
        except (CdsError, ClientDisconnect) as error:
            return self._refuse(error, "feedback refused", service.id, trusted)
        except Exception as error:  # noqa: BLE001 - the last guard before the wire
            _log.error("feedback broke", service=service.id, exc_info=error)
            return self._refuse(Unavailable("feedback could not be kept"), "feedback refused", service.id, trusted)
        if taken.unusable:
            self._house.metrics.count("feedback:unreadable", taken.unusable)
        self._house.audit.write(
            "feedback",
            service=service.id,
            client=trusted.name,
            count=len(taken.entries),
            cards=[entry.card for entry in taken.entries],
            reasons=[reason.code for entry in taken.entries for reason in entry.reasons],
            notes=[trusted.note] if trusted.note else [],
        )
        return Response(b"", 200, HEADERS)

    def _keys_until(self, hook: str, arrival: float) -> float:
        """Until when a call may wait for keys: it is refused (503) before its deadline, whoever sent it."""
        return arrival + (self._house.settings.deadline_ms / 1000 or self._profiles.shortest(hook)) - REFUSAL_S

    async def _admit(self, http: Request, path: str, keys_until: float) -> Trusted:
        trusted = await self._house.clients.verify(http.headers.get("authorization", ""), path, keys_until)
        if trusted.note == OWN_MEMORY:
            self._house.metrics.count("token_ids:not shared")
        if self._shares is not None:
            self._shares.take(trusted.key)
        return trusted

    def _refuse(
        self,
        error: CdsError | ClientDisconnect,
        event: str,
        service: str = "",
        who: Trusted | None = None,
        patient: str = "",
    ) -> Response:
        """An error answer and its audit line; the reason of a 401 stays in the latter (row J7)."""
        told = error if isinstance(error, CdsError) else BadRequest("the client went away")
        self._house.metrics.count(f"refused:{told.status}")
        self._house.audit.write(
            event,
            service=service,
            client=who.name if who else "",
            patient=patient,
            status=told.status,
            reason=told.message,
            outcome="security" if told.code in SECURITY else "refused",
            notes=[f"claimed:{told.claimed}"] if told.claimed else [],
        )
        return outcomes.response(told)

    async def _answer(self, service: Service, parsed: Parsed, trusted: Trusted, arrival: float) -> bytes:
        asked = self._asked(service, parsed, trusted, arrival)

        async def first() -> bytes:
            soon = min(asked.call.deadline, get_running_loop().time() + REPLAY_S)
            kept = await self._house.replay.find(*asked.question, soon)
            if kept is None:
                return await self._fresh(asked)
            self._audit(asked, "hook repeated")
            return kept

        return await self._flights.share(asked.question, first)

    def _asked(self, service: Service, parsed: Parsed, trusted: Trusted, arrival: float) -> Asked:
        """The call as the service sees it: its deadline, and a FHIR base only if it may be asked."""
        hook = parsed.request
        profile = self._profiles.of(trusted.issuer, hook.fhirServer or "")
        limit = self._house.settings.deadline_ms / 1000 or profile.deadline(service.hook)
        base = note = ""
        if hook.fhirServer:
            with_token = hook.fhirAuthorization is not None
            base, note = self._fhir_servers.base(hook.fhirServer, trusted.client, with_token=with_token)
        if not base:
            hook.fhirAuthorization = None  # a token nobody may use is not carried further
        call = Call(
            request=hook,
            profile=profile,
            client=trusted.name,
            tenant=trusted.key,
            now=self._house.clock(),
            deadline=arrival + limit,
            fhir_base=base,
        )
        question = (trusted.key, service.id, hook.hookInstance, self._house.replay.fingerprint(parsed.asked))
        return Asked(service, call, question, (*parsed.notes, *filter(None, (note, trusted.note))), arrival)

    async def _fresh(self, asked: Asked) -> bytes:
        service, call = asked.service, asked.call
        answer = await self._guard.run(service, call)
        if self._house.switches.service(service.id) is Switch.SHADOW:
            self._audit(asked, "hook in shadow", answer)
            return NOTHING
        written = response.write(answer, service.id, call.profile)
        answer = replace(answer, issued=written.issued, notes=(*answer.notes, *written.notes))
        self._house.ledger.issue(asked.question[0], call, written.issued)
        if answer.outcome != "failed":
            self._house.replay.keep(*asked.question, written.body)
        self._house.metrics.call(service.id, answer, get_running_loop().time() - asked.arrival)
        self._audit(asked, "hook", answer)
        return written.body

    def _audit(self, asked: Asked, event: str, answer: Answer | None = None) -> None:
        """Who asked what about whom and what was said, in ids and counts; audit.py hashes the ids."""
        hook = asked.call.request
        if self._house.tracing.on:
            self._trace(asked, event, answer)
        self._house.audit.write(
            event,
            service=asked.service.id,
            client=asked.call.client,
            hook_instance=hook.hookInstance,
            patient=hook.context.patientId,
            user=hook.context.userId,
            milliseconds=round((get_running_loop().time() - asked.arrival) * 1000, 1),
            outcome=answer.outcome if answer else "",
            issued=answer.issued if answer else (),
            counts=answer.counts if answer else {},
            notes=[*asked.notes, *answer.notes] if answer else list(asked.notes),
        )

    def _trace(self, asked: Asked, event: str, answer: Answer | None) -> None:
        """What the span of the call says: how it ended, in what time it had to."""
        outcome = answer.outcome if answer is not None and event == "hook" else event.removeprefix("hook ")
        span = self._house.tracing.current()
        span.set(
            outcome=outcome,
            profile=asked.call.profile.name,
            deadline_ms=round((asked.call.deadline - asked.arrival) * 1000),
            cards=len(answer.issued) if answer is not None else None,
        )
        if outcome == "failed":
            span.failed("failed")

    def _broken(self, service: Service, error: Exception) -> Response:
        """A fault of our own outside the service: a clinician is told, never an empty answer or a bare 500."""
        _log.error("hook call broke", service=service.id, exc_info=error)
        self._house.tracing.current().failed(type(error).__name__)
        answer = notices.failed(service.id, service.title)
        self._house.metrics.call(service.id, answer, 0.0)
        self._house.audit.write("hook", service=service.id, outcome="failed", notes=["fault outside the service"])
        return Response(protocol.encode(protocol.Response(answer.cards)), 200, HEADERS, JSON)
