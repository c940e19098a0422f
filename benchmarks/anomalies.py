"""Anomaly detection on tables: every score of `AnomalyDetector` beside its floors, on the same splits.

    python -m benchmarks.anomalies DATA/adbench [--protocol clean|dte|unsupervised] [--seeds 3] [--tables a,b]

DATA/adbench holds the tables of ADBench (Songqiao Han et al., "ADBench: Anomaly Detection Benchmark", 2022),
npz with `X` and `y`. Protocols:

- clean: rows in random order, 10,000 at the most; half of the normal ones train, all others test.
- dte: to the letter of Victor Livernoche et al., "On Diffusion Modeling for Anomaly Detection", 2024: fewer
  than 1,000 rows are drawn up to 1,000 with replacement before the split, so that test rows may be training
  rows; the first half of the normal rows trains. Capped at 10,000 rows here and at 50,000 there.
- unsupervised: rows as in `clean`; all of them train and test, labels unused. The detector is told a
  `contamination` that is the same for all tables, by default PyOD's 0.1; what they hold is 0.03 to 40 %.

Columns are standardised by the training rows. Floors: the mean distance to the five nearest training rows
(kNN), the local outlier factor, isolation forests. No setting depends on the table.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from latentia.applications import AnomalyDetector
from latentia.runs.anomaly import METHODS

Split = tuple[np.ndarray, np.ndarray, np.ndarray]
Row = dict[str, tuple[float, float]]
MOST = 10_000


def split(path: Path, protocol: str, seed: int) -> Split:
    """Give training rows, test rows and which of these are anomalous."""
    with np.load(path) as file:
        x, y = file["X"].astype(np.float64), file["y"].astype(bool)
    generator = np.random.default_rng(seed)
    if protocol == "dte" and len(x) < 1000:
        rows = generator.choice(len(x), 1000, replace=True)
    elif protocol == "dte":
        rows = np.sort(generator.permutation(len(x))[:MOST])
    else:
        rows = generator.permutation(len(x))[:MOST]
    x, y = x[rows], y[rows]
    normal = np.flatnonzero(~y)
    half = len(normal) // 2
    train = np.arange(len(x)) if protocol == "unsupervised" else normal[:half]
    test = (
        np.arange(len(x))
        if protocol == "unsupervised"
        else np.concatenate([normal[half:], np.flatnonzero(y)])
    )
    mean, std = x[train].mean(axis=0), x[train].std(axis=0)
    x = (x - mean) / np.where(std > 0, std, 1.0)
    return x[train], x[test], y[test]


def floors(train: np.ndarray, test: np.ndarray, seed: int, itself: bool) -> dict[str, np.ndarray]:
    """Score test rows by what needs no model; `itself` where they are the training rows."""
    found = NearestNeighbors(n_neighbors=5 + itself).fit(train).kneighbors(test)[0][:, int(itself) :]
    if itself:
        local = -LocalOutlierFactor(n_neighbors=20).fit(train).negative_outlier_factor_
    else:
        local = -LocalOutlierFactor(n_neighbors=20, novelty=True).fit(train).score_samples(test)
    forest = IsolationForest(random_state=seed).fit(train)
    return {"kNN": found.mean(axis=1), "LOF": local, "IForest": -forest.score_samples(test)}


def measure(
    path: Path, protocol: str, seed: int, methods: tuple[str, ...], contamination: float | str
) -> tuple[Row, float]:
    """Give AUROC and average precision of every score, and the share of normal test rows that are flagged."""
    train, test, strange = split(path, protocol, seed)
    scores = floors(train, test, seed, protocol == "unsupervised")
    start = time.perf_counter()
    detector = AnomalyDetector(contamination=contamination, random_state=seed).fit(train)
    taken = time.perf_counter() - start
    scorer, (x, c) = detector.scorer, detector.model_.inward(test)
    scores |= {method: scorer.score(x, c, method=method) for method in ("auto", *methods)}
    beyond = float((scores["auto"][~strange] > -detector.offset_).mean())
    row = {
        name: (100 * roc_auc_score(strange, score), 100 * average_precision_score(strange, score))
        for name, score in scores.items()
    }
    told = " ".join(f"{name} {auroc:.1f}/{ap:.1f}" for name, (auroc, ap) in row.items())
    print(f"{path.stem} {seed}: {train.shape[0]}x{train.shape[1]}, {taken:.1f} s: {told}", flush=True)
    return row, beyond


def show(rows: list[Row], tables: int) -> None:
    """Print the means, and those against kNN by table, with the standard error over tables."""
    columns = ("score", "AUROC", "AP", "AUROC against kNN", "AP against kNN", "better on", "worst")
    print(f"\n| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")
    for name in rows[0]:
        mean = np.array([row[name] for row in rows]).mean(axis=0)
        apart = np.array([np.subtract(row[name], row["kNN"]) for row in rows])
        each = apart.reshape(-1, tables, 2).mean(axis=0)
        error = each.std(axis=0, ddof=1) / tables**0.5 if tables > 1 else np.full(2, np.nan)
        beside = " | ".join(
            f"{one:+.2f} ± {by:.2f}" for one, by in zip(each.mean(axis=0), error, strict=True)
        )
        better = f"{(each[:, 0] > 0).sum()} of {tables}"
        print(f"| {name} | {mean[0]:.2f} | {mean[1]:.2f} | {beside} | {better} | {each[:, 0].min():+.1f} |")


def main() -> None:
    """Print a line for each table and seed, and the means after each seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--protocol", choices=("clean", "dte", "unsupervised"), default="clean")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default="", help="their names, separated by commas; all by default")
    parser.add_argument("--methods", default=",".join(METHODS), help="scores, separated by commas")
    parser.add_argument("--contamination", type=float, default=0.1, help="told in protocol unsupervised")
    asked = parser.parse_args()
    told = asked.contamination if asked.protocol == "unsupervised" else "auto"
    paths = sorted(asked.folder.glob("*.npz"), key=lambda path: int(path.stem.partition("_")[0]))
    paths = [path for path in paths if not asked.tables or path.stem in asked.tables.split(",")]
    methods = tuple(asked.methods.split(","))
    warnings.simplefilter("ignore")
    rows, flagged = [], []
    for seed in range(asked.seeds):
        for path in paths:
            found, beyond = measure(path, asked.protocol, seed, methods, told)
            rows.append(found)
            flagged.append(beyond)
        show(rows, len(paths))
        print(f"\nshare of normal test rows beyond the threshold: {np.mean(flagged):.3f}\n")


if __name__ == "__main__":
    main()
