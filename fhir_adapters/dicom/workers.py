"""Decode workers as the service sees them: bytes in, bytes out, or a WorkerFault. Warm, few, limited, replaced.

A worker is used again until it has done its share of jobs; after any fault, time-out or cancellation it is killed and a
fresh one is forked (about 10 ms) for the next job. The event loop only ever waits. The fork server's answers are told
apart by their order alone, so a question is never left before its answer: not by a cancelled caller, and a fork server
that owes one past its time is ended.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from fhir_adapters.dicom import worker
from fhir_adapters.dicom.errors import JobFailed, WorkerDied, WorkerOutOfMemory, WorkerTimedOut

T = TypeVar("T")
MB = 1024 * 1024


class WorkerLimits(Struct, frozen=True, kw_only=True):
    """Of each worker."""

    count: int = 2
    memory_mb: int = 512  # data beyond what is loaded
    seconds: float = 30.0  # of one job
    jobs: int = 64  # then it is replaced
    start_s: float = 20.0  # most the fork server may take to load
    ask_s: float = 5.0  # most it may take to fork or to end a worker; then it is started anew
    answer_bytes: int = 256 * MB


class _Worker:
    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.jobs = 0


class Workers:
    """The pool. ``job`` is ``module:function`` (pieces of bytes to bytes), loaded in the fork server with ``preload``."""

    def __init__(self, job: str, *, preload: Sequence[str] = (), limits: WorkerLimits | None = None) -> None:
        self._job = job
        self._preload = tuple(preload)
        self.limits = limits or WorkerLimits()
        self._slots = asyncio.Semaphore(self.limits.count)
        self._turn = asyncio.Lock()  # one question to the fork server at a time
        self._turns: set[asyncio.Task[Any]] = set()  # begun or waiting
        self._idle: list[_Worker] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.replaced = 0

    async def start(self) -> None:
        """Start the fork server and wait until it has loaded; again after it died."""
        await self._to_its_end(self._started())

    async def run(self, payload: bytes, *, deadline: float, beside: Sequence[memoryview] = ()) -> bytearray:
        """One job. ``deadline``: a moment of the event loop's clock; the job's own seconds count from its start.

        ``beside``: large pieces, further arguments of the job: no copy of a film is made on the event loop.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise WorkerTimedOut("all workers busy until the deadline") from None
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    mine = await self._worker()
            except TimeoutError:
                raise WorkerTimedOut("no worker until the deadline") from None
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + self.limits.seconds)):
                    answer = await self._exchange(mine, (memoryview(payload), *beside))
            except TimeoutError:
                await self._end(mine)
                raise WorkerTimedOut from None
            except (OSError, EOFError):
                raise WorkerDied(_how(await self._end(mine))) from None
            except BaseException:
                await self._end(mine)
                raise
            await self._give_back(mine)
            return answer
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """End every worker and the fork server."""
        await asyncio.gather(*self._turns, return_exceptions=True)
        async with self._turn:
            for each in self._idle:
                each.channel.close()
            self._idle.clear()
            await self._stop()

    async def _to_its_end(self, turn: Coroutine[Any, Any, T]) -> T:
        """A turn at the fork server, which goes on to its end when whoever waits for it is cancelled."""
        task = asyncio.ensure_future(turn)
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)
        return await asyncio.shield(task)

    async def _started(self) -> None:
        async with self._turn:
            await self._start()

    async def _stop(self, patience_s: float = 2.0) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(_reap, server, patience_s)

    async def _start(self) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        await self._stop()
        for each in self._idle:
            each.channel.close()
        self._idle.clear()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            self._server = await asyncio.to_thread(self._spawn, theirs)
        finally:
            theirs.close()
        self._control = ours
        try:
            async with asyncio.timeout(self.limits.start_s):
                ready = await asyncio.get_running_loop().sock_recv(ours, 16)
        except TimeoutError:
            ready = b""
        if ready != b"ready":
            await self._stop()
            raise WorkerDied("the fork server did not start")

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        arguments = [str(theirs.fileno()), self._job, ",".join(self._preload), str(self.limits.memory_mb * MB)]
        return subprocess.Popen(  # noqa: S603 - this interpreter and our own words
            [sys.executable, "-m", "fhir_adapters.dicom.fork_server", *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    async def _worker(self) -> _Worker:
        while not (self._idle and self._server is not None and self._server.poll() is None):
            await self._to_its_end(self._forked())
        return self._idle.pop()

    async def _forked(self) -> None:
        """One more idle worker where there is none: whoever asked may be gone, then the next request has it."""
        async with self._turn:
            await self._start()
            if self._idle:
                return
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            try:
                pid = int(await self._ask(b"F", theirs.fileno()))
            except BaseException as error:
                ours.close()
                if isinstance(error, OSError | EOFError):
                    raise WorkerDied("the fork server is gone") from None
                raise
            finally:
                theirs.close()
            self._idle.append(_Worker(pid, ours))

    async def _ask(self, message: bytes, handle: int | None = None) -> bytes:
        """The fork server's answer, in a turn. One that never comes ends it: the next question starts a fresh one."""
        if self._control is None:
            raise EOFError
        try:
            if handle is None:
                self._control.send(message)
            else:
                socket.send_fds(self._control, [message], [handle])
            async with asyncio.timeout(self.limits.ask_s):
                answer = await asyncio.get_running_loop().sock_recv(self._control, 64)
        except (TimeoutError, asyncio.CancelledError):
            await self._stop(patience_s=0)
            raise
        if not answer:
            raise EOFError
        return answer

    async def _exchange(self, mine: _Worker, pieces: Sequence[memoryview]) -> bytearray:
        loop = asyncio.get_running_loop()
        for number, piece in enumerate(pieces, start=1):
            state = worker.OK if number == len(pieces) else worker.MORE
            await loop.sock_sendall(mine.channel, state + len(piece).to_bytes(8, "big"))
            await loop.sock_sendall(mine.channel, piece)
        head = await self._receive(mine.channel, worker.HEAD)
        size = int.from_bytes(head[1:], "big")
        if size > self.limits.answer_bytes:
            raise JobFailed("answer too large")
        answer = await self._receive(mine.channel, size)
        if head[:1] == worker.MEMORY:
            raise WorkerOutOfMemory
        if head[:1] == worker.FAILED:
            raise JobFailed(bytes(answer).decode("ascii", "replace")[:60])
        mine.jobs += 1
        return answer

    async def _receive(self, channel: socket.socket, size: int) -> bytearray:
        data, loop, done = bytearray(size), asyncio.get_running_loop(), 0
        while done < size:
            got = await loop.sock_recv_into(channel, memoryview(data)[done : done + MB])
            if not got:
                raise EOFError
            done += got
        return data

    async def _give_back(self, mine: _Worker) -> None:
        if mine.jobs < self.limits.jobs:
            self._idle.append(mine)
        else:
            await self._end(mine)

    async def _end(self, mine: _Worker) -> int:
        """Kill a worker and learn how it ended: negative numbers are signals."""
        self.replaced += 1
        mine.channel.close()
        return await self._to_its_end(self._killed(mine.pid))

    async def _killed(self, pid: int) -> int:
        async with self._turn:
            try:
                return int(await self._ask(b"K" + str(pid).encode()))
            except (OSError, EOFError):  # the fork server is gone, and its workers with it
                return 0


def _how(status: int) -> str:
    if status == worker.UNPROTECTED:
        return "this kernel cuts no decoder off from the network: neither seccomp nor a network namespace"
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _reap(server: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        server.wait(patience_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
