"""Encoding under fire: processes are killed at random moments, and every row must come out once.

A packed set of small shards is encoded by two processes under torchrun; one of them, or torchrun and both, is
killed at a random moment and the command started again, until the folder is whole. Its files must then be,
byte for byte, those of one process that nobody disturbed.

    python -m benchmarks.soak_encode --kills 20
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.result import Cell, Result
from benchmarks.soak import launch, main, workers
from latentia import load
from latentia.data.packing.pack import pack
from latentia.runs import session

PROCESSES = 2
SHARDS = 20
ROWS = 2048


@dataclass
class Tally:
    """What happened.

    Attributes:
        whole: how many shards were whole at each kill.
        everything: kills of torchrun and all processes, instead of one process.
        folders: how many were finished.
        rows: rows in the finished folders.
        lost: what was not as in the undisturbed folder.
    """

    whole: list[int] = field(default_factory=list)
    everything: int = 0
    folders: int = 0
    rows: int = 0
    lost: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Cell]:
        """Give the line of the table."""
        return {
            "processes": PROCESSES,
            "kills": len(self.whole),
            "before the first shard": self.whole.count(0),
            "of all at once": self.everything,
            "folders": self.folders,
            "rows": self.rows,
            "lost": len(self.lost),
        }


def prepare(root: Path) -> tuple[Path, Path]:
    """Make a run and packed data whose labels number the rows.

    Args:
        root: where to.

    Returns:
        The run and the packed data.
    """
    x = np.random.default_rng(0).integers(0, 256, (SHARDS * ROWS, 1, 32, 32), dtype=np.uint8)
    source = pack((x, np.arange(len(x))), root / "packed", shard_mb=ROWS >> 10, validation=0.05, test=0.05)
    settings = {"network": {"name": "conv"}, "training": {"epochs": 1, "device": "cpu", "compile": "never"}}
    session.start(x[:512], settings, out=root / "run", quiet=True)
    return root / "run", source


def whole(folder: Path) -> int:
    """Count the shards that have a record.

    Args:
        folder: where they are.

    Returns:
        How many.
    """
    return len(list(folder.glob("t*[0-9].json")))


def shoot(tally: Tally, words: list[str], folder: Path, chance: random.Random) -> bool:
    """Start or go on, and kill at a random moment.

    Args:
        tally: what happened, to be added to.
        words: what follows `latentia`.
        folder: where the shards go.
        chance: draws moment and victim.

    Returns:
        Whether the folder was finished before the moment came.
    """
    before = whole(folder)
    started = launch(PROCESSES, words, folder.parent / "errors.txt")
    found: list[psutil.Process] = []
    while not found and started.poll() is None:
        time.sleep(0.01)
        found = workers(started, PROCESSES)
    starting = chance.random() < 0.25  # one in four while it starts
    while not starting and whole(folder) <= before and started.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 3.0 if starting else 0.8))
    if started.poll() is not None:
        return started.returncode == 0
    everything = chance.random() < 0.5
    victims = [psutil.Process(started.pid), *found] if everything else [chance.choice(found)]
    for victim in victims:
        if victim.is_running():
            victim.kill()
    tally.whole.append(whole(folder))
    tally.everything += everything
    psutil.wait_procs(found, 60)
    return started.wait() == 0  # the victim may have been done already


def differences(unbroken: Path, folder: Path, rows: int) -> list[str]:
    """Compare a folder that was disturbed with one that was not.

    Args:
        unbroken: the folder that was not.
        folder: the one that was.
        rows: how many rows there are to be.

    Returns:
        What differs.
    """
    names = [{path.name for path in each.iterdir()} for each in (unbroken, folder)]
    found = [f"{name} is in one of both" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1] - {"packing.json"}):
        if (unbroken / name).read_bytes() != (folder / name).read_bytes():
            found.append(f"{name} differs")
    labels = load(folder).labels
    if labels is None or not np.array_equal(np.sort(labels), np.arange(rows)):
        found.append("a row is missing, or there twice")
    return found


def run(kills: int, seed: int) -> Result:
    """Kill until it is enough, and finish the last folder.

    Args:
        kills: how many at the least.
        seed: of moments and victims.

    Returns:
        Counts.
    """
    chance, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        model, source = prepare(root)
        rows = len(load(source))

        def words(folder: Path) -> list[str]:
            return ["encode", str(model), str(source), "--sample", "--device", "cpu", "-o", str(folder)]

        if launch(1, words(root / "unbroken"), root / "errors.txt").wait():
            raise RuntimeError((root / "errors.txt").read_text())
        while len(tally.whole) < kills:
            folder, over = root / f"killed-{tally.folders}", False
            while not over and len(tally.whole) < kills:
                over = shoot(tally, words(folder), folder, chance)
                print(f"kill {len(tally.whole)}, {whole(folder)} shards", file=sys.stderr)
            if launch(PROCESSES, words(folder), root / "errors.txt").wait():
                tally.lost.append((root / "errors.txt").read_text().strip())
            tally.lost += differences(root / "unbroken", folder, rows)
            tally.rows += rows
            tally.folders += 1
    notes = [
        f"{rows:,} images of 32x32 in shards of {ROWS:,}, encoded to samples by two processes under "
        "torchrun; SIGKILL to one of them, or to torchrun and both, a quarter of the kills while they start.",
        "Lost: a file of a finished folder that is not, byte for byte, that of one undisturbed process.",
        *tally.lost,
    ]
    return Result("Encoding killed at random moments", [tally.row()], notes, vars(tally))


if __name__ == "__main__":
    main(__doc__, run, "soak-encode")
