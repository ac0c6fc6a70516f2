"""order-sign with a model behind it against rules alone: warm, with the breaker open, and with a model that hangs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.benchmarks import bodies, servers
from tests.benchmarks.load import Load, drive

SERVICE = """
from pathlib import Path

from cds_service.app import create_app
from cds_service.models.faults import BreakerOpen
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand
from tests.services.test_orders_with_a_model import model


class Open(Double):
    async def generate(self, request):
        raise BreakerOpen()


STANDS = {{
    "rules": None,
    "warm": Stand(model("stat")),
    "open": Stand(Open()),
    "hung": Stand(Double(delay=3600), fast=True),
}}
app = create_app(Settings(mode="sandbox", state_dir=Path(__file__).parent, job_age_s=3600), STANDS["{kind}"])
"""
PATH = "/cds-services/order-triage"
PATIENTS, ROUNDS, SECONDS = 4, 2, 2.0
DEADLINE_MS = 500.0


def rows(table: Table, absolute: Any, row: Any) -> None:
    """The three figures of the two speeds, each against the same service without a model, rounds interleaved."""
    os.environ["PYTHONPATH"] = str(servers.ROOT)
    posts = [_order_sign(seed) for seed in range(PATIENTS)]
    python = Path(sys.executable)
    with (
        servers.app(python, SERVICE.format(kind="rules")) as rules,
        servers.app(python, SERVICE.format(kind="warm")) as warm,
        servers.app(python, SERVICE.format(kind="open")) as opened,
        servers.app(python, SERVICE.format(kind="hung")) as hung,
    ):
        for server in (warm, opened):
            _settle(server, posts)
        runs = {"rules": rules, "warm": warm, "open": opened}
        found: dict[str, list[Load]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, server in runs.items():
                found[name].append(asyncio.run(drive(server.pid, server.port, PATH, posts, 1, SECONDS)))
        hanging = asyncio.run(drive(hung.pid, hung.port, PATH, posts, 4, SECONDS * 2))
    best = {name: min(loads, key=lambda load: load.p50) for name, loads in found.items()}
    for name, what, limit in (("warm", "warm order-sign", 1.3), ("open", "order-sign, breaker open", 1.1)):
        mine, alone = best[name], best["rules"]
        row(table, f"{what}, median", f"{mine.p50:.2f} ms", f"{alone.p50:.2f} ms", mine.p50 / alone.p50, limit)
        row(table, f"{what}, CPU", f"{mine.cpu_ms:.2f} ms", f"{alone.cpu_ms:.2f} ms", mine.cpu_ms / alone.cpu_ms, limit)
    absolute(table, "order-sign while the model hangs, slowest 1 %", hanging.p99, "ms", DEADLINE_MS)


def _settle(server: servers.Server, posts: list[bytes]) -> None:
    """Until what can be made is made: jobs start in the background."""
    for _ in range(4):
        asyncio.run(drive(server.pid, server.port, PATH, posts, 1, 0.5))
        time.sleep(1.5)


def _order_sign(seed: int) -> bytes:
    """patient-view's record of 100 Observations, with one draft to sign."""
    body = json.loads(bodies.patient_view(seed))
    patient = body["context"]["patientId"]
    draft = {
        "resourceType": "ServiceRequest", "id": str(uuid.UUID(int=seed)), "status": "draft", "intent": "order",
        "code": {"text": "Basic metabolic panel"}, "subject": {"reference": f"Patient/{patient}"},
    }  # fmt: skip
    orders = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
    context = {**body["context"], "draftOrders": orders}
    return json.dumps({**body, "hook": "order-sign", "context": context}, separators=(",", ":")).encode()
