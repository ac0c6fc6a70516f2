"""``make bench``: every figure of the speed targets, measured in one run, with the ratio to what it is compared with."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from tests.benchmarks import bodies, hanging, servers
from tests.benchmarks.load import Load, drive, rss_mb

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PATIENTS = 400


def cpu_ms(action: Callable[[], object], repeats: int) -> float:
    """CPU of one call, best of ``repeats`` after a warm-up."""
    action()
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        action()
        best = min(best, time.process_time() - began)
    return best * 1000


def best(loads: list[Load]) -> Load:
    """The calmest round: the one with the least CPU per request."""
    return min(loads, key=lambda load: load.cpu_ms)


def hook_calls(table: Table) -> None:
    """CPU per patient-view call against HealthChain's empty handler and a bare FastAPI handler, rounds interleaved."""
    posts = [bodies.patient_view(seed) for seed in range(PATIENTS)]
    peer = servers.peer_python()
    found: dict[tuple[str, int], list[Load]] = {}
    with servers.ours() as us, servers.app(_python(), servers.BARE) as bare:
        runs = [("ours", us, "/cds-services/patient-summary"), ("bare", bare, "/cds-services/bench")]
        with servers.app(peer, servers.HEALTHCHAIN) if peer else servers.app(_python(), servers.BARE) as other:
            if peer:
                runs.append(("HealthChain", other, "/cds/cds-services/bench"))
            for _ in range(ROUNDS):
                for connections in (1, 16):
                    for name, server, path in runs:
                        load = asyncio.run(drive(server.pid, server.port, path, posts, connections, SECONDS))
                        if load.failed:
                            sys.exit(f"{name}: {load.failed} of {load.requests} calls failed")
                        found.setdefault((name, connections), []).append(load)
        memory = rss_mb(us.pid)
    for connections, limits in ((1, {"HealthChain": 1.5, "bare": 3.0}), (16, {"HealthChain": 1.0, "bare": 3.0})):
        mine = best(found["ours", connections])
        for name in ("HealthChain", "bare"):
            if (name, connections) not in found:
                table.add_row(f"call, {connections} conn.", "—", f"{name} is not installable here", "—", "—")
                continue
            theirs = best(found[name, connections])
            row(
                table,
                f"patient-view CPU, {connections} conn., ours / {name}",
                f"{mine.cpu_ms:.2f} ms, p50 {mine.p50:.1f}, p99 {mine.p99:.1f}",
                f"{theirs.cpu_ms:.2f} ms, p50 {theirs.p50:.1f}, p99 {theirs.p99:.1f}",
                mine.cpu_ms / theirs.cpu_ms,
                limits[name],
            )
    table.add_row("RSS after the load", f"{memory:.0f} MB", "", "", "")


def row(table: Table, what: str, mine: str, other: str, ratio: float, limit: float) -> None:
    """One line; red when over its limit."""
    style = "green" if ratio <= limit else "bold red"
    table.add_row(what, mine, other, f"[{style}]{ratio:.2f}[/{style}]", f"≤ {limit:g}")


def absolute(table: Table, what: str, value: float, unit: str, limit: float) -> None:
    """One line of an absolute figure."""
    style = "green" if value <= limit else "bold red"
    table.add_row(what, f"[{style}]{value:.1f} {unit}[/{style}]", "", "", f"≤ {limit:g} {unit}")


def start(table: Table) -> None:
    """Start to first discovery (median of three) and resident memory."""
    times, memory = [], 0.0
    for _ in range(3):
        with servers.ours(CDS_IMAGING="on") as server:
            times.append(server.start_s)
            memory = max(memory, rss_mb(server.pid))
    absolute(table, "start to first discovery, imaging on", sorted(times)[1], "s", 1.5)
    absolute(table, "RSS at start, imaging on", memory, "MB", 130)


def record(table: Table) -> None:
    """Bytes of a searchset → fact table; all rules over it."""
    import json
    import random

    from cds_service.record.build import from_bundle
    from cds_service.rules.evaluate import evaluate_record
    from cds_service.rules.pack import load_pack

    now = datetime.now(UTC)
    pack = load_pack(None)
    for count, limit, repeats in ((100, 0.6, 60), (1000, 6.0, 25), (20000, 250.0, 5)):
        rng = random.Random(count)
        bundle = bodies.searchset("p", count, rng, now)
        bundle["entry"].insert(
            0, {"resource": {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-02-03"}}
        )
        text = json.dumps(bundle).encode()
        del bundle  # what stays alive makes the collector's walks longer
        absolute(
            table,
            f"{count} Observations → fact table",
            cpu_ms(lambda text=text: from_bundle(text, now), repeats),  # type: ignore[misc]
            "ms",
            limit,
        )
        if count == 1000:
            built = from_bundle(text, now)
            absolute(
                table,
                "all rules over a 1,000-fact record",
                cpu_ms(lambda built=built: evaluate_record(pack, built), repeats),  # type: ignore[misc]
                "ms",
                3.0,
            )


def grounding(table: Table) -> None:
    """Checking 30 statements against the facts of their prompt."""
    from tests.benchmarks.grounding import check

    absolute(table, "grounding of 30 statements", cpu_ms(check, 50), "ms", 5.0)


def discovery(table: Table) -> None:
    """Discovery while eight hook calls wait on a FHIR server that hangs."""
    absolute(table, "discovery while 8 calls hang on FHIR", hanging.discovery_ms(), "ms", 10.0)


def in_process(table: Table) -> None:
    """The engine that runs the model on this machine: grammar, batching, and true shapes on a GPU."""
    from tests.benchmarks import in_process as bench

    bench.rows(table, absolute, row)


def imaging(table: Table) -> None:
    """From DICOM to what the image model is shown."""
    from tests.benchmarks import imaging as bench

    bench.rows(table, absolute, row)


def assessed(table: Table) -> None:
    """order-sign with a model behind it, against rules alone."""
    from tests.benchmarks import assessed as bench

    bench.rows(table, absolute, row)


def _python() -> object:
    from pathlib import Path

    return Path(sys.executable)


def main() -> None:
    """Run the parts named on the command line, or all."""
    parts = {
        "imaging": imaging,  # first: it asks how large any child of this process grew
        "record": record,
        "grounding": grounding,
        "start": start,
        "discovery": discovery,
        "calls": hook_calls,
        "in-process": in_process,
        "assessed": assessed,
    }
    chosen = sys.argv[1:] or list(parts)
    table = Table(title="MedGemma CDS bench", caption="CPU of the server process; best round")
    for heading in ("what", "ours", "compared with", "ratio", "target"):
        table.add_column(heading)
    for name in chosen:
        parts[name](table)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
