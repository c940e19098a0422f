"""Training under fire: processes are killed at random moments, and nothing may be lost.

A run is started, one of its processes is killed at a random moment, and the run is resumed, again and
again until it is over. At the end its weights must be, bit for bit, those of a run that nobody disturbed, and
its log must have every step once.

    python -m benchmarks.soak --kills 20
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from benchmarks.result import Cell, Result, describe_machine
from latentia.core import storage
from latentia.training.folder import RunFolder

RESULTS = Path(__file__).parent / "results"
EVERY = 5
"""Steps between lines of the log."""
SETTINGS = [
    "digits", "--latent-dim", "4", "--epochs", "60", "--network", "mlp", "--hidden", "64", "--device", "cpu",
    "objective.name=factor", "likelihood.name=gaussian_optimal", "training.ema=0.99",
    f"training.log_every={EVERY}",
    "training.checkpoint_seconds=0.2", "training.compile=never",
]  # fmt: skip
"""With an adversary, averaged weights and a likelihood that follows the data: all that a run may keep."""
STOPS_WITHIN = 60.0
"""Seconds in which a run has to end after one of its processes was killed."""


@dataclass
class Tally:
    """What happened to the runs of one number of processes.

    Attributes:
        processes: how many worked on a run.
        steps: the step that the log had reached at each kill.
        early: kills before a process that was started or resumed had logged anything.
        victims: the rank that was killed, each time.
        stopping: seconds from each kill to the end of the last process.
        silent: kills after which a process that was left said no line of its own.
        runs: how many runs were finished.
        lost: what was not as in the undisturbed run.
    """

    processes: int
    steps: list[int] = field(default_factory=list)
    early: int = 0
    victims: list[int] = field(default_factory=list)
    stopping: list[float] = field(default_factory=list)
    silent: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Cell]:
        """Give the line of the table."""
        return {
            "processes": self.processes,
            "kills": len(self.steps),
            "while starting": self.early,
            "of rank 0": self.victims.count(0),
            "longest stop, s": round(max(self.stopping), 1),
            "without a word": self.silent,
            "runs": self.runs,
            "lost": len(self.lost),
        }


def command(processes: int, words: list[str]) -> list[str]:
    """Give the command line of a run.

    Args:
        processes: how many shall work on it.
        words: what follows `latentia`.

    Returns:
        The command.
    """
    alone = [sys.executable, "-m", "latentia", *words]
    if processes == 1:
        return alone
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *several, *alone[1:]]


def launch(processes: int, words: list[str], errors: Path) -> subprocess.Popen[bytes]:
    """Start a run.

    Args:
        processes: how many shall work on it.
        words: what follows `latentia`.
        errors: where its last words go.

    Returns:
        The process that was started.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with errors.open("wb") as handle:
        return subprocess.Popen(
            command(processes, words), env=environment, stdout=subprocess.DEVNULL, stderr=handle
        )


def workers(started: subprocess.Popen[bytes], processes: int) -> list[psutil.Process]:
    """Find the processes that train, by rank.

    Args:
        started: what `launch` gave.
        processes: how many there are.

    Returns:
        The processes; none while they are not all there.
    """
    root = psutil.Process(started.pid)
    if processes == 1:
        return [root]
    ranked: dict[int, psutil.Process] = {}
    for child in root.children(recursive=True):
        try:
            environment, words = child.environ(), child.cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
        if "RANK" in environment and "latentia" in words:
            ranked[int(environment["RANK"])] = child
    return [ranked[rank] for rank in sorted(ranked)] if len(ranked) == processes else []


def reached(folder: RunFolder) -> int:
    """Give the last step in the log of a run.

    Args:
        folder: the run.

    Returns:
        The step; 0 where there is none.
    """
    return max((row.get("step", 0) for row in folder.metrics()), default=0)


def shoot(tally: Tally, folder: RunFolder, words: list[str], chance: random.Random) -> bool:
    """Start or resume a run, and kill one of its processes at a random moment.

    Args:
        tally: what happened, to be added to.
        folder: the run.
        words: what follows `latentia`.
        chance: draws moment and victim.

    Returns:
        Whether the run is over: it ended before the moment came.
    """
    errors = folder.path.parent / "errors.txt"
    before = reached(folder)
    started = launch(tally.processes, words, errors)
    found: list[psutil.Process] = []
    while not found and started.poll() is None:
        time.sleep(0.01)
        found = workers(started, tally.processes)
    starting = chance.random() < 0.25  # one in four while it starts, before it can have trained
    wait_from = time.monotonic()
    while not starting and reached(folder) <= before and started.poll() is None:
        time.sleep(0.01)
        if time.monotonic() - wait_from > 120:
            break
    time.sleep(chance.uniform(0, 3.0 if starting else 1.5))
    if started.poll() is not None:
        return True
    victim = chance.randrange(tally.processes)
    step, shot = reached(folder), time.monotonic()
    try:
        found[victim].send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return started.wait() == 0
    for process in found:
        try:
            process.wait(STOPS_WITHIN)
        except psutil.TimeoutExpired:
            tally.lost.append(f"a process went on for {STOPS_WITHIN:g} s after rank {victim} died at {step}")
            process.kill()
    tally.stopping.append(time.monotonic() - shot)
    started.wait()
    tally.steps.append(step)
    tally.early += step <= before
    tally.victims.append(victim)
    said = errors.read_text(errors="replace")
    tally.silent += tally.processes > 1 and "stops: another one has ended" not in said
    if "Error" in said and tally.processes == 1:
        tally.lost.append(f"unexpected words: {said.strip().splitlines()[-1]}")
    return False


