"""A load generator on raw sockets (HTTP/1.1, keep-alive): little CPU of its own, a different body for each request.

CPU per request is read from the server's own process times, so the generator's speed does not colour it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What one run measured. Times in milliseconds."""

    requests: int
    failed: int
    seconds: float
    cpu_ms: float  # server CPU per request
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def drive(
    pid: int, port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float, host: str = "127.0.0.1"
) -> Load:
    """Post ``bodies`` in turn, each time under a hookInstance of its own, over ``connections`` for ``seconds``."""
    requests = [_split(path, host, port, body) for body in bodies]
    times: list[float] = []
    failed = 0
    turn = 0
    stop = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal failed, turn
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        try:
            while time.perf_counter() < stop:
                turn += 1
                began = time.perf_counter()
                head, tail = requests[turn % len(requests)]
                writer.writelines((head, str(uuid4()).encode(), tail))
                status = await _answer(reader)
                times.append(time.perf_counter() - began)
                failed += status != 200
        finally:
            writer.close()

    cpu, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    spent, took = cpu_seconds(pid) - cpu, time.perf_counter() - began
    times.sort()
    count = len(times)
    return Load(
        requests=count,
        failed=failed,
        seconds=took,
        cpu_ms=1000 * spent / max(1, count),
        p50=1000 * times[count // 2],
        p99=1000 * times[int(count * 0.99)],
    )


def _split(path: str, host: str, port: int, body: bytes) -> tuple[bytes, bytes]:
    """The request on both sides of its hookInstance: a repeated instance would be answered from the replay store."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    start = body.index(b'"hookInstance":"') + 16
    return head + body[:start], body[start + 36 :]


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lower = head.lower()
    start = lower.index(b"content-length:") + 15
    length = int(lower[start : lower.index(b"\r\n", start)])
    await reader.readexactly(length)
    return status
