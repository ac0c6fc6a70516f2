"""What holds a decode worker is the kernel: machine code that asks past Python is refused all the same."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fhir_adapters.dicom.errors import WorkerDied
from fhir_adapters.dicom.workers import WorkerLimits, Workers

JOB = "tests.fhir_adapters.dicom.machine_code:job"
HERE = "tests.fhir_adapters.dicom"


@asynccontextmanager
async def working(*preload: str) -> AsyncIterator[Workers]:
    workers = Workers(JOB, preload=preload, limits=WorkerLimits(count=1, memory_mb=64, seconds=5.0))
    try:
        yield workers
    finally:
        await workers.aclose()


async def asked(workers: Workers, words: str) -> str:
    return (await workers.run(words.encode(), deadline=asyncio.get_running_loop().time() + 20)).decode()


async def test_the_kernel_refuses_a_codec_sockets_programs_processes_and_files(tmp_path: Path) -> None:
    victim, made, started = (tmp_path / name for name in ("victim", "made", "started"))
    victim.write_text("whole")
    async with working() as workers:
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 40):  # netlink, vsock
            assert await asked(workers, f"socket {int(family)}") == "-1"
        assert await asked(workers, "fork") == "-1"
        assert await asked(workers, f"system touch {started}") != "0"
        assert await asked(workers, f"kill {os.getpid()}") == "-1"
        assert await asked(workers, f"create {made}") == "-1"
        for change in ("truncate", "unlink", "rename"):
            assert await asked(workers, f"{change} {victim}") == "-1"
        assert await asked(workers, f"read {victim}") == "True"  # the objects to be decoded are files too
    assert victim.read_text() == "whole"
    assert not made.exists()
    assert not started.exists()


async def test_without_a_filter_a_namespace_of_its_own_leaves_a_codec_nothing_to_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with working(f"{HERE}.without_filter") as workers:
            try:
                answer = await asked(workers, f"connect {server.getsockname()[1]}")
            except WorkerDied as fault:
                pytest.skip(f"no namespaces here: {fault}")
    assert answer == "True -1"  # a socket, and nobody at its other end


async def test_a_worker_that_can_be_cut_off_from_the_network_by_nothing_decodes_nothing() -> None:
    async with working(f"{HERE}.without_either") as workers:
        with pytest.raises(WorkerDied, match="neither seccomp nor a network namespace"):
            await asked(workers, "fork")
