"""Files of blocks: what the examples take, beside what the bound says and other compressors make."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from latentia.coding import lossy
from latentia.core.errors import ConfigError, DataError
from latentia.data.splits import spread
from latentia.evaluation.subject import Subject
from latentia.evaluation.topics.likelihood import unfit
from latentia.metrics.figures import Figure, Unmeasurable
from latentia.runs.coder import codable, quick, two_valued
from latentia.runs.compression import Compressed, Written, in_memory, others

if TYPE_CHECKING:
    from latentia.runs.run import Run

MOST, VALUES = 1_000, 1 << 19
"""Examples that are written, at the most, and values of them."""
BOUND, PRIOR, OWN = "the bound", "the prior over codes", "this run"
NAMES = ("file_bits_per_dim", "file_overhead", "file_seconds")


def has(run: Run) -> bool:
    """Say whether a run writes files of its examples, without loss or by codes.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    return not lossy(run.model) and not run.model.copies and codable(run)


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    if reason := unfit(subject) or _unready(subject):
        subject.ledger.lack(NAMES, reason)
        return
    with on_cpu(subject.run):
        subject.ledger.measure(NAMES, partial(_written, subject))


def _unready(subject: Subject) -> str:
    """Say what is to be fitted first, which takes minutes."""
    if quick(subject.run):
        return ""
    path = subject.run.folder.path
    return f"no sampler is fitted to the codes; run latentia sample {path} --sampler autoregressive"


@contextlib.contextmanager
def on_cpu(run: Run) -> Iterator[None]:
    """Have a run on the CPU, where files are written, and bring it back.

    Args:
        run: the run.

    Yields:
        Nothing.
    """
    device = run.device
    run.to("cpu")
    try:
        yield
    finally:
        run.to(device)


def _written(subject: Subject) -> Mapping[str, Figure]:
    run, dataset = subject.run, subject.dataset
    most = max(1, min(MOST, VALUES // math.prod(dataset.event)))
    x = two_valued(run, np.asarray(dataset.x[spread(subject.rows, most)]))
    try:
        coder = run.compressor
        started = time.perf_counter()
        content, written = in_memory(coder, x)
    except (ConfigError, DataError) as error:
        raise Unmeasurable(f"no file without loss can be made: {error}") from error
    between = time.perf_counter()
    back = np.concatenate(list(Compressed(run, io.BytesIO(content), "the file").read()))
    seconds = (between - started, time.perf_counter() - between)
    if not coder.loss and not np.array_equal(back, x, equal_nan=x.dtype.kind == "f"):
        raise Unmeasurable("what came back of the file is not what was written")
    values = written.count * written.entries
    bound = PRIOR if coder.loss else BOUND
    bits = {bound: written.bound / values, OWN: 8 * written.size / values}
    if not coder.loss:
        bits |= {name: 8 * size / values for name, size in others(run, x).items()}
    bits = {
        name: float(each) for name, each in bits.items() if math.isfinite(each)
    }  # a bound needs a latent drawn
    figure = partial(Figure, split=subject.split, error=None, examples=written.count, better="lower")
    how = _protocol(run, written)
    found = {
        NAMES[0]: figure(tuple(bits.values()), "bits", protocol=how, parts=tuple(bits)),
        NAMES[2]: figure(
            seconds, "s", parts=("to write", "to read"), protocol="seconds of the clock, on the CPU as it was"
        ),
    }
    if bound in bits:
        over = 100 * (bits[OWN] / bits[bound] - 1)
        what = f"what the file takes above {bound}, of that; header, blocks and checksums count"
        found[NAMES[1]] = figure(over, "%", protocol=what)
    return found


def _protocol(run: Run, written: Written) -> str:
    two = ", grey values as the nearer of two" * bool(run.model.binary)
    how = (
        f"bits for each value of {written.count:,} examples{two}, all bytes of a file counted, the model's "
        f"weights not. {OWN}: {written.size:,} bytes"
    )
    if written.loss:
        return f"{how}, which hold codes alone, so that examples come back with loss: {written.loss}"
    return (
        f"{how}, read back value by value; {BOUND}: {written.costs} at the latents that they were coded "
        "with, in whole numbers; others: the same examples as one stream, or as one picture"
    )
