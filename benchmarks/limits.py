"""What the machine allows: rates of matrix products and bandwidths, measured through torch."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import floor
from benchmarks.result import Cell, Result
from benchmarks.workload import BATCH, Workload

GIGA = 1e9
SQUARE = 2048
PRODUCTS = ((BATCH, 784, 512), (BATCH, 512, 784), (784, BATCH, 512), (1024, 784, 512), (SQUARE,) * 3)
"""Rows, inner dimension and columns: the large layer forwards and backwards, a large batch, a square."""
ELEMENTS = 32_000_000
"""Numbers in an array for the bandwidth: 128 MB, far more than a cache holds."""
WEIGHTS = 829_232
"""Parameters of the MLP; its four arrays fit into a large cache, which `ELEMENTS` do not."""


def run(rounds: int) -> Result:
    """Measure with one thread and with one for each core.

    Args:
        rounds: how often each; the best counts, since a limit is what is looked for.

    Returns:
        One row for each operation, one column for each number of threads.
    """
    counts = sorted({1, os.cpu_count() or 1})
    columns = {count: _measure(count, rounds) for count in counts}
    rows: list[dict[str, Cell]] = []
    for name, (_, unit) in columns[1].items():
        cells: dict[str, Cell] = {"operation": name, "unit": unit}
        for count in counts:
            cells[f"{count} thread{'s' if count > 1 else ''}"] = columns[count][name][0]
        rows.append(cells)
    notes = [
        f"float32, best of {rounds}; a product of (m, k) and (k, n) counts 2 m k n operations",
        f"copy and triad a = b + s c over arrays of {4 * ELEMENTS // 10**6} MB; fused Adam reads four arrays "
        "and writes three",
    ]
    return Result("Limits of the machine", rows, notes)


def product_rate(rows: int = SQUARE, inner: int = SQUARE, columns: int = SQUARE, rounds: int = 5) -> float:
    """Measure the rate of a matrix product with as many threads as there are.

    Args:
        rows: of the first matrix.
        inner: its columns.
        columns: of the second matrix.
        rounds: how often; the best counts.

    Returns:
        Operations per second.
    """
    first, second, out = torch.randn(rows, inner), torch.randn(inner, columns), torch.empty(rows, columns)
    operations = 2 * rows * inner * columns
    return operations / _seconds(lambda: torch.mm(first, second, out=out), rounds)


def operations_per_image(workload: Workload) -> float:
    """Count the operations of the products and convolutions of a training step, forwards and backwards.

    Args:
        workload: network and loss.

    Returns:
        Operations for one image; a multiplication and an addition are two.
    """
    encoder, decoder = workload.build()
    with FlopCounterMode(display=False) as counter:
        floor.loss(encoder, decoder, torch.rand(workload.batch, 1, 28, 28)).backward()
    return counter.get_total_flops() / workload.batch


def _measure(count: int, rounds: int) -> dict[str, tuple[float, str]]:
    found: dict[str, tuple[float, str]] = {}
    with _threads(count):
        for shape in PRODUCTS:
            name = "product ({0}, {1}) x ({1}, {2})".format(*shape)
            found[name] = (round(product_rate(*shape, rounds=rounds) / GIGA, 1), "GFLOP/s")
        a, b, c = (torch.zeros(ELEMENTS) for _ in range(3))
        moved = 4 * ELEMENTS / GIGA
        found["copy"] = (round(2 * moved / _seconds(lambda: a.copy_(b), rounds), 1), "GB/s")
        triad = _seconds(lambda: torch.add(b, c, alpha=2.0, out=a), rounds)
        found["triad"] = (round(3 * moved / triad, 1), "GB/s")
        for size in (WEIGHTS, ELEMENTS):
            seconds = _seconds(_adam(size), rounds)
            found[f"fused Adam, {size:,} parameters"] = (round(7 * 4 * size / GIGA / seconds, 1), "GB/s")
    return found


def _adam(size: int) -> Callable[[], Any]:
    weight = torch.nn.Parameter(torch.zeros(size))
    weight.grad = torch.zeros(size)
    return torch.optim.Adam([weight], fused=True).step


def _seconds(action: Callable[[], Any], rounds: int) -> float:
    """Give the least time of an action, repeated within a round until it takes long enough to be timed."""
    action()
    started = time.perf_counter()
    action()
    repeats = max(1, int(0.05 / max(time.perf_counter() - started, 1e-7)))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(repeats):
            action()
        best = min(best, (time.perf_counter() - started) / repeats)
    return best


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
