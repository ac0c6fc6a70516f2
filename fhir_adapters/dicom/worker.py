"""The loop of a decode worker: length, request; state, length, answer. One job at a time, until the socket closes.

Any exception of a job is answered by the name of its kind (never its message, which may quote a header), and the worker
then ends: what a half-done codec left behind is not trusted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

OK, MEMORY, FAILED = b"K", b"M", b"F"
HEAD = 9  # one byte of state, eight of length
CHUNK = 1 << 20


def work(handle: int, run: Callable[[bytes], bytes]) -> int:
    """Serve until the other end closes; the exit status."""
    logging.disable(logging.CRITICAL)
    while True:
        head = _read(handle, HEAD)
        if head is None:
            return 0
        request = _read(handle, int.from_bytes(head[1:], "big"))
        if request is None:
            return 0
        state, answer = _answer(run, bytes(request))
        del request
        _write(handle, state + len(answer).to_bytes(8, "big"))
        _write(handle, answer)
        if state != OK:
            return 1


def _answer(run: Callable[[bytes], bytes], request: bytes) -> tuple[bytes, bytes]:
    try:
        return OK, run(request)
    except MemoryError:
        return MEMORY, b""
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent raises it by name
        return FAILED, type(error).__name__.encode()


def _read(handle: int, size: int) -> bytearray | None:
    data = bytearray()
    while len(data) < size:
        part = os.read(handle, min(size - len(data), CHUNK))
        if not part:
            return None
        data += part
    return data


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view[:CHUNK]) :]
