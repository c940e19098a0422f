"""Decoding for interaction: ONNX Runtime (on the CPU) where that gives the same, else torch."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.export import parity
from latentia.export.graphs import DecoderGraph, on_the_cpu
from latentia.export.onnx import decoder_bytes
from latentia.runs.run import Run

Decode = Callable[[np.ndarray, "np.ndarray | None"], np.ndarray]
"""Latents `(n, *latent)` and conditions `(n, C)` or None to the likelihood's mean, `(n, *event)`, float32."""


MAKE = """
import os, sys
os.nice(10)
from latentia.export.decoder import kept_graph
from latentia.runs.run import Run
kept_graph(Run.open(sys.argv[1]))
"""
"""What a process of its own does to make a graph."""


class OnnxDecoder:
    """A decoder in ONNX Runtime. May be called from several threads at once."""

    def __init__(self, run: Run, model: bytes, threads: int = 0) -> None:
        """Open the graph.

        Args:
            run: the run that it was made from.
            model: an ONNX model from `z`, and `c` of a conditional model, to `x`.
            threads: how many to compute with; as many as torch has, by default.
        """
        self.run = run
        self.session = parity.session(model, threads)

    def __call__(self, z: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
        """Decode; see `Decode`."""
        z = np.ascontiguousarray(z, np.float32).reshape(-1, *self.run.latent)
        fed = {"z": z}
        if self.run.model.condition:
            fed["c"] = np.ascontiguousarray(self.run.conditions(c, len(z)), np.float32)
        return self.session.run(["x"], fed)[0]


def decoder(run: Run, *, threads: int = 0, say: Callable[[str], None] | None = None) -> Decode:
    """Give the fastest decoder that computes what the run's own computes.

    The graph is made once and kept in the run folder under the checksum of the weights; making it takes some
    seconds. It is compared with torch whenever it is opened.

    Args:
        run: the run.
        threads: how many threads to compute with; as many as torch has, by default.
        say: is told why torch decodes, where it does.

    Returns:
        The decoder.
    """
    try:
        return OnnxDecoder(run, kept_graph(run), threads)
    except LatentiaError as error:
        if say:
            say(f"decoding through torch: {error}")
        return run.inference.decode


def graph_file(run: Run) -> Path:
    """Say where a run's decoder is kept as a graph.

    Args:
        run: the run.

    Returns:
        The file, which need not exist.
    """
    return run.folder.path / "onnx" / f"decoder-{storage.checksum(run.model.state_dict()):08x}.onnx"


def made_apart(run: Run) -> Decode | None:
    """Make the graph in a process of its own, so that nobody waits for it here, and open it.

    Args:
        run: the run.

    Returns:
        The decoder, or None where there is none to be had.
    """
    if not graph_file(run).is_file():
        words = [sys.executable, "-c", MAKE, str(run.folder.path)]
        subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = decoder(run) if graph_file(run).is_file() else None
    return found if isinstance(found, OnnxDecoder) else None


def kept_graph(run: Run) -> bytes:
    """Give a run's decoder as an ONNX model, from the run folder where it was made before.

    Args:
        run: the run.

    Returns:
        The model from `z`, and `c` of a conditional model, to `x`.

    Raises:
        LatentiaError: if it cannot be written as ONNX, or does not compute what torch computes.
    """
    path = graph_file(run)
    kept = _read(run, path)
    if kept is not None:
        return kept
    model = decoder_bytes(run)
    with contextlib.suppress(LatentiaError), storage.atomic_write(path) as handle:
        handle.write(model)  # a folder that cannot be written is done without
    for other in path.parent.glob("decoder-*.onnx"):  # of weights that are no more
        if other != path:
            other.unlink(missing_ok=True)
    return model


def _read(run: Run, path: Path) -> bytes | None:
    """Read a graph that was kept, if it still computes what torch computes."""
    try:
        written = path.read_bytes()
    except OSError:
        return None
    model = on_the_cpu(run.model)
    given = parity.random_inputs(model, run.transform)[1]
    try:
        with torch.no_grad():
            parity.checked(DecoderGraph(model, run.transform, deviation=False), written, given, "decoder")
    except LatentiaError:
        return None
    return written
