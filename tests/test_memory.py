"""What a step frees stays in the process while it works, and goes back to the system afterwards."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource
from latentia.memory import kept_memory

SIZE = 64 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
libc.free.argtypes = ctypes.c_void_p,

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(SIZE)
    libc.memset(block, 1, SIZE)
    libc.free(block)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize()

def resident():
    with open("/proc/self/statm") as handle:
        return int(handle.read().split()[1]) * resource.getpagesize()

pages()
outside = pages()
with kept_memory():
    pages()
    with kept_memory():
        pages()
    inside = pages()
    held = resident()
after = resident()
print(outside, inside, held - after, pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told anything")
def test_freed_memory_is_used_again_inside_and_given_back_at_the_end():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    outside, inside, given_back, afterwards = map(int, done.stdout.split())
    assert outside > 60 << 20  # the system clears every page anew
    assert inside < 1 << 20
    assert given_back > 60 << 20
    assert afterwards > 60 << 20


def test_other_libraries_are_left_alone(monkeypatch):
    from latentia import memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with memory.kept_memory():
        assert memory._libc() is None
