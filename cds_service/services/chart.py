"""Opens a patient's chart for one hook call: prefetch first, the gaps over FHIR, then the fact table and the rules.

Small charts are judged on the event loop (about a millisecond), large ones in a worker thread: discovery never waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, tzinfo

from msgspec import Struct

from cds_service.errors import BadRequest, MissingData
from cds_service.record.build import build
from cds_service.record.display import System
from cds_service.record.facts import Record
from cds_service.rules.catalogue import Finding
from cds_service.rules.evaluate import evaluate_orders, evaluate_record
from cds_service.rules.pack import Pack
from cds_service.rules.situation import Situation
from cds_service.services import newer
from cds_service.services.service import Call
from cds_service.switches import Switches
from cds_service.tracing import OFF, Tracing
from fhir_adapters.auth import Bearer
from fhir_adapters.client import FhirClient
from fhir_adapters.gather import Retrieved, State, gather
from fhir_adapters.outbound import Outbound
from fhir_adapters.read.patient import PatientView
from fhir_adapters.templates import resolve

RESERVE_S = 0.06  # kept for rules, layout and the way back when the record is slow to arrive
LARGE_BYTES = 256 * 1024
FHIR_KINDS = frozenset({"requests", "retried", "pages"})  # of FhirClient.counts
ANSWERED = frozenset({State.PRESENT, State.NONE_FOUND, State.NONE_REPORTED})


class Chart(Struct, frozen=True, kw_only=True):
    """The record of one call and what the rules conclude from it."""

    record: Record
    findings: list[Finding]  # about the patient
    order_findings: list[Finding]  # about draft orders
    pack: Pack  # the rules that judged
    retrieved: Mapping[str, Retrieved] = {}  # what it was made of


class Charts:
    """Opens charts. Holds the door out and the rule pack, nothing of any patient."""

    def __init__(
        self,
        outbound: Outbound,
        pack: Pack,
        switches: Switches,
        *,
        units: System = "conventional",
        zone: tzinfo = UTC,
        tracing: Tracing = OFF,
        count: Callable[[str, int], None] = lambda _name, _n: None,
    ) -> None:
        self._outbound = outbound
        self._count = count
        self._tracing = tracing
        self._units: System = units
        self._zone = zone
        self._switches = switches
        self._site = pack
        self._switched = switches.rules
        self._running = pack.switched(self._switched)

    @property
    def pack(self) -> Pack:
        """The site's pack with the run-time switches applied; made anew only when one changed."""
        if self._switches.rules is not self._switched:
            self._switched = self._switches.rules
            self._running = self._site.switched(self._switched)
        return self._running

    async def open(self, call: Call, prefetch: Mapping[str, str], expected: Collection[str]) -> Chart:
        """Gather, build, judge. Raises MissingData (412) without a Patient, WrongPatient (400) for another's."""
        request = call.request
        queries = queries_of(prefetch, call)
        client = None
        if call.fhir_base:
            granted = call.authorization
            bearer = Bearer(granted.access_token, granted.expires_in) if granted else None
            client = FhirClient(self._outbound, call.fhir_base, bearer)
        with self._tracing.span("gather") as span:
            retrieved = await gather(
                request.prefetch, queries, client, call.deadline - RESERVE_S, request.context.draftOrders
            )
            if self._tracing.on:
                span.set(**_gathered(retrieved))
        self._tell(retrieved, client)
        require_patient(retrieved, request.context.patientId)
        size = sum(memoryview(raw).nbytes for raw in request.prefetch.values())
        fetched = sum(len(r.resources) for r in retrieved.values() if r.origin == "fhir")
        if size > LARGE_BYTES or fetched > len(queries):
            return await asyncio.to_thread(self._judge, call, retrieved, expected)
        return self._judge(call, retrieved, expected)

    def _tell(self, retrieved: Mapping[str, Retrieved], client: FhirClient | None) -> None:
        """Count what FHIR and the readers could not give, also where the call ends here for want of a patient."""
        for answer in retrieved.values():
            if answer.fault:
                self._count(f"fhir_faults:{answer.fault}", 1)
            for page in answer.resources:
                for fault, n in page.faults.items():
                    self._count(f"unreadable:{fault}", n)
        if client is not None:
            for kind in FHIR_KINDS & client.counts.keys():
                self._count(f"fhir_requests:{kind}", client.counts[kind])

    def _judge(self, call: Call, retrieved: Mapping[str, Retrieved], expected: Collection[str]) -> Chart:
        context = call.request.context
        with self._tracing.span("record") as span:
            record = build(
                context.patientId,
                retrieved,
                call.now,
                draft_orders=context.draftOrders,
                selections=context.selections,
                expected=expected,
                zone=self._zone,
                units=self._units,
            )
            if self._tracing.on:
                span.set(facts=sum(1 for _ in record.facts()))
        pack = self.pack
        with self._tracing.span("rules", pack=pack.hash) as span:
            situation = Situation(record, pack.tables)
            findings = evaluate_record(pack, record, situation)
            order_findings = evaluate_orders(pack, record, situation) if record.orders else []
            span.set(findings=len(findings) + len(order_findings))
        return Chart(
            record=record,
            pack=pack,
            retrieved=retrieved,
            findings=newer.marked(findings, record),
            order_findings=newer.marked(order_findings, record),
        )


def _gathered(retrieved: Mapping[str, Retrieved]) -> dict[str, int]:
    """How many keys there were, how many came over FHIR, of how many nothing is known."""
    return {
        "keys": len(retrieved),
        "fetched": sum(r.origin == "fhir" for r in retrieved.values()),
        "unanswered": sum(r.state not in ANSWERED for r in retrieved.values()),
    }


def queries_of(prefetch: Mapping[str, str], call: Call) -> dict[str, str]:
    """The service's templates filled from the context; those whose token the context lacks are left out."""
    context = call.request.context
    tokens = {
        name: value
        for name, value in (
            ("patientId", context.patientId),
            ("encounterId", context.encounterId),
            ("userId", context.userId),
        )
        if value
    }
    queries = {}
    for key, template in prefetch.items():
        if "{{context.encounterId}}" in template and "encounterId" not in tokens:
            continue
        try:
            queries[key] = resolve(template, tokens)
        except ValueError as error:
            raise BadRequest(f"context cannot fill the prefetch template '{key}': {error}") from error
    return queries


def require_patient(retrieved: Mapping[str, Retrieved], patient_id: str) -> None:
    """Patient is the only required key; 412 names it (checklist row R8).

    A server that answers with somebody else (a merged chart, a fault) has not given the patient of the context. What the
    client itself sent is judged with the record: of another patient it is a 400.
    """
    patient = retrieved.get("patient")
    why = State.NOT_ASKED.value if patient is None else patient.state.value
    if patient is not None and patient.state is State.PRESENT:
        ids = [view.id for page in patient.resources for view in page.views if isinstance(view, PatientView)]
        if patient.origin != "fhir" or patient_id in ids:
            return
        why = "the FHIR server answered with another patient" if ids else "no Patient in the answer"
    raise MissingData(f"required prefetch key 'patient' is not available: {why}")
