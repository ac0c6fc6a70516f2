"""A filter of system calls for decode workers: no socket, no program, no process, no change to a file system. Linux.

Written as classic BPF (kernel documentation, userspace-api/seccomp_filter): no library is needed, no right either once
NO_NEW_PRIVS is set, and a codec's own machine code is held by it as Python is. What is refused gets EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterator

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes each
X32 = 0x40000000  # marks calls of the x32 interface, which has numbers of its own
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CLONE_THREAD = 0x10000
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # audit value, column below
REFUSED = {  # x86_64, aarch64; None where there is no such call
    # network, and rings that would do the same unseen
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "io_uring_setup": (425, 425),
    # programs and processes, our own and others'
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kill": (62, 129), "tkill": (200, 130),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    # files: everything that makes, changes or removes one without writing to it
    "creat": (85, None), "openat2": (437, 437), "truncate": (76, 45), "unlink": (87, None), "unlinkat": (263, 35),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "symlink": (88, None), "symlinkat": (266, 36), "link": (86, None), "linkat": (265, 37),
    "mknod": (133, None), "mknodat": (259, 33), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5),
    "utimensat": (280, 88),
    # the kernel
    "bpf": (321, 280), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "keyctl": (250, 219),
    "add_key": (248, 217), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "init_module": (175, 105),
}  # fmt: skip
OPEN, OPENAT, CLONE, TGKILL, CLONE3 = (2, None), (257, 56), (56, 220), (234, 131), 435

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("true", ctypes.c_ubyte),
        ("false", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def forbid(libc: ctypes.CDLL) -> bool:
    """Put this thread, and every one it starts, under the filter for good. False where the kernel has none for us."""
    known = ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    program = list(_program(*known))
    made = (_Instruction * len(program))(*(_Instruction(*each) for each in program))
    return bool(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(_Program(len(program), made)), 0, 0) == 0)


def _program(architecture: int, column: int) -> Iterator[Instruction]:
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, architecture
    yield _refuse()
    yield LOAD, 0, 0, NUMBER
    if column == 0:
        yield ANY_BIT, 0, 1, X32
        yield _refuse()
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            yield EQUAL, 0, 1, number
            yield _refuse()
    yield EQUAL, 0, 1, CLONE3  # its flags are behind a pointer: as if it were not there, so that libc asks by clone
    yield _refuse(errno.ENOSYS)
    for numbers, argument, test in (
        (OPEN, 1, (ANY_BIT, 0, 1, WRITING)),
        (OPENAT, 2, (ANY_BIT, 0, 1, WRITING)),
        (CLONE, 0, (ANY_BIT, 1, 0, CLONE_THREAD)),  # threads alone
        (TGKILL, 0, (EQUAL, 1, 0, os.getpid())),  # abort() signals itself
    ):
        if (number := numbers[column]) is not None:
            yield EQUAL, 0, 4, number
            yield LOAD, 0, 0, ARGUMENTS + 8 * argument
            yield test
            yield _refuse()
            yield LOAD, 0, 0, NUMBER
    yield RETURN, 0, 0, ALLOW


def _refuse(reason: int = errno.EPERM) -> Instruction:
    return RETURN, 0, 0, ERRNO | reason
