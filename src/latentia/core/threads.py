"""Threads: no more than the work feeds and than find a core, and asleep while they wait.

A step of a small network is made of many short pieces of work, and all threads wait for each other after
each. A thread that waits keeps its core busy unless it is told to sleep; where other work wants that core,
too, the one that is waited for does not get it, and a step takes ten times as long (`python -m
benchmarks.run busy`).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future

    from torch import Tensor, nn

Part = TypeVar("Part")
Made = TypeVar("Made")

SPIN = 10_000
"""Turns that GNU's OpenMP waits before it lets a thread sleep; its own default is 300,000."""

TOLD = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Environment variables by which a user says how threads wait."""

FEEDS = 50_000_000
"""Floating-point operations of a step's forward pass from which one more thread is worth its waiting."""

LOOK = 0.2
"""Seconds that the cores are watched for."""


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def let_sleep() -> None:
    """Let waiting threads spin briefly and then sleep, unless the environment says how they wait.

    The OpenMP of torch's wheels for Linux reads it when torch is first imported: called later, it changes
    nothing, and other libraries of OpenMP do not know it.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in TOLD):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN)


def operations(module: nn.Module, work: Callable[[], object]) -> int:
    """Count the floating-point operations of a module's dense layers and convolutions while it works.

    Args:
        module: what computes; whatever it consists of is counted at each call.
        work: makes it compute.

    Returns:
        Two for each product that is added up; what is neither a dense layer nor a convolution counts nothing.
    """
    from torch import nn

    counted = [0]

    def count(layer: Any, given: tuple[Tensor, ...], made: Tensor) -> None:
        # A convolution applies all its weights at each place of its output, a transposed one of its input.
        dense, turned = isinstance(layer, nn.Linear), getattr(layer, "transposed", False)
        values = given[0] if dense or turned else made
        channels = layer.in_features if dense else layer.in_channels if turned else layer.out_channels
        counted[0] += 2 * layer.weight.numel() * (values.numel() // channels)

    layers = [part for part in module.modules() if isinstance(part, (nn.Linear, nn.modules.conv._ConvNd))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        work()
    finally:
        for hook in hooks:
            hook.remove()
    return counted[0]


def threads_for(operations: float) -> int:
    """Choose how many threads share the work of a step.

    Args:
        operations: floating-point operations of its forward pass.

    Returns:
        One for each `FEEDS` operations, at least one, no more than torch would take (a core each, or what
        the user has set by `OMP_NUM_THREADS` or `torch.set_num_threads`), and no more than there are cores
        that other work leaves idle now.
    """
    import torch

    fed = min(torch.get_num_threads(), int(operations / FEEDS))
    return max(1, min(fed, round(idle_cores()))) if fed > 1 else 1


def shared_out(work: Callable[[Part], Made], parts: Iterator[Part]) -> list[Made]:
    """Do the same work on many parts, as many of them at once as torch would take threads.

    Small networks are made of pieces too short to be shared among threads: each thread has a part of its own,
    and torch shares nothing meanwhile. What comes out is the same to the bit where products of matrices do
    not depend on the number of threads. One part alone is computed as ever.

    Args:
        work: what is done; called from several threads.
        parts: what it is given; not read further ahead than there are threads.

    Returns:
        What came of each part, in their order.
    """
    from concurrent.futures import ThreadPoolExecutor

    import torch

    count = torch.get_num_threads()
    first = list(islice(parts, 2))
    if count == 1 or len(first) < 2:
        return [work(part) for part in chain(first, parts)]
    made: list[Made] = []
    with using(1), ThreadPoolExecutor(count, "latentia-part") as pool:
        begun: deque[Future[Made]] = deque()
        for part in chain(first, parts):
            if len(begun) == count:
                made.append(begun.popleft().result())
            begun.append(pool.submit(work, part))
        made += [future.result() for future in begun]
    return made


def idle_cores() -> float:
    """Measure for `LOOK` seconds how many of the cores that this process may use have nothing to do.

    Returns:
        From 0 to the number of cores; that number where the system does not say (it does on Linux).
    """
    before = _ticks()
    time.sleep(LOOK)
    after = _ticks()
    if not before:
        return float(os.cpu_count() or 1)
    spent = [(idle - idle0, total - total0) for (idle0, total0), (idle, total) in zip(before, after)]
    # A core whose clock has not moved has slept all the while.
    return sum(idle / total if total else 1.0 for idle, total in spent)


def _ticks() -> list[tuple[int, int]]:
    """Read from `/proc/stat` how long each core has been idle, and since when, in ticks of 10 ms."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    usable = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    cores = [[int(ticks) for ticks in line.split()[1:]] for line in lines if line.split(" ")[0] in usable]
    # user, nice, system, idle, waiting for a disk, ...: the last two of ten are counted in the first two.
    return [(ticks[3] + ticks[4], sum(ticks[:8])) for ticks in cores]


@contextlib.contextmanager
def using(count: int | None) -> Iterator[None]:
    """Compute with a number of threads inside the context.

    Args:
        count: how many; None leaves torch as it is.

    Yields:
        Nothing.
    """
    import torch

    before = torch.get_num_threads()
    if count in (None, before):
        yield
        return
    torch.set_num_threads(cast(int, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)
