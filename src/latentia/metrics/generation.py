"""Samples against data: two sets of examples compared as distributions, in a space of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentia.metrics.figures import Figure, Ledger, Unmeasurable, mean_and_error
from latentia.metrics.neighbours import DENSITY, MANIFOLD, density_coverage, precision_recall, shares

METRICS = ("frechet", "kernel", "precision", "recall", "density", "coverage")
"""What the names of the figures begin with; the name of the sampler follows."""
RESAMPLES = 20
SUBSET, SUBSETS = 1000, 50


def compare_samples(
    ledger: Ledger,
    real: np.ndarray,
    generated: Mapping[str, np.ndarray],
    reference: np.ndarray | None,
    *,
    space: str,
    split: str,
    seed: int = 0,
) -> None:
    """Measure how far samples are from data, beside how far other data are.

    For each set of samples: `frechet_`, `kernel_`, `precision_`, `recall_`, `density_` and `coverage_`,
    followed by its name; and the same with `_real` for the reference in the samples' place: what samples
    that cannot be told from data would get. All sets are cut to one size, because these figures
    depend on it.

    Args:
        ledger: takes the figures.
        real: features of the data, `(N, D)`.
        generated: features of samples, `(M, D)`, by the name of what drew them.
        reference: features of other data, such as training examples, `(R, D)`; None where there are none.
        space: what the features are, for the protocols.
        split: the split that `real` is.
        seed: seed of the choice of examples, of subsets and of resamples.
    """
    others = {**generated, "real": real[:0] if reference is None else reference}
    size = min([len(real), *(len(other) for other in others.values() if len(other))])
    data = _cut(real, size, seed)
    for name, other in others.items():
        pair = _Pair(data, _cut(other, size, seed + 1), name, space, split, seed)
        ledger.measure([f"frechet_{name}"], pair.frechet)
        ledger.measure([f"kernel_{name}"], pair.kernel)
        ledger.measure([f"precision_{name}", f"recall_{name}"], pair.precision_recall)
        ledger.measure([f"density_{name}", f"coverage_{name}"], pair.density_coverage)


def _cut(features: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Keep so many rows, drawn by chance."""
    if len(features) > size:
        rows = np.random.default_rng(seed).choice(len(features), size, replace=False)
        features = features[np.sort(rows)]
    return features.astype(np.float64)


