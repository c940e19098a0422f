"""Other processes: the command line as a user runs it, timed and weighed from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# The peak that Linux reports for a process is at least that of its parent at the time of the fork,
# so that the parent must be small: this one, and not the benchmark itself with torch inside.
_WEIGH = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def latentia(*words: str) -> list[str]:
    """Give the command line of this environment's `latentia`.

    Args:
        words: what follows the program's name.

    Returns:
        The command.
    """
    return [str(Path(sys.executable).parent / "latentia"), *words]


def peak_memory(command: Sequence[str]) -> int:
    """Run a command to its end.

    Args:
        command: program and arguments.

    Returns:
        Its peak resident memory in bytes.
    """
    done = subprocess.run(
        [sys.executable, "-c", _WEIGH, *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit


def seconds(command: Sequence[str]) -> float:
    """Time a command from start to end.

    Args:
        command: program and arguments.

    Returns:
        Its duration.
    """
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def seconds_until(path: Path, command: Sequence[str], patience: float = 120.0) -> float:
    """Time a command from its start until a file has content; then stop it.

    Args:
        path: the file.
        command: program and arguments.
        patience: seconds after which to give up.

    Returns:
        The time that it took, to about 2 ms.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not (path.exists() and path.stat().st_size):
            if process.poll() is not None and not path.exists():
                reason = process.stderr.read().strip() if process.stderr else ""
                raise RuntimeError(f"{' '.join(command)} ended before it wrote {path.name}: {reason}")
            if time.perf_counter() - started > patience:
                raise RuntimeError(f"{' '.join(command)} wrote no {path.name} in {patience:g} s")
            time.sleep(0.002)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.communicate()
