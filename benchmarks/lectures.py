"""Lecture claims that no verb measures: PCA's shares of the variance, truncated sampling, decoder noise.

python -m benchmarks.lectures RUN      a VAE trained on MNIST
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import latentia
from benchmarks.images import mnist
from benchmarks.result import Cell, Result, describe_machine
from benchmarks.run import RESULTS
from latentia.evaluation.classifier import classifier_features
from latentia.metrics.generation import frechet_distance
from latentia.metrics.neighbours import precision_recall, shares

COUNT = 5000
TRUNCATIONS = (None, 2.0, 1.5, 1.0, 0.5)
COMPONENTS = (2, 8, 16, 32, 64)


def components() -> Result:
    """Measure PCA on MNIST's 10,000 test images, fitted to its training split.

    Returns:
        Share of the variance explained and squared error per pixel.
    """
    from sklearn.decomposition import PCA

    dataset = latentia.load(str(mnist()))
    train, test = (dataset.x[dataset.splits[s]].reshape(-1, 784) / np.float32(255) for s in ("train", "test"))
    variance = float(((test - train.mean(axis=0)) ** 2).mean())
    rows: list[dict[str, Cell]] = []
    pca = PCA(max(COMPONENTS), random_state=0).fit(train)
    centred = test - pca.mean_
    for count in COMPONENTS:
        basis = np.asarray(pca.components_)[:count]
        error = float(((centred - centred @ basis.T @ basis) ** 2).mean())
        rows.append(
            {
                "components": count,
                "MSE": round(error, 4),
                "variance explained, %": round(100 * (1 - error / variance), 1),
            }
        )
    return Result(
        "PCA on MNIST", rows, ["10,000 test images, fitted to 57,000 training images, values in [0, 1]"]
    )


def truncated(path: Path) -> Result:
    """Measure samples of a run under truncation, and with the decoder's noise.

    Args:
        path: the run.

    Returns:
        Fréchet distance, precision and recall in a classifier's feature space.
    """
    run = latentia.open_run(path)
    dataset = run.dataset
    train, test = dataset.splits["train"], dataset.splits["test"]
    labels = dataset.labels
    if labels is None:
        raise SystemExit(f"{path}: its data have no labels to train a feature space on")
    low, high = run.image_range
    space = classifier_features(
        dataset.x[train], labels[train], dataset.x[test], labels[test], low=low, high=high
    )
    chosen = np.random.default_rng(0).permutation(test)[
        :COUNT
    ]  # the first half of MNIST's is the cleaner one
    real = space(dataset.x[chosen])
    rows = []
    for truncation in TRUNCATIONS:
        name = "prior" if truncation is None else f"prior, |z| < {truncation:g}"
        rows.append(measured(name, real, space(run.made(COUNT, truncation=truncation))))
    rows.append(measured("mixture", real, space(run.made(COUNT, sampler="mixture"))))
    rows.append(measured("prior, decoder noise", real, space(run.made(COUNT, noise=True))))
    notes = [f"{run.name}: {COUNT:,} samples against {COUNT:,} test images, drawn, in {space.name}"]
    return Result("Truncated sampling", rows, notes)


def measured(name: str, real: np.ndarray, drawn: np.ndarray) -> dict[str, Cell]:
    """Compare samples with real examples.

    Args:
        name: what the samples are.
        real: features, `(N, F)`.
        drawn: features, `(M, F)`.

    Returns:
        Fréchet distance, precision and recall, the latter with their errors.
    """
    found, _ = shares(precision_recall, real, drawn)
    precision, recall = (f"{value:.3f} ± {error:.3f}" for value, error in found if error is not None)
    return {
        "samples": name,
        "Fréchet distance": round(frechet_distance(real, drawn), 2),
        "precision": precision,
        "recall": recall,
    }


def main() -> None:
    """Print and keep both tables."""
    if len(sys.argv) != 2:
        raise SystemExit("give one run: python -m benchmarks.lectures RUN")
    machine = describe_machine()
    for name, result in (("pca", components()), ("truncation", truncated(Path(sys.argv[1])))):
        print(result.table(machine), flush=True)
        print(f"written to {result.write(RESULTS / f'lectures-{name}.json', machine)}\n", flush=True)


if __name__ == "__main__":
    main()
