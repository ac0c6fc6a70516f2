"""The loop of a decode worker: pieces of a request, each after its length; state, length, answer. One job at a time.

Any exception of a job is answered by the name of its kind (never its message, which may quote a header), and the worker
then ends: what a half-done codec left behind is not trusted.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

OK, MEMORY, FAILED = b"K", b"M", b"F"
MORE = b"+"  # before a piece of a request that is not its last: films are never copied to stand behind the request
UNPROTECTED = 71  # exit status of a worker that could not be cut off from the network
HEAD = 9  # one byte of state, eight of length


def work(handle: int, run: Callable[..., bytes]) -> int:
    """Serve until the other end closes; the exit status. ``run`` gets the pieces of a request."""
    logging.disable(logging.CRITICAL)
    with socket.socket(fileno=handle) as channel:
        while True:
            state, answer = _answer(channel, run)
            if not state:
                return 0
            channel.sendall(state + len(answer).to_bytes(8, "big"))
            channel.sendall(answer)
            if state != OK:
                return 1


def _answer(channel: socket.socket, run: Callable[..., bytes]) -> tuple[bytes, bytes]:
    try:
        request = _request(channel)
        return (OK, run(*request)) if request else (b"", b"")
    except MemoryError:
        return MEMORY, b""
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent raises it by name
        return FAILED, type(error).__name__.encode()


def _request(channel: socket.socket) -> list[bytes]:
    """Every piece of one request; none once the other end has closed."""
    pieces = []
    while head := _read(channel, HEAD):
        size = int.from_bytes(head[1:], "big")
        piece = _read(channel, size)
        if len(piece) < size:
            return []
        pieces.append(piece)
        if head[:1] != MORE:
            return pieces
    return []


def _read(channel: socket.socket, size: int) -> bytes:
    """All ``size`` bytes, in one allocation; fewer where the other end has closed."""
    return channel.recv(size, socket.MSG_WAITALL) if size else b""
