"""The worker as a child process: started, spoken to, watched, ended. No torch here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from cds_service.models.in_process import wire
from cds_service.models.in_process.wire import FromWorker, Load, ToWorker

KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS")
KEPT_PREFIXES = ("CUDA_", "NVIDIA_", "HF_HOME", "HF_HUB_CACHE", "PYTORCH_", "PYTHON", "SSL_CERT_")
PATIENCE_S = 5.0


class Child:
    """One run of the worker. ``told`` gets each message, ``ended`` is called once with the exit code."""

    def __init__(self, load: Load, told: Callable[[FromWorker], None], ended: Callable[[int], None]) -> None:
        self._load = load
        self._told = told
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Of the worker; 0 when there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and let it load."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cds_service.models.in_process.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # libraries may print what they were given
            env=_environment(),
        )
        self.send(self._load)
        self._reading = asyncio.create_task(self._read(self._process))

    def send(self, message: ToWorker) -> None:
        """One frame; nothing happens when the worker is gone, ``ended`` tells of that."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(wire.framed(message))

    def kill(self) -> None:
        """End it at once; ``ended`` tells of that."""
        if self._process and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """End it, kindly and then not."""
        if self._process is None or self._reading is None:
            return
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            await self._reading

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101
        try:
            while True:
                size = int.from_bytes(await process.stdout.readexactly(4), "big")
                self._told(wire.decode_from_worker(await process.stdout.readexactly(size)))
        except asyncio.IncompleteReadError:
            self._ended(await process.wait())


def _environment() -> dict[str, str]:
    """No setting, key or token of the service reaches the worker; a hub token travels in the first frame."""
    kept = {n: v for n, v in os.environ.items() if n in KEPT_ENVIRONMENT or n.startswith(KEPT_PREFIXES)}
    return {**kept, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
