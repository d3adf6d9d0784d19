"""Long turns on the processor, for what is started within: an emulator that shares one
with others fills its caches anew at each turn. With Linux's usual 3 ms that took some
tenth of the whole suite's time. Linux before 6.12 keeps to its own turns."""

import contextlib
import ctypes
import platform
import struct

CALL = {"x86_64": 314, "aarch64": 274}.get(platform.machine())  # sched_setattr
OTHER, BATCH = 0, 3
TURN_NS = 100_000_000  # the most that Linux takes

libc = ctypes.CDLL(None, use_errno=True)


def ask(policy, turn_ns):
    """For this thread, and what it starts. Where it's refused, all stays as it was."""
    attr = struct.pack("IIQiIQQQII", 56, policy, 0, 0, 0, turn_ns, 0, 0, 0, 0)
    if CALL:
        libc.syscall(CALL, 0, ctypes.create_string_buffer(attr), 0)


@contextlib.contextmanager
def long():
    ask(BATCH, TURN_NS)
    try:
        yield
    finally:
        ask(OTHER, 0)
