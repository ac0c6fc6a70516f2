"""What a decode worker may not do: grow, reach a network, start programs, write files, outlive its parent. Linux.

The limits of memory and files hold by the kernel everywhere. The network namespace needs a right that some containers
withhold; the audit hook then still stops every socket that Python code would open.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork", "shutil.", "ctypes.")
OPEN_FILES = 32


def enter(memory_bytes: int) -> None:
    """Give up everything a decoder does not need. ``memory_bytes``: of data, beyond what is loaded already."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # codecs write of what they read
        os.dup2(null, stream)
    os.nice(5)
    limit = _data_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.addaudithook(_watch)


def _watch(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN) and event not in ("socket.__new__", "ctypes.dlsym", "ctypes.dlopen"):
        raise PermissionError(f"not in a decode worker: {event}")


def _data_bytes() -> int:
    """VmData of this process: what is counted against RLIMIT_DATA already."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not needed for one line
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0
