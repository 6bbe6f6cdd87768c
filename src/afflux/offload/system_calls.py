"""System calls that a worker may not make, whoever makes them: native code doesn't ask Python's audit hooks.

A seccomp filter on Linux (x86-64 and ARM64); elsewhere, and where the kernel refuses it, the audit hooks stand alone.
"""

import ctypes
import errno
import platform
import struct
import sys

_X86_64, _ARM64 = 0xC000003E, 0xC00000B7
_SYSTEM_CALLS = (
    # name, number on x86-64, number on ARM64 (None: there is none)
    ("socket", 41, 198),
    ("connect", 42, 203),
    ("sendto", 44, 206),
    ("sendmsg", 46, 211),
    ("sendmmsg", 307, 269),
    ("bind", 49, 200),
    ("listen", 50, 201),
    ("execve", 59, 221),
    ("execveat", 322, 281),
    ("fork", 57, None),
    ("vfork", 58, None),
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("pidfd_getfd", 438, 438),
    ("io_uring_setup", 425, 425),
)
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_X32 = 0x40000000
"""Set in the numbers of x86-64's third ABI, which names the same calls."""
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def refuse_system_calls() -> bool:
    """Takes these calls from this process for good: they fail with EPERM. Whether the kernel has agreed."""
    architecture = {"x86_64": _X86_64, "aarch64": _ARM64}.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        return False
    instructions = _filter(architecture)
    program = _Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(architecture: int) -> bytes:
    """The filter as the kernel reads it (BPF): each jump counts the instructions that it passes over."""
    column = 1 if architecture == _X86_64 else 2
    numbers = [call[column] for call in _SYSTEM_CALLS if call[column] is not None]
    left = len(numbers)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, left + 3, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, left + 1, 0, _X32),
        *((_IF_EQUAL, left - index, 0, number) for index, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
