"""Packing a folder of JPEG beside decoding the same files in as many processes and keeping nothing.

python -m benchmarks.decoder FOLDER SCRATCH     prints images per second as JSON; a small process of its own
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

PROCESSES = 2
ROUNDS = 3


def decode_only(paths: list[str]) -> int:
    """Read and decode files.

    Args:
        paths: the files.

    Returns:
        How many there were.
    """
    from latentia.data.decode import decode

    return sum(len(decode(Path(path).read_bytes())) > 0 for path in paths)


def main() -> None:
    """Measure in turn, several times, and print the medians."""
    from latentia.data.pack import pack

    source, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    paths = sorted(map(str, source.rglob("*.jpg")))
    chunks = [paths[start : start + 256] for start in range(0, len(paths), 256)]
    found: dict[str, list[float]] = {"decoder": [], "decoder with start": [], "packing with start": []}
    for number in range(ROUNDS):
        started = time.perf_counter()
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            list(pool.map(decode_only, [paths[:8]] * 64))  # both have started and imported
            begun = time.perf_counter()
            list(pool.map(decode_only, chunks))
            ended = time.perf_counter()
        found["decoder"].append(len(paths) / (ended - begun))
        found["decoder with start"].append(len(paths) / (ended - started))
        out = scratch / f"packed-{number}"
        started = time.perf_counter()
        pack(source, out, workers=PROCESSES)
        found["packing with start"].append(len(paths) / (time.perf_counter() - started))
        shutil.rmtree(out)
    ratios = {
        f"share of the {name}": statistics.median(
            ours / theirs for ours, theirs in zip(found["packing with start"], found[name])
        )
        for name in ("decoder", "decoder with start")
    }
    print(json.dumps({name: statistics.median(values) for name, values in found.items()} | ratios))


if __name__ == "__main__":
    main()
