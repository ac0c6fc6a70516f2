"""The servers compared, each one process pinned to the same core: ours, HealthChain's empty handler, a bare FastAPI handler."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER_VENV = ROOT / ".venv-bench"
PEER = "healthchain==0.16.1"

HEALTHCHAIN = """
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models import Card, CDSRequest, CDSResponse

app = HealthChainAPI()
cds = CDSHooksService()


@cds.hook("patient-view", id="bench")
def handler(request: CDSRequest) -> CDSResponse:
    return CDSResponse(cards=[Card(summary="nothing", indicator="info", source={"label": "bench"})])


app.register_service(cds, path="/cds")
"""

BARE = """
import orjson
from fastapi import FastAPI, Request, Response

app = FastAPI()
ANSWER = orjson.dumps({"cards": [{"summary": "nothing", "indicator": "info", "source": {"label": "bench"}}]})


@app.get("/cds-services")
async def discovery() -> Response:
    return Response(b'{"services":[]}', media_type="application/json")


@app.post("/cds-services/bench")
async def bench(request: Request) -> Response:
    body = orjson.loads(await request.body())
    assert body["prefetch"]
    return Response(ANSWER, media_type="application/json")
"""


@dataclass(frozen=True)
class Server:
    """A running server: its process, its port and how long it took to its first answer."""

    pid: int
    port: int
    start_s: float


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peer_python() -> Path | None:
    """HealthChain pins an older FastAPI, so it lives in an environment of its own; None where it cannot be installed."""
    python = PEER_VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER_VENV], check=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=False)
        if done.returncode:
            return None
    return python


@contextmanager
def running(command: list[str], port: int, first: str, environment: dict[str, str], cwd: str) -> Iterator[Server]:
    """Start, wait for the first answer to ``first`` (polled every 10 ms), stop."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}),
    )
    try:
        while not _answers(f"http://127.0.0.1:{port}{first}"):
            if process.poll() is not None or time.perf_counter() - began > 30:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.01)
        yield Server(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def ours(**settings: str) -> Iterator[Server]:
    """``medgemma-cds serve`` in sandbox mode with audit, metrics, database and the extractive engine on."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state:
        command = [str(Path(sys.executable).parent / "medgemma-cds"), "serve", "--port", str(port)]
        environment = {"CDS_MODE": "sandbox", "CDS_STATE_DIR": state, **settings}
        with running(command, port, "/cds-services", environment, str(ROOT)) as server:
            yield server


@contextmanager
def app(python: Path, source: str) -> Iterator[Server]:
    """A one-file application under uvicorn, as that interpreter's environment has it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "bench_app.py").write_text(source)
        command = [
            str(python), "-m", "uvicorn", "bench_app:app", "--port", str(port), "--no-access-log", "--log-level", "error",
        ]  # fmt: skip
        with running(command, port, "/cds-services", {}, folder) as server:
            yield server
