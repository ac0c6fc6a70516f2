"""A process that has everything loaded and forks a sandboxed worker in a few milliseconds. Started by ``workers``.

One message at a time on a Unix socket: ``F`` with the worker's own socket attached forks, ``K`` kills, ``W`` waits for an
end. Only children that were not yet waited for are ever signalled, so that no other process can be hit. When the
service goes away, its socket closes: then every worker is killed and this process ends.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from fhir_adapters.dicom import sandbox
from fhir_adapters.dicom.worker import UNPROTECTED, work


def serve(control: int, job: str, preload: Sequence[str], memory_bytes: int) -> None:
    """Load, say so, then fork on demand until the socket closes. ``job``: ``module:function``."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with socket.socket(fileno=control) as asked:
        for name in preload:
            importlib.import_module(name)
        module, _, function = job.partition(":")
        run: Callable[..., bytes] = getattr(importlib.import_module(module), function)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()
        asked.send(b"ready")
        children: set[int] = set()
        try:
            _loop(asked, children, run, memory_bytes)
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _loop(asked: socket.socket, children: set[int], run: Callable[..., bytes], memory_bytes: int) -> None:
    while True:
        message, handles, _flags, _address = socket.recv_fds(asked, 64, 1)
        if not message:
            return
        if message[:1] == b"F":
            child = _fork(asked, handles[0], run, memory_bytes)
            children.add(child)
            asked.send(str(child).encode())
            continue
        child = int(message[1:])
        status = 0
        if child in children:
            if message[:1] == b"K":
                os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            children.discard(child)
        asked.send(str(status).encode())


def _fork(asked: socket.socket, handle: int, run: Callable[..., bytes], memory_bytes: int) -> int:
    child = os.fork()
    if child:
        os.close(handle)
        return child
    status = 70  # an error before the first job
    try:
        asked.close()
        sandbox.enter(memory_bytes)
        status = work(handle, run)
    except sandbox.Unprotected:
        status = UNPROTECTED
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], [name for name in sys.argv[3].split(",") if name], int(sys.argv[4]))
