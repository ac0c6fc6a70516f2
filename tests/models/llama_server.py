"""A llama-server of the tests' own with a small random-weight model, on a free port of the loopback address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.models import llama_server_build

START_S = 60.0
CONVERTING = Path(__file__).with_name("converting")


def require() -> Path:
    """The folder of the binary. Without it the test is skipped, but fails in CI."""
    if not llama_server_build.present():
        message = "llama-server is not built (python -m tests.models.llama_server_build)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return llama_server_build.folder()


def converted(checkpoint: Path, target: Path) -> Path:
    """The checkpoint as GGUF."""
    tools = require()
    if not target.exists():
        subprocess.run(
            [sys.executable, str(tools / "convert_hf_to_gguf.py"), str(checkpoint), "--outfile", str(target),
             "--outtype", "f32"],
            check=True,
            env={**os.environ, "PYTHONPATH": f"{tools / 'gguf-py'}{os.pathsep}{CONVERTING}", "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return target


@contextmanager
def running(model: Path, *options: str) -> Iterator[str]:
    """Base URL of a server for as long as the context lasts."""
    port = _free_port()
    command = [str(require() / "llama-server"), "--model", str(model), "--host", "127.0.0.1", "--port", str(port),
               "--threads", "1", "--ctx-size", "4096", "--parallel", "2", *options]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"llama-server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("llama-server did not become healthy")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
