"""Packing a folder of JPEG beside decoding the same files in as many processes and keeping nothing.

python -m benchmarks.decoder FOLDER SCRATCH     prints figures as JSON; a small process of its own
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np

PROCESSES = 2
ROUNDS = 3
CHUNK = 256
FEW = 6000
"""Images that are looked at stage by stage."""


def ready(seconds: float) -> None:
    """Import what decodes, and stay busy so that the other process has to start, too.

    Args:
        seconds: for how long.
    """
    from latentia.data.readers.decode import decode

    time.sleep(seconds)
    _ = decode


def decode_only(paths: list[str]) -> tuple[float, float]:
    """Read files, then decode them.

    Args:
        paths: the files.

    Returns:
        Seconds of decoding, by the clock and of the processor.
    """
    from latentia.data.readers.decode import decode

    found = [Path(path).read_bytes() for path in paths]
    wall, processor = time.perf_counter(), time.process_time()
    for data in found:
        decode(data)
    return time.perf_counter() - wall, time.process_time() - processor


def _used() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _listed(source: Path) -> list[str]:
    return sorted(f"{at}/{name}" for at, _, names in os.walk(source) for name in names)


@contextmanager
def _pool() -> Iterator[Executor]:
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        yield pool


def _decode(pool: Executor, paths: list[str]) -> list[tuple[float, float]]:
    return list(pool.map(decode_only, [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]))


def _round(source: Path, out: Path) -> dict[str, tuple[float, float]]:
    """Measure each way once; give seconds by the clock and seconds of processors."""
    from latentia.data.packing.pack import pack

    paths = _listed(source)
    found: dict[str, tuple[float, float]] = {}
    before = _used()
    with _pool() as pool:
        list(pool.map(ready, [0.5] * PROCESSES))
    start = _used() - before
    before = _used()
    with _pool() as pool:
        list(pool.map(ready, [0.5] * PROCESSES))
        wall = time.perf_counter()
        inside = _decode(pool, paths)
        wall = time.perf_counter() - wall
    found["decoding, bytes in memory"] = (
        sum(each for each, _ in inside) / PROCESSES,
        sum(each for _, each in inside),
    )
    found["reading and decoding"] = wall, _used() - before - start
    before, wall = _used(), time.perf_counter()
    with _pool() as pool:
        _decode(pool, _listed(source))
    found["listing, starting, reading and decoding"] = time.perf_counter() - wall, _used() - before
    before, wall = _used(), time.perf_counter()
    pack(source, out, workers=PROCESSES)
    found["packing"] = time.perf_counter() - wall, _used() - before
    shutil.rmtree(out)
    return found


def stages(source: Path, scratch: Path) -> dict[str, float]:
    """Say what a worker's time goes into.

    Args:
        source: a folder of JPEG of one size.
        scratch: a folder to write into.

    Returns:
        Microseconds an image: to read a file, to decode it, and for all of a task.
    """
    from latentia.data.packing.workers import Task, decode_into
    from latentia.data.raw import Options
    from latentia.data.readers.decode import read_picture
    from latentia.data.readers.depths import depth_of
    from latentia.data.readers.files import open_files

    target = scratch / "stages"
    target.touch()
    with open_files(source) as files:
        count = min(FEW, len(files.names))
        part = files.part(list(range(count)))
        data = [part.read(index) for index in range(count)]
        options = Options()
        event = read_picture(data[0], options).pixels.shape
        rows = np.zeros((count, *event[1:], event[0]), np.uint8)

        def task(start: int) -> None:
            at = np.arange(start, min(count, start + CHUNK))
            place = start * rows[0].nbytes
            kept = (depth_of(rows.dtype), rows.dtype)
            decode_into(Task(part, target, place, at, event, files.names[0], options, *kept), str(source))

        work: dict[str, Callable[[], object]] = {
            "read": lambda: [part.read(index) for index in range(count)],
            "decode": lambda: [
                read_picture(each, options, into=rows[index]) for index, each in enumerate(data)
            ],
            "task": lambda: [task(start) for start in range(0, count, CHUNK)],
        }
        return {name: round(1e6 * _least(call) / count, 1) for name, call in work.items()}


def _least(call: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


def main() -> None:
    """Measure in turn, several times, and print the medians."""
    import latentia.data.packing.pack  # noqa: F401 - what is measured begins after this

    source, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    rounds = [_round(source, scratch / f"packed-{number}") for number in range(ROUNDS)]
    count = len(_listed(source))
    rows = {}
    for name in rounds[0]:
        shares = [[each["packing"][k] / each[name][k] for each in rounds] for k in range(2)]
        rows |= {
            name: {
                "images/s": round(count / statistics.median(each[name][0] for each in rounds)),
                "images/s of a processor": round(count / statistics.median(each[name][1] for each in rounds)),
                "share": round(1 / statistics.median(shares[0]), 2),
                "share of processors": round(1 / statistics.median(shares[1]), 2),
            }
        }
    print(json.dumps({"rows": rows, "stages": stages(source, scratch)}))


if __name__ == "__main__":
    main()
