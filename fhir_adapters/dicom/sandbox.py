"""What a decode worker may not do: grow, reach a network, start programs, write files, outlive its parent. Linux.

All of it holds by the kernel. A filter of system calls (``seccomp``) refuses sockets, programs and changes to files; a network
namespace of its own, where one is permitted, leaves nothing to reach. A worker that gets neither does not start: what it decodes
is of strangers. The audit hook names what Python code would do before the kernel refuses it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Any

from fhir_adapters.dicom import seccomp

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "os.fork", "shutil.", "ctypes.")
OPEN_FILES = 32


class Unprotected(OSError):
    """The kernel gives neither a filter of system calls nor a network namespace: nothing is decoded here."""


def enter(memory_bytes: int) -> None:
    """Give up everything a decoder does not need. ``memory_bytes``: of data, beyond what is loaded already."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    apart = own_network(libc)
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
    if not seccomp.forbid(libc) and not apart:
        raise Unprotected
    sys.addaudithook(_watch)


def own_network(libc: ctypes.CDLL) -> bool:
    """A network namespace without an interface that is up; False where the kernel or the container permits none."""
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))


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