def differences(unbroken: RunFolder, folder: RunFolder) -> list[str]:
    """Compare a run that was disturbed with one that was not.

    Args:
        unbroken: the run that was not.
        folder: the one that was.

    Returns:
        What differs.
    """
    found = []
    for name in ("weights", "last checkpoint"):
        first, second = (
            storage.load_tensors(
                run.weights_file if name == "weights" else sorted(run.checkpoints.glob("*.safetensors"))[-1]
            )[0]
            for run in (unbroken, folder)
        )
        if first.keys() != second.keys() or any(not torch.equal(first[k], second[k]) for k in first):
            found.append(f"the {name} differ")
    for split in ("validation", "health", "test"):
        wanted, got = ([row for row in run.metrics() if row["split"] == split] for run in (unbroken, folder))
        if got != wanted:
            found.append(f"the figures of {split} differ")
    steps, wanted = (
        [row["step"] for row in r.metrics() if row["split"] == "train"] for r in (folder, unbroken)
    )
    if steps != sorted(set(steps)):
        found.append("the log of train has a step twice")
    # There is a line at each checkpoint, too, and the clock says when that is.
    if {step for step in wanted if step % EVERY == 0 or step == wanted[-1]} - set(steps):
        found.append("the log of train lacks steps")
    return found


def soak(processes: int, kills: int, root: Path, chance: random.Random) -> Tally:
    """Kill until it is enough, and finish the last run.

    Args:
        processes: how many shall work on a run.
        kills: how many of them shall be killed at the least.
        root: a folder for the runs.
        chance: draws moments and victims.

    Returns:
        What happened.
    """
    tally = Tally(processes)
    unbroken = RunFolder(root / f"unbroken-{processes}")
    words = ["train", *SETTINGS, "--quiet", "--out"]
    if launch(processes, [*words, str(unbroken.path)], root / "errors.txt").wait():
        raise RuntimeError((root / "errors.txt").read_text())
    while len(tally.steps) < kills:
        folder = RunFolder(root / f"killed-{processes}-{tally.runs}")
        over = False
        while not over and len(tally.steps) < kills:
            begun = folder.run_file.exists()
            resume = ["train", "--resume", str(folder.path), "--quiet"]
            over = shoot(tally, folder, resume if begun else [*words, str(folder.path)], chance)
            print(
                f"{processes} processes, kill {len(tally.steps)} at step {reached(folder)}", file=sys.stderr
            )
        if folder.run_file.exists():
            resume = ["train", "--resume", str(folder.path), "--quiet"]
            if launch(processes, resume, root / "errors.txt").wait():
                tally.lost.append((root / "errors.txt").read_text().strip())
            tally.lost += differences(unbroken, folder)
            tally.runs += 1
    return tally


def run(kills: int, seed: int) -> Result:
    """Soak one process and two.

    Args:
        kills: of each, at the least.
        seed: of moments and victims.

    Returns:
        Counts.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        tallies = [soak(processes, kills, Path(root), chance) for processes in (1, 2)]
    notes = [
        "Training of the embedded digits with an adversary, averaged weights and a checkpoint every 0.2 s; "
        "SIGKILL to one process at random, a quarter of the kills while the run starts.",
        "Lost: a run whose weights, last checkpoint or figures differ from the undisturbed run's by a bit, "
        f"whose log has a step twice or lacks one, or a process that went on for {STOPS_WITHIN:g} s.",
        *[f"{tally.processes}: {line}" for tally in tallies for line in tally.lost],
    ]
    raw = {str(tally.processes): vars(tally) for tally in tallies}
    return Result("Killed at random moments", [tally.row() for tally in tallies], notes, raw)


def main(description: str | None, run: Callable[[int, int], Result], name: str) -> None:
    """Read the command line, kill as often as it says, print the table and write the JSON file.

    Args:
        description: what `--help` says.
        run: kills so many times, with a seed.
        name: of the file.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    machine = describe_machine()
    result = run(asked.kills, asked.seed)
    result.write(RESULTS / f"{name}.json", machine)
    print(result.table(machine))
    sys.exit(any(row["lost"] for row in result.rows))


if __name__ == "__main__":
    main(__doc__, run, "soak")
