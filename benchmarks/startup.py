"""How long a person waits: for the help, for the import, for the first training step."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.images import train_source
from benchmarks.process import latentia, seconds, seconds_until
from benchmarks.result import Result


def run(rounds: int) -> Result:
    """Time fresh processes.

    Args:
        rounds: how often each; one more comes first, to fill the file cache.

    Returns:
        Medians.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source, name = train_source(folder)
        cases: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: seconds([sys.executable, "-c", "pass"]),
            "latentia --help": lambda: seconds(latentia("--help")),
            "import latentia": lambda: seconds([sys.executable, "-c", "import latentia"]),
            "import torch": lambda: seconds([sys.executable, "-c", "import torch"]),
            f"latentia train, to the first step ({name})": lambda: _first_step(source, folder),
        }
        times: dict[str, list[float]] = {case: [] for case in cases}
        for turn in range(rounds + 1):
            for case, measure in cases.items():
                elapsed = measure()
                if turn:
                    times[case].append(elapsed)
    rows = [
        {
            "command": case,
            "ms": round(1000 * median(measured)),
            "least": round(1000 * min(measured)),
            "most": round(1000 * max(measured)),
        }
        for case, measured in times.items()
    ]
    return Result("Start-up", rows, [f"wall time of fresh processes, median of {rounds}"], {"seconds": times})


def _first_step(source: str, folder: Path) -> float:
    """Time from the command to the first logged training step."""
    with tempfile.TemporaryDirectory(dir=folder) as parent:
        out = Path(parent) / "run"
        words = ("--epochs", "1", "--quiet", "--out", str(out), "training.log_every=1")
        return seconds_until(out / "metrics.jsonl", latentia("train", source, *words))
