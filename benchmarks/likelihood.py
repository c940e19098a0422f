"""log p(x) by importance sampling: latentia, a bare loop, pythae, and the decoder's matrix products."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import peer
from benchmarks.contestants import in_turns
from benchmarks.images import training_images
from benchmarks.process import peak_memory
from benchmarks.result import Cell, Result
from latentia.core import config
from latentia.core.compiling import Compiled
from latentia.core.memory import kept_memory
from latentia.core.types import LatentModel
from latentia.data.loader import Loader
from latentia.data.transforms import Scale
from latentia.metrics.likelihood import importance_weighted, scorer

SAMPLES = 5000
ROWS = 512
"""Latents at a time of the matrix products alone; other sizes are not faster here."""
NETWORKS = (((512,), 16), ((200, 200), 50))
COUNTS = {"latentia": 30, "compiled": 30, "products": 30, "bare": 10, "pythae": 4}
"""Images in a turn of each contestant."""
MEMORY = (1_000, 100_000)


@dataclass(frozen=True)
class Contest:
    """One network with the same weights for all contestants.

    Attributes:
        hidden: widths from the data to the latent.
        latents: dimensions of the latent.
        images: uint8, shape `(N, 1, 28, 28)`.
        model: latentia's.
    """

    hidden: tuple[int, ...]
    latents: int
    images: np.ndarray
    model: LatentModel

    @property
    def name(self) -> str:
        """What to call the network."""
        return "-".join(map(str, (784, *self.hidden, self.latents)))

    @property
    def layers(self) -> list[nn.Linear]:
        """The decoder's dense layers."""
        return [
            layer for layer in self.model.get_submodule("decoder").modules() if isinstance(layer, nn.Linear)
        ]

    def latentia(self, count: int) -> float:
        """Run latentia's evaluation; give the mean of log p(x)."""
        loader = Loader(torch.from_numpy(self.images), torch.arange(count), Scale())
        return float(importance_weighted(self.model, loader, SAMPLES).log_likelihood.mean())

    @cached_property
    def score(self) -> Compiled[[Tensor, Tensor, Tensor | None], Tensor]:
        """What `evaluate` compiles where it pays."""
        return Compiled(scorer(self.model), print, constant=True)

    def compiled(self, count: int) -> float:
        """Run the same with compiled decoding."""
        loader = Loader(torch.from_numpy(self.images), torch.arange(count), Scale())
        return float(importance_weighted(self.model, loader, SAMPLES, score=self.score).log_likelihood.mean())

    @torch.no_grad()
    def products(self, count: int) -> float:
        """Run the matrix products of the decoder, and nothing else, into buffers that are there."""
        layers = self.layers
        inputs = [torch.randn(ROWS, layer.in_features) for layer in layers]
        outputs = [torch.empty(ROWS, layer.out_features) for layer in layers]
        for _ in range(round(count * SAMPLES / ROWS)):
            for layer, before, after in zip(layers, inputs, outputs, strict=True):
                torch.addmm(layer.bias, before, layer.weight.t(), out=after)
        return math.nan

    @torch.no_grad()
    def bare(self, count: int) -> float:
        """Run a hand-written estimate, all latents of an image at once."""
        encoder, decoder = (self.model.get_submodule(part) for part in ("encoder", "decoder"))
        found = []
        for image in torch.from_numpy(self.images[:count]).float() / 255:
            mean, log_variance = encoder(image[None]).chunk(2, dim=1)
            noise = torch.randn(SAMPLES, self.latents)
            z = mean + (0.5 * log_variance).exp() * noise
            logits = decoder(z).flatten(1)
            x = image.flatten().expand_as(logits)
            log_p = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)
            ratio = 0.5 * (noise.square() - z.square() + log_variance).sum(dim=1)
            found.append(torch.logsumexp(log_p + ratio, dim=0) - math.log(SAMPLES))
        return float(torch.stack(found).mean())

    def pythae(self, count: int) -> float:
        """Run pythae's `get_nll`, which returns the mean of log p(x) under that name."""
        encoder, decoder = (self.model.get_submodule(part) for part in ("encoder", "decoder"))
        model = peer.wrap(encoder, decoder, self.latents).eval()
        data = torch.from_numpy(self.images[:count]).float() / 255
        with torch.no_grad():
            return float(model.get_nll(data, n_samples=SAMPLES, batch_size=1000))


