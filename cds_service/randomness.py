"""Random bytes of the operating system, bought in bulk: one system call serves a hundred uuids and nonces.

A process that is forked draws its own: bytes bought before the fork are thrown away on the child's side.
"""

from __future__ import annotations

import os
import threading

BULK = 4096  # bytes a system call
_lock = threading.Lock()
_bought = bytearray()


def random_bytes(count: int) -> bytes:
    """``count`` bytes of ``os.urandom``, each handed out once."""
    with _lock:
        if len(_bought) < count:
            _bought[:] = os.urandom(max(BULK, count))
        drawn = bytes(_bought[-count:])
        del _bought[-count:]
        return drawn


def uuid4() -> str:
    """A random UUID (RFC 9562 §5.4) in its text form."""
    text = random_bytes(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    _bought.clear()


os.register_at_fork(after_in_child=_forget)