@dataclass(frozen=True)
class _Pair:
    """Data and what is compared with them, of one size."""

    real: np.ndarray
    other: np.ndarray
    name: str
    space: str
    split: str
    seed: int

    def frechet(self) -> dict[str, Figure]:
        """Give the Frechet distance; its error is the spread over resamples of both sets."""
        features = self.real.shape[1]
        self._check(features + 1, f"the covariance of {features} features")
        measured = resampled_frechet(self.real, self.other, self.seed)
        how = (
            f"squared Frechet distance between Gaussians fitted to {self._what}; it falls with the number of "
            f"examples, so compare at equal numbers only; error over {RESAMPLES} bootstrap resamples"
        )
        return self._figure("frechet", measured, how)

    def kernel(self) -> dict[str, Figure]:
        """Give the kernel distance."""
        self._check(2, "an unbiased estimate")
        size, subsets = _subsets(len(self.real))
        how = (
            f"unbiased squared maximum mean discrepancy with the kernel (x.y / {self.real.shape[1]} + 1)^3 "
            f"between {self._what}; mean and error over {subsets} disjoint subsets of {size:,}"
        )
        return self._figure("kernel", kernel_distance(self.real, self.other, seed=self.seed), how)

    def precision_recall(self) -> dict[str, Figure]:
        """Give the shares of each set that lie in the other's balls."""
        self._check(MANIFOLD + 1, f"a ball that reaches to {MANIFOLD} neighbours")
        (precise, recalled), held = shares(precision_recall, self.real, self.other, self.seed)
        balls = f"reach to their {MANIFOLD} nearest neighbours; {self._what}; {held}"
        precision = f"share of the {self._others} within the balls around real examples that {balls}"
        recall = f"share of the real examples within the balls around the {self._others} that {balls}"
        return self._figure("precision", precise, precision) | self._figure("recall", recalled, recall)

    def density_coverage(self) -> dict[str, Figure]:
        """Give how many real balls hold a sample, and the share of real balls that hold one."""
        self._check(DENSITY + 1, f"a ball that reaches to {DENSITY} neighbours")
        (deep, covered), held = shares(density_coverage, self.real, self.other, self.seed)
        balls = f"reach to their {DENSITY} nearest neighbours; {self._what}; {held}"
        density = (
            f"how many of the balls around real examples hold each of the {self._others}, over {DENSITY}: "
            f"1 for the same distribution, on average; the balls {balls}"
        )
        coverage = f"share of the real examples with {self._others} in their ball; the balls {balls}"
        return self._figure("density", deep, density) | self._figure("coverage", covered, coverage)

    @property
    def _others(self) -> str:
        return "other real examples" if self.name == "real" else f"samples ({self.name})"

    @property
    def _what(self) -> str:
        count = len(self.real)
        return f"{count:,} examples of the {self.split} split and as many {self._others}, in {self.space}"

    def _figure(self, figure: str, measured: tuple[float, float | None], how: str) -> dict[str, Figure]:
        better = "" if self.name == "real" else "lower" if figure in ("frechet", "kernel") else "higher"
        value, error = measured
        basis = {"feature space": self.space, "number of samples": f"{len(self.real):,}"}
        whole = Figure(value, "", self.split, how, error, len(self.real), better, basis=basis)
        return {f"{figure}_{self.name}": whole}

    def _check(self, least: int, purpose: str) -> None:
        """Refuse too few examples, and features that are not finite."""
        if len(self.other) == 0:
            raise Unmeasurable(f"there are no {self._others}")
        if len(self.real) < least:
            raise Unmeasurable(f"{purpose} needs {least:,} examples of each kind, not {len(self.real):,}")
        for features, whose in ((self.real, f"the {self.split} split"), (self.other, f"the {self._others}")):
            if not np.isfinite(features).all():
                raise Unmeasurable(f"the features of {whose} are not all finite")


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Compare two sets by the Gaussians fitted to them.

    Args:
        a: examples, `(N, D)`.
        b: examples, `(M, D)`.

    Returns:
        The squared Frechet distance of `gaussian_distance` between N(mean, covariance) of each; in the
        square of the features' unit. Its bias falls as 1 / N.

    References:
        Martin Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", 2017.
    """
    a, b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    return gaussian_distance(
        a.mean(axis=0),
        np.atleast_2d(np.cov(a, rowvar=False)),
        b.mean(axis=0),
        np.atleast_2d(np.cov(b, rowvar=False)),
    )


def resampled_frechet(
    a: np.ndarray, b: np.ndarray, seed: int = 0, *, paired: bool = False
) -> tuple[float, float]:
    """Give the distance of `frechet_distance`, with its spread over bootstrap resamples.

    Args:
        a: examples, `(N, D)`.
        b: as many others.
        seed: seed of the resamples.
        paired: whether each of `b` was made of the one of `a` in its place, so that they are drawn together.

    Returns:
        The distance and its error.
    """
    rng, count = np.random.default_rng(seed), len(a)
    resampled = []
    for _ in range(RESAMPLES):
        rows = rng.integers(count, size=count)
        resampled.append(frechet_distance(a[rows], b[rows if paired else rng.integers(count, size=count)]))
    return frechet_distance(a, b), float(np.std(resampled, ddof=1))


def gaussian_distance(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """Give the squared Frechet (2-Wasserstein) distance between two Gaussians.

    |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)). With A = S S', the eigenvalues of A B are those of the
    symmetric S' B S, so that they are real and, but for rounding, not negative.

    Args:
        mean_a: m_a, shape `(D,)`.
        covariance_a: A, shape `(D, D)`.
        mean_b: m_b, shape `(D,)`.
        covariance_b: B, shape `(D, D)`.

    Returns:
        The squared distance, at least 0.

    References:
        D. C. Dowson, B. V. Landau, "The Frechet distance between multivariate normal distributions", 1982.
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = vectors * np.sqrt(np.maximum(values, 0))
    mixed = np.maximum(np.linalg.eigvalsh(root.T @ covariance_b @ root), 0)
    apart = float(((mean_a - mean_b) ** 2).sum())
    spread = float(np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(mixed).sum())
    return max(apart + spread, 0.0)


def kernel_distance(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> tuple[float, float | None]:
    """Compare two sets by the mean discrepancy of a cubic kernel, without bias.

    The mean of `squared_mmd` over disjoint subsets: those are independent, so that their spread gives
    an honest error.

    Args:
        a: examples, `(N, D)`.
        b: examples, `(M, D)`.
        seed: seed of the choice of subsets.

    Returns:
        The mean, which can be negative, and its standard error; None for a single subset.

    References:
        Mikolaj Binkowski et al., "Demystifying MMD GANs", 2018.
    """
    size, subsets = _subsets(min(len(a), len(b)))
    rng = np.random.default_rng(seed)
    rows_a, rows_b = (rng.permutation(len(x))[: subsets * size].reshape(subsets, size) for x in (a, b))
    values = [squared_mmd(a[of_a], b[of_b]) for of_a, of_b in zip(rows_a, rows_b, strict=True)]
    return mean_and_error(np.array(values))


def _subsets(count: int) -> tuple[int, int]:
    """Give size and number of the disjoint subsets of so many examples: ten at least, where they can be."""
    size = min(SUBSET, max(2, count // 10))
    return size, min(SUBSETS, count // size)


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Estimate the squared maximum mean discrepancy with the kernel k(x, y) = (x.y / D + 1)^3.

    Args:
        a: examples, `(N, D)`, at least two.
        b: examples, `(M, D)`, at least two.

    Returns:
        The mean of k over pairs within `a`, plus that within `b`, minus twice that across; no example
        is paired with itself, which makes it unbiased.
    """
    a, b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: np.ndarray) -> float:
        values = kernel(x, x)
        return float(values.sum() - np.trace(values)) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())
