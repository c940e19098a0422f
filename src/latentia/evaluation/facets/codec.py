"""Reconstructions of an image codec as an independent network sees them, beside other codes of equal size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from latentia.data.splits import spread
from latentia.evaluation.subject import Subject
from latentia.metrics.codecs import VALUES, Decoded, block_pca, down_up, through_files
from latentia.metrics.figures import Better, Figure, Unmeasurable, mean_and_error
from latentia.metrics.generation import RESAMPLES, resampled_frechet
from latentia.metrics.judge import NAME, JudgeFeatures
from latentia.metrics.reconstruction import psnr
from latentia.metrics.similarity import structural_similarity
from latentia.runs.scores import Reconstructed, reconstructed

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "reconstruction"
MOST, LARGEST = 1000, 2**26
"""Examples that all codes are compared on, at the most, and values of them."""
OWN = "this run"
Measured = tuple[float, float | None]
"""A value and its standard error."""
TABLE = ("codec_bytes", "codec_psnr", "codec_ssim", "codec_distance", "codec_frechet")
"""Figures with a part for each code."""
JUDGED = (
    "distance_lite2", "frechet_lite2_reconstructed", "frechet_lite2_interpolated", "frechet_lite2_real",
)  # fmt: skip


def has(run: Run) -> bool:
    """Say whether a run encodes images to a grid that is smaller than they are.

    Args:
        run: the run.

    Returns:
        Whether it does.
    """
    if run.event.kind != "image" or len(run.latent) != 3:
        return False
    return all(places < size for places, size in zip(run.latent[1:], run.event[1:], strict=True))


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    trial = _Trial(subject)
    names = [*TABLE, *JUDGED]
    if reason := subject.unlike_numbers:
        subject.ledger.lack(names, f"codes are compared on whole images, and {reason}")
        return
    take = subject.ledger.measure
    tabled: tuple[tuple[str, Callable[[], list[Measured]], str, Better], ...] = (
        ("codec_bytes", trial.size_of, "bytes", ""),
        ("codec_psnr", trial.psnr, "dB", "higher"),
        ("codec_ssim", trial.ssim, "", "higher"),
        ("codec_distance", trial.distance, "", "lower"),
        ("codec_frechet", lambda: [*trial.frechets], "", "lower"),
    )
    for name, *how in tabled:
        take([name], partial(trial.table, name, *how))
    take(["distance_lite2"], trial.own_distance)
    take(["frechet_lite2_reconstructed"], trial.own_frechet)
    take(["frechet_lite2_interpolated"], trial.interpolated)
    take(["frechet_lite2_real"], trial.real)


@dataclass
class _Trial:
    """Images of a split, and what each code makes of them."""

    subject: Subject

    @cached_property
    def rows(self) -> np.ndarray:
        return compared(self.subject)

    @cached_property
    def found(self) -> Reconstructed:
        run, dataset = self.subject.run, self.subject.dataset
        return reconstructed(run, dataset.x[self.rows], run.conditions_at(self.rows, dataset), keep=True)

    @cached_property
    def given(self) -> np.ndarray:
        return self.subject.unit(np.asarray(self.found.given))

    @property
    def size(self) -> float:
        """Bytes of a latent: at 8 bits a number, or as many bits as its codes take."""
        coder = self.subject.run.model.coder
        if coder is None:
            return self.subject.latents
        return math.prod(coder.code_shape) * math.log2(coder.size) / 8

    @cached_property
    def codes(self) -> dict[str, Decoded]:
        """What comes back of each code, the run's own first; why others are missing goes into the ledger."""
        coded = self.subject.run.model.coder is not None
        how = "its codes" if coded else "its latent at 8 bits a number, which is not rounded"
        own = Decoded(_clipped(self.subject.unit(np.asarray(self.found.decoded))), self.size, how)
        grid: tuple[int, int] = (self.subject.run.latent[1], self.subject.run.latent[2])
        numbers = max(1, int(self.size / math.prod(grid)))
        floors: dict[str, tuple[str, Callable[[], Decoded]]] = {
            "pca": ("block PCA", lambda: block_pca(self.known, self.given, grid, numbers)),
            "bicubic": ("bicubic", lambda: down_up(self.given, self.size)),
            "jpeg": ("JPEG", lambda: through_files(self.given, "JPEG", self.size)),
            "webp": ("WebP", lambda: through_files(self.given, "WEBP", self.size)),
        }
        found = {OWN: own}
        for key, (name, make) in floors.items():
            try:
                code = make()
            except Unmeasurable as error:
                self.subject.ledger.missing[f"codec_{key}"] = str(error)
            else:
                found[name] = Decoded(_clipped(code.images), code.size, code.how)
        return found

    @cached_property
    def known(self) -> np.ndarray:
        """Training images, as many as a PCA is fitted to."""
        own = self.subject.own
        if own.unlike_numbers:
            raise Unmeasurable(f"PCA needs whole training images, and {own.unlike_numbers}")
        rows = spread(self.subject.known_rows, max(1, VALUES // math.prod(own.dataset.event)))
        return self.subject.unit(self.subject.scaled(own.dataset.x[rows]))

    @cached_property
    def judge(self) -> JudgeFeatures:
        channels, height, width = self.given.shape[1:]
        return JudgeFeatures(
            channels, height * width, device=self.subject.run.device, quiet=self.subject.quiet
        )

    @cached_property
    def seen(self) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Features of the originals, and of what each code makes of them with the distances."""
        return self.judge.compare(self.given, [code.images for code in self.codes.values()])

    def size_of(self) -> list[Measured]:
        return [(code.size, None) for code in self.codes.values()]

    def psnr(self) -> list[Measured]:
        errors = [((code.images - self.given) ** 2).mean(axis=(1, 2, 3)) for code in self.codes.values()]
        return [mean_and_error(psnr(error)) for error in errors]

    def ssim(self) -> list[Measured]:
        return [
            mean_and_error(structural_similarity(self.given, code.images)) for code in self.codes.values()
        ]

    def distance(self) -> list[Measured]:
        return [mean_and_error(distances) for _, distances in self.seen[1]]

    @cached_property
    def frechets(self) -> list[tuple[float, float]]:
        return [self._apart(features, paired=True) for features, _ in self.seen[1]]

    def table(
        self, name: str, measured: Callable[[], list[Measured]], unit: str, better: Better = ""
    ) -> Mapping[str, Figure]:
        """Give one figure of all codes."""
        codes = "; ".join(f"{code}: {made.how}" for code, made in self.codes.items())
        how = f"{_HOW[name]}, all on the same images, clipped to the data's range. {codes}"
        count, parts = len(self.given), tuple(self.codes)
        return {name: Figure.of_parts(measured(), unit, self.subject.split, how, count, better, parts)}

    def own_distance(self) -> Mapping[str, Figure]:
        how = f"{_HOW['codec_distance']} of reconstructions, clipped to the data's range"
        distances = self.seen[1][0][1]
        figure = Figure.mean_of(distances, "", self.subject.split, how, "lower", rows=self.rows)
        return {"distance_lite2": figure}

    def own_frechet(self) -> Mapping[str, Figure]:
        return self._judged("reconstructed", self.frechets[0], "their reconstructions")

    def interpolated(self) -> Mapping[str, Figure]:
        """Decode the mean of each latent and its nearest neighbour."""
        run, subject = self.subject.run, self.subject
        if run.model.coder is not None:
            raise Unmeasurable("the mean of two codes is no code")
        z = self.found.latents.reshape(len(self.rows), -1)
        halfway = 0.5 * (z + z[nearest(z)])
        c = run.conditions_at(self.rows, subject.dataset)  # both ends under the first's condition
        decoded = np.asarray(run.inference.decode(halfway.reshape(self.found.latents.shape), c), np.float32)
        low, high = run.image_range
        what = "what the mean of a latent and its nearest neighbour among them decodes to"
        other = self.judge(_clipped((decoded - low) / ((high - low) or 1.0)))
        return self._judged("interpolated", self._apart(other), what)

    def real(self) -> Mapping[str, Figure]:
        """Hold other real images against the originals: what cannot be told from data would get this."""
        subject = self.subject
        if len(subject.known_rows) < len(self.rows):
            raise Unmeasurable("there are fewer training examples than examples that are compared")
        rows = spread(subject.known_rows, len(self.rows))
        other = _clipped(subject.unit(subject.scaled(subject.own.dataset.x[rows])))
        return self._judged("real", self._apart(self.judge(other)), "training images", better="")

    def _judged(
        self, name: str, measured: tuple[float, float], what: str, better: Better = "lower"
    ) -> Mapping[str, Figure]:
        (value, error), count = measured, len(self.given)
        how = f"{_HOW['codec_frechet']} the {self.subject.split} split and as many of {what}"
        basis = {"feature space": self.judge.name, "number of samples": f"{count:,}"}
        whole = Figure(value, "", self.subject.split, how, error, count, better, basis=basis)
        return {f"frechet_lite2_{name}": whole}

    def _apart(self, other: np.ndarray, *, paired: bool = False) -> tuple[float, float]:
        """Give the Frechet distance of features from those of the originals."""
        seen = self.seen[0]
        count, features = seen.shape
        if count <= features:
            least = features + 1
            raise Unmeasurable(f"the covariance of {features} features needs {least} examples, not {count}")
        return resampled_frechet(seen, other, self.subject.settings.seed, paired=paired)


_HOW: Mapping[str, str] = {
    "codec_bytes": "mean bytes that stand for an image",
    "codec_psnr": "mean over images of 10 log10(1 / MSE), 1 being the data's range, at most 120 each",
    "codec_ssim": "mean over images of SSIM, as of the figure ssim",
    "codec_distance": (
        f"distance ({NAME}): squared distance of unit feature vectors, mean over places and over maps of "
        "strides 2, 2, 4, 8 and 16,"
    ),
    "codec_frechet": (
        f"Frechet distance ({NAME}): squared, between Gaussians fitted to 120 channels at stride 16, mean "
        f"over places; it falls with the number of examples; error over {RESAMPLES} bootstrap resamples; "
        "between images of"
    ),
}


def _clipped(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 1).astype(np.float32, copy=False)


def compared(subject: Subject) -> np.ndarray:
    """Choose the examples that codes are compared on.

    Args:
        subject: the run under assessment.

    Returns:
        Positions, evenly spaced.
    """
    return spread(subject.rows, max(1, min(MOST, LARGEST // math.prod(subject.dataset.event))))


def nearest(z: np.ndarray) -> np.ndarray:
    """Find the nearest other row of each.

    Args:
        z: rows, at least two, `(N, D)`.

    Returns:
        Their positions, `(N,)`.
    """
    rows = torch.from_numpy(np.ascontiguousarray(z, dtype=np.float32))
    apart = torch.cdist(rows, rows)
    return apart.fill_diagonal_(float("inf")).argmin(dim=1).numpy()
