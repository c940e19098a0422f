"""What a step frees stays in the process while it works, and goes back to the system afterwards."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest
import torch

from latentia.core import memory

SCRIPT = """
import ctypes, resource
from types import SimpleNamespace
from latentia.core.memory import kept_memory

CPU, GPU = SimpleNamespace(type="cpu"), SimpleNamespace(type="cuda")
SIZE = 64 << 20
libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)  # no huge pages, of which one fault would clear 2 MB
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
with kept_memory(GPU):
    pages()
    outside = min(outside, pages())
with kept_memory(CPU):
    pages()
    with kept_memory(CPU):
        pages()
    inside = pages()
    held = resident()
after = resident()
print(outside, inside, held - after, pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told anything")
def test_freed_memory_is_used_again_inside_and_given_back_at_the_end():
    free = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=free)
    outside, inside, given_back, afterwards = map(int, done.stdout.split())
    assert outside > 60 << 20  # the system clears every page anew
    assert inside < 1 << 20
    assert given_back > 60 << 20
    assert afterwards > 60 << 20


@pytest.mark.parametrize("library", ["", "musl"])
def test_other_libraries_are_left_alone(library, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr(ctypes, "CDLL", None)  # to call it would fail
    with memory.kept_memory(torch.device("cpu")):
        pass


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "1"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_max=1")]
)
def test_what_the_environment_says_of_the_allocator_stands(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(ctypes, "CDLL", None)
    with memory.kept_memory(torch.device("cpu")):
        pass
