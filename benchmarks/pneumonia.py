"""Chest X-rays with pneumonia among normal ones: scores of a detector trained on normal ones alone.

    python -m benchmarks.pneumonia DATA/pneumoniamnist [--epochs 60] [--seeds 1] [--network conv]

DATA/pneumoniamnist holds PneumoniaMNIST (Jiancheng Yang et al., "MedMNIST v2", 2023; Daniel Kermany et al.,
2018), 28x28 grey. The normal images of its training split train, its test split tests. Floors: the mean
distance to the five nearest training images among pixels (kNN), and the squared residual of as many principal
components as explain 90 % of the training images' variance (PCA).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from latentia.applications import AnomalyDetector
from latentia.runs.anomaly import METHODS


def floors(train: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Score test images by what needs no network."""
    flat, unseen = (part.reshape(len(part), -1).astype(np.float64) for part in (train, test))
    distances, _ = NearestNeighbors(n_neighbors=5).fit(flat).kneighbors(unseen)
    components = PCA(0.9).fit(flat)
    residual = unseen - components.inverse_transform(components.transform(unseen))
    return {"kNN on pixels": distances.mean(axis=1), "PCA residual": np.square(residual).sum(axis=1)}


def main() -> None:
    """Print AUROC and average precision of every score, and the share of normal images that are flagged."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--network", default="conv")
    asked = parser.parse_args()
    with np.load(asked.folder / "pneumoniamnist.npz") as file:
        train = file["train_images"][file["train_labels"].ravel() == 0]
        test, sick = file["test_images"], file["test_labels"].ravel() == 1
    found: dict[str, list[np.ndarray]] = {name: [score] for name, score in floors(train, test).items()}
    for seed in range(asked.seeds):
        start = time.perf_counter()
        settings = {"network": {"name": asked.network}}
        detector = AnomalyDetector(random_state=seed, max_iter=asked.epochs, settings=settings).fit(train)
        x, c = detector.model_.inward(test)
        for method in METHODS:
            found.setdefault(method, []).append(detector.scorer.score(x, c, method=method))
        beyond = (found["auto"][-1][~sick] > -detector.offset_).mean()
        taken = time.perf_counter() - start
        print(
            f"seed {seed}: {taken:.0f} s; normal test images beyond the threshold: {beyond:.3f}", flush=True
        )
    print(f"by chance: 0.5, {sick.mean():.3f}\n\n| score | AUROC | AP |\n|---|---:|---:|")
    for name, scores in found.items():
        auroc = np.mean([roc_auc_score(sick, score) for score in scores])
        precision = np.mean([average_precision_score(sick, score) for score in scores])
        print(f"| {name} | {auroc:.3f} | {precision:.3f} |")


if __name__ == "__main__":
    main()
