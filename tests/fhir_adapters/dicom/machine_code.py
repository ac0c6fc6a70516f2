"""Jobs that ask the kernel as a codec's machine code would, past Python and its audit hook; loaded in the fork server.

The names ``without_filter`` and ``without_either`` are modules to preload: they take protections away.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
CREATE = os.O_WRONLY | os.O_CREAT


def job(payload: bytes) -> bytes:
    """What the kernel answers, as text: -1 is a refusal."""
    asked, _, given = payload.partition(b" ")
    match asked:
        case b"socket":
            return str(LIBC.socket(int(given), socket.SOCK_STREAM, 0)).encode()
        case b"connect":
            handle = LIBC.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
            address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(int(given)), bytes([127, 0, 0, 1]))
            return f"{handle >= 0} {LIBC.connect(handle, address, len(address))}".encode()
        case b"system":
            return str(LIBC.system(given)).encode()
        case b"fork":
            return str(LIBC.fork()).encode()
        case b"kill":
            return str(LIBC.kill(int(given), 0)).encode()
        case b"create":
            return str(LIBC.open(given, CREATE, 0o600)).encode()
        case b"truncate":
            return str(LIBC.truncate(given, 0)).encode()
        case b"unlink":
            return str(LIBC.unlink(given)).encode()
        case b"rename":
            return str(LIBC.rename(given, given + b".moved")).encode()
        case b"read":
            return str(LIBC.open(given, os.O_RDONLY) >= 0).encode()
    return b"?"