def contest(hidden: tuple[int, ...], latents: int, images: np.ndarray) -> Contest:
    """Build the model: the weights do not matter for the time, only that they are the same.

    Args:
        hidden: widths of the hidden layers.
        latents: dimensions of the latent.
        images: uint8, shape `(N, 1, 28, 28)`.

    Returns:
        The contest.
    """
    tables: dict[str, Any] = {
        "network": {"name": "mlp", "hidden": list(hidden), "activation": "relu"},
        "posterior": "diagonal_gaussian",
        "prior": "standard_normal",
        "likelihood": "bernoulli",
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = {
            kind: config.build(kind, config.check_component(kind, table, kind), latent=(latents,))
            for kind, table in tables.items()
        }
        table = config.check_component("model", {"name": "vae", "latent_dim": latents}, "model")
        model = config.build("model", table, event=(1, 28, 28), **parts)
    return Contest(hidden, latents, images, model.eval().requires_grad_(False))


def run(rounds: int) -> Result:
    """Measure both networks.

    Args:
        rounds: how often each contestant has its turn.

    Returns:
        Milliseconds for an image and the ratios within a round.
    """
    images, name = training_images()
    rows: list[dict[str, Cell]] = []
    raw: dict[str, Any] = {}
    compiling: list[float] = []
    for hidden, latents in NETWORKS:
        match = contest(hidden, latents, images)
        compiling.append(_compile(match))
        with kept_memory(torch.device("cpu")):  # as `evaluate` has it; here for all contestants
            times, means = _race(match, rounds)
        raw[match.name] = times
        for contestant, seconds in times.items():
            ratios, whole = (
                [other / own for other, own in zip(seconds, times[name], strict=True)]
                for name in ("compiled", "latentia")
            )
            rows.append(
                {
                    "network": match.name,
                    "contestant": contestant,
                    "ms/image": round(1e3 * median(seconds), 2),
                    "latentia is faster by": round(median(whole), 3),
                    "compiled is faster by": round(median(ratios), 3),
                    "least to most": f"{min(ratios):.3f} to {max(ratios):.3f}",
                    "log p(x)": "" if math.isnan(means[contestant]) else f"{means[contestant]:.2f}",
                }
            )
    peaks = {samples: peak_memory([sys.executable, "-m", __name__, str(samples)]) / 1e6 for samples in MEMORY}
    notes = [
        f"{name}, grey values; K = {SAMPLES:,}, {rounds} rounds in turns, {torch.get_num_threads()} threads",
        "products: the decoder's matrix products alone; bare: a hand-written estimate, all latents of an "
        "image at once; log p(x) is that of the first images under untrained weights",
        "compiled: latentia with its decoding compiled, as `evaluate` does where the work ahead pays for it; "
        f"compiling the first took {compiling[0]:.0f} s with an empty cache",
        "peak memory of a process that estimates one image: "
        + ", ".join(f"{peak:.0f} MB at K = {samples:,}" for samples, peak in peaks.items()),
    ]
    if not peer.available():
        notes.append("pythae is not installed here: use make bench")
    return Result("Importance-weighted likelihood", rows, notes, {"seconds for an image": raw})


def _compile(match: Contest) -> float:
    """Compile with an empty cache; give the seconds that it takes."""
    kept = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        started = time.perf_counter()
        match.compiled(1)
        seconds = time.perf_counter() - started
    del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    if kept is not None:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = kept
    return seconds


def _race(match: Contest, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    contestants: dict[str, Callable[[int], float]] = {
        "latentia": match.latentia,
        "compiled": match.compiled,
        "products": match.products,
        "bare": match.bare,
    }
    if peer.available():
        contestants["pythae"] = match.pythae
    times: dict[str, list[float]] = {name: [] for name in contestants}
    means: dict[str, float] = {}
    for name, estimate in contestants.items():
        estimate(2)
        means[name] = estimate(COUNTS["pythae"])
    for name in in_turns(contestants, rounds):
        started = time.perf_counter()
        contestants[name](COUNTS[name])
        times[name].append((time.perf_counter() - started) / COUNTS[name])
    return times, means


def _weighed(samples: int) -> None:
    """Estimate one image, in a process whose memory is measured from outside."""
    images = np.zeros((1, 1, 28, 28), dtype=np.uint8)
    match = contest(*NETWORKS[0], images)
    importance_weighted(match.model, Loader(torch.from_numpy(images), torch.arange(1), Scale()), samples)


if __name__ == "__main__":
    _weighed(int(sys.argv[1]))
