"""How much memory there is, and the C library's allocator: what a step frees stays for the next step."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Parameters of mallopt(3).
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
UNLIMITED = -1
# The most that glibc comes to by itself; to set any of them ends its adapting.
USUAL_TRIM, USUAL_SIZE, USUAL_MMAPS = 64 << 20, 32 << 20, 65536

TOLD = ("MALLOC_TRIM_", "MALLOC_MMAP_")
"""Environment variables that set the same."""

_lock = threading.Lock()
_depth = 0


def available() -> int | None:
    """Ask how much memory a process may still take: what the system has, within the process's own limit.

    Returns:
        Bytes; None where the system does not say.
    """
    free = None
    with contextlib.suppress(OSError, ValueError):
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(told["MemAvailable"].split()[0]) << 10
    with contextlib.suppress(OSError, ValueError):  # a container; "max" where it has no limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        free = min(limit - used, free if free is not None else limit)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            free = min(limit - used, free if free is not None else limit)
    return free


def _libc() -> Any:
    """Give the C library, where it is one whose allocator can be told and nobody has told it; else None."""
    told = "malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith(TOLD) for name in os.environ
    )
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" and not told else None


@contextlib.contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Keep freed memory inside the context, and give it back to the system at its end.

    The passes of a network free large tensors that the next ones ask for again. glibc gives the larger ones
    back to the system at once, which then clears every page anew: two fifths of a step with activations of
    50 MB (`python -m benchmarks.run causes`, which gives the price in memory, too).

    It holds for the main thread; others keep up to 64 MB. Afterwards the library's thresholds stay where its
    own adapting would bring them at most. Other C libraries are left alone, and one that the environment
    has set (`MALLOC_TRIM_...`, `MALLOC_MMAP_...`, `GLIBC_TUNABLES`).

    Args:
        device: where the work is done; off a CPU there is nothing to gain.

    Yields:
        Nothing.
    """
    if device.type != "cpu" or (libc := _libc()) is None:
        yield
        return
    _enter(libc, 1)
    try:
        yield
    finally:
        _enter(libc, -1)


def _enter(libc: Any, change: int) -> None:
    """Tell the library what holds from now on, where that changes."""
    global _depth
    with _lock:
        before, _depth = _depth, _depth + change
        if before and _depth:
            return
        libc.mallopt(TRIM_THRESHOLD, UNLIMITED if _depth else USUAL_TRIM)
        libc.mallopt(MMAP_MAX, 0 if _depth else USUAL_MMAPS)
        if not _depth:
            libc.mallopt(MMAP_THRESHOLD, USUAL_SIZE)
            libc.malloc_trim(0)
