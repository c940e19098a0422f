"""One process and two: `latentia train` under torchrun against a bare loop in DistributedDataParallel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, distributed, nn

from benchmarks import floor
from benchmarks.images import train_source, training_images
from benchmarks.process import latentia
from benchmarks.result import Cell, Result
from benchmarks.workload import BATCH, CONV, LEARNING_RATE, MLP, Workload

LAYOUTS = ((1, 1), (1, 2), (2, 1))
"""Processes, and threads in each."""
STEPS = 400
WORKLOADS = {workload.settings["name"]: workload for workload in (MLP, CONV)}


def run(rounds: int) -> Result:
    """Measure both contestants in each layout, with the same global batch.

    Args:
        rounds: how often each has its turn.

    Returns:
        Images per second of all processes together, and what they are of one process with one thread.
    """
    speeds: dict[tuple[str, str, tuple[int, int]], list[float]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        source, name = train_source(Path(scratch))
        for _ in range(rounds):
            for network in WORKLOADS:
                for layout in LAYOUTS:
                    for contestant in ("latentia", "floor"):
                        try:
                            speed = (
                                _latentia(network, layout, source)
                                if contestant == "latentia"
                                else _bare(network, layout)
                            )
                        except RuntimeError as error:
                            failed[f"{contestant}, {layout[0]} processes"] = str(error)
                            continue
                        speeds.setdefault((network, contestant, layout), []).append(speed)
    rows = [_row(speeds, network, layout) for network in WORKLOADS for layout in LAYOUTS]
    notes = [
        f"{name}; global batch {BATCH}, Adam, float32; {rounds} rounds in turns, medians",
        "floor: a bare loop with fused Adam, under DistributedDataParallel where there are two processes; "
        "speed-up: over the same contestant with one process and one thread",
        "latentia: `images_per_second` of metrics.jsonl, the first line left out, one epoch, --quiet",
        *(f"{case}: {reason}" for case, reason in failed.items()),
    ]
    raw = {f"{n}, {c}, {p} x {t}": [round(s) for s in found] for (n, c, (p, t)), found in speeds.items()}
    return Result("Scaling over processes and threads", rows, notes, {"images per second": raw})


def _row(
    speeds: dict[tuple[str, str, tuple[int, int]], list[float]], network: str, layout: tuple[int, int]
) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        "network": WORKLOADS[network].network,
        "processes": layout[0],
        "threads in each": layout[1],
    }
    for contestant in ("latentia", "floor"):
        found = speeds.get((network, contestant, layout))
        first = speeds.get((network, contestant, LAYOUTS[0]))
        cells[f"{contestant}, images/s"] = round(median(found)) if found else None
        cells[f"{contestant}, speed-up"] = (
            round(median(found) / median(first), 2) if found and first else None
        )
    return cells


def _command(processes: int, words: list[str]) -> list[str]:
    if processes == 1:
        return words
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    return [*torchrun, "--no-python", *words]


def _call(layout: tuple[int, int], words: list[str]) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(layout[1])}
    done = subprocess.run(
        _command(layout[0], words), capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    if done.returncode:
        lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(next((line for line in lines if "Error: " in line), lines[-1])[:200])
    return done.stdout


def _latentia(network: str, layout: tuple[int, int], source: str) -> float:
    """Train an epoch on the command line; every layout writes one log."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        words = [
            "train",
            source,
            "--model",
            "vae",
            "--latent-dim",
            "16",
            "--likelihood",
            "bernoulli",
            "--epochs",
            "1",
        ]
        settings = [
            *(f"network.{key}={json.dumps(value)}" for key, value in WORKLOADS[network].settings.items()),
            "transform.name=scale",
            f"training.batch_size={BATCH}",
            "training.device=cpu",
            "training.compile=never",
        ]
        _call(layout, latentia(*words, "--quiet", "--out", str(out), *settings))
        lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == "train"][1:]
    return median(row["images_per_second"] for row in rows)


def _bare(network: str, layout: tuple[int, int]) -> float:
    return float(_call(layout, [sys.executable, "-m", __name__, network]).split()[-1])


class _Loss(nn.Module):
    """The floor's loss as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.encoder, self.decoder = workload.build()

    def forward(self, x: Tensor) -> Tensor:
        return floor.loss(self.encoder, self.decoder, x)


def _train(workload: Workload) -> float:
    """Train in this process, and in step with others where torchrun started them; give images per second."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    data = torch.from_numpy(training_images()[0])
    model: nn.Module = _Loss(workload)
    if world > 1:
        distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(data), generator=generator)
    size = BATCH // world
    started = time.perf_counter()
    for step in range(-20, STEPS):
        if step == 0:
            started = time.perf_counter()
        first = (step + 20) * BATCH % (len(data) - BATCH) + rank * size
        x = data.index_select(0, order[first : first + size]).to(torch.float32).mul_(1 / 255)
        optimiser.zero_grad(set_to_none=True)
        model(x).backward()
        optimiser.step()
    seconds = time.perf_counter() - started
    if world > 1:
        distributed.destroy_process_group()
    return STEPS * BATCH / seconds if rank == 0 else 0.0


if __name__ == "__main__":
    reached = _train(WORKLOADS[sys.argv[1]])
    if reached:
        print(reached)
