"""order-sign with a model behind it against rules alone: warm, with the breaker open, and with a model that hangs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from tests.benchmarks import bodies, servers
from tests.benchmarks.load import Load, drive

SERVICE = """
import re
from pathlib import Path

from cds_service.app import create_app
from cds_service.metrics import Metrics
from cds_service.models.faults import ServerFault
from cds_service.models.standing import Standing
from cds_service.serve import spare_the_collector
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand


def stat(task, request):
    fact, said = re.search(r"(F\\d+) · [^·\\n]* · (Potassium [\\d.]+ mmol/L)", request.prompt).groups()
    cited = {{"text": said + ".", "fact_ids": [fact], "kind": "record"}}
    option = {{"kind": "hypothesis", "topic": "missing work-up", "name": "electrocardiogram", "contrary_ids": []}}
    return {{"statements": [cited if task == "triage" else cited | option], "code": "D"}}


class Broken(Double):
    async def generate(self, request):
        raise ServerFault()


def failing():
    standing = Standing(Broken(), "text", Metrics())
    standing.state = "ready"  # its probe passed once
    return standing


STANDS = {{
    "rules": lambda: None,
    "warm": lambda: Stand(Double(answers=stat)),
    "open": failing,
    "hung": lambda: Stand(Double(delay=3600), fast=True),
}}
app = create_app(Settings(mode="sandbox", state_dir=Path(__file__).parent, job_age_s=3600), STANDS["{kind}"]())
spare_the_collector()  # as ``serve`` does
"""
PATH = "/cds-services/order-triage"
PATIENTS, ROUNDS, SECONDS = 4, 12, 1.0
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
        assert _cards(warm, posts[0]) == 2, "the model's priority and its options are on cards"
        found = _interleaved({"rules": rules, "warm": warm, "open": opened}, posts)
        hanging = asyncio.run(drive(hung.pid, hung.port, PATH, posts, 4, 4.0))
    for name, what, limit in (
        ("warm", "warm order-sign, two cards more", 1.3),
        ("open", "order-sign, breaker open", 1.1),
    ):
        for figure, of in (("median", _median), ("CPU", _cpu)):
            mine, alone = found[name], found["rules"]
            ratios = [of(each) / of(base) for each, base in zip(mine, alone, strict=True)]
            row(
                table, f"{what}, {figure}", f"{median(map(of, mine)):.2f} ms", f"{median(map(of, alone)):.2f} ms",
                median(ratios), limit,
            )  # fmt: skip
    absolute(table, "order-sign while the model hangs, slowest 1 %", hanging.p99, "ms", DEADLINE_MS)


def _interleaved(runs: dict[str, servers.Server], posts: list[bytes]) -> dict[str, list[Load]]:
    """Short rounds in turn, so that whatever else the machine does falls on all alike; the order turns each time."""
    found: dict[str, list[Load]] = {name: [] for name in runs}
    for number in range(ROUNDS):
        turns = list(runs.items())
        for name, server in turns if number % 2 else reversed(turns):
            found[name].append(asyncio.run(drive(server.pid, server.port, PATH, posts, 1, SECONDS)))
    return found


def _median(load: Load) -> float:
    return load.p50


def _cpu(load: Load) -> float:
    return load.cpu_ms


def _cards(server: servers.Server, post: bytes) -> int:
    """How many cards a call gets."""
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{PATH}", post, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return len(json.load(answer)["cards"])


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
    none: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    prefetch = {**body["prefetch"], "vital-signs": none, "status-observations": none}  # nothing is left unseen
    call = {**body, "hook": "order-sign", "context": context, "prefetch": prefetch}
    return json.dumps(call, separators=(",", ":")).encode()
