"""Discovery's answer time while eight hook calls wait on a FHIR server that accepts and never answers."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.error import HTTPError

from tests.benchmarks import servers


def discovery_ms() -> float:
    """The slowest of twenty discoveries, in milliseconds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as fhir:
        held: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(fhir.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        base = f"http://127.0.0.1:{fhir.getsockname()[1]}"
        with servers.ours(CDS_FHIR_ALLOW=base) as server, ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(_call, server.port, f"{base}/fhir", n) for n in range(8)]
            time.sleep(0.2)
            slowest = max(_timed(f"http://127.0.0.1:{server.port}/cds-services") for _ in range(20))
            for call in waiting:
                call.result()
        for connection in held:
            connection.close()
    return slowest


def _timed(url: str) -> float:
    began = time.perf_counter()
    urllib.request.urlopen(url, timeout=5).read()
    return (time.perf_counter() - began) * 1000


def _call(port: int, fhir: str, number: int) -> None:
    body = {
        "hook": "patient-view",
        "hookInstance": f"00000000-0000-4000-8000-00000000000{number}",
        "fhirServer": fhir,
        "context": {"userId": "Practitioner/example", "patientId": f"p{number}"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": f"p{number}"}},
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/cds-services/patient-summary",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with suppress(HTTPError):
        urllib.request.urlopen(request, timeout=10).read()
