"""Claims of lectures about latents, maps, blur and sampling, measured on runs on MNIST.

python -m benchmarks.claims latents RUN [RUN ...]     posteriors' widths, neighbours in the latents
python -m benchmarks.claims maps RUN [RUN ...]        what t-SNE keeps of the latents' distances
python -m benchmarks.claims blur RUN [RUN ...]        how sharp reconstructions and samples are
python -m benchmarks.claims norms RUN                 samples truncated by norm, and with the decoder's noise
python -m benchmarks.claims gradients RUN             the reparametrised gradient against the score function's
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import latentia
from benchmarks.lectures import measured
from benchmarks.result import Cell, Result, describe_machine
from benchmarks.run import RESULTS
from latentia.evaluation.classifier import classifier_features
from latentia.plots.projection import pca, tsne
from latentia.runs.run import Run

TESTED = 2000
KNOWN = 10_000
NEIGHBOURS = 10
PAIRS = 200_000
SAMPLES = 5000
NORMS = (5.0, 4.0, 3.0)
COORDINATES = (2.0, 1.5)
DRAWS = 512

Rows = list[dict[str, Cell]]


def some(run: Run, split: str, count: int) -> np.ndarray:
    """Draw rows of a split, the same for every run.

    Args:
        run: whose data.
        split: its name.
        count: how many.

    Returns:
        Positions in the data.
    """
    return np.random.default_rng(0).permutation(run.dataset.splits[split])[:count]


def neighbours_agree(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> float:
    """Measure k-NN's accuracy.

    Args:
        known: `(N, D)`.
        labels: `(N,)`.
        asked: `(M, D)`.
        truth: `(M,)`.

    Returns:
        The share of the asked whose label most neighbours have.
    """
    from sklearn.neighbors import KNeighborsClassifier

    found = KNeighborsClassifier(NEIGHBOURS).fit(known.reshape(len(known), -1), labels)
    return float(found.score(asked.reshape(len(asked), -1), truth))


def latents(runs: list[Run]) -> Result:
    """Measure the posteriors: how wide, how far apart, and whether neighbours are alike.

    Args:
        runs: on the same data.

    Returns:
        One row for each, and the pixels.
    """
    dataset = runs[0].dataset
    train, test = some(runs[0], "train", KNOWN), some(runs[0], "test", TESTED)
    labels = np.asarray(dataset.labels)
    pixels = neighbours_agree(dataset.x[train], labels[train], dataset.x[test], labels[test])
    rows: Rows = [
        {"run": "pixels", "deviation of a posterior": "", "spread of the means": "", "k-NN": round(pixels, 3)}
    ]
    for run in runs:
        means, widths = run.posterior(dataset.x[test])
        known = run.encode(dataset.x[train])
        rows.append(
            {
                "run": run.name,
                "deviation of a posterior": "0" if widths is None else f"{float(np.mean(widths)):.4f}",
                "spread of the means": f"{float(means.std(axis=0).mean()):.3f}",
                "k-NN": round(neighbours_agree(known, labels[train], means, labels[test]), 3),
            }
        )
    note = (
        f"{TESTED:,} test images; k-NN: {NEIGHBOURS} neighbours among {KNOWN:,} training images, chance 0.1"
    )
    return Result("Posteriors and neighbours", rows, [note])


def distances_kept(codes: np.ndarray, plane: np.ndarray) -> tuple[float, float]:
    """Measure what a plane keeps of distances.

    Args:
        codes: `(N, D)`.
        plane: `(N, 2)`.

    Returns:
        Spearman's correlation of the distances of pairs of different rows, over all of them and over the
        half that is further apart.
    """
    from scipy.stats import spearmanr

    one, other = np.random.default_rng(0).integers(len(codes), size=(2, PAIRS))
    one, other = one[one != other], other[one != other]
    true, drawn = (np.linalg.norm(p[one] - p[other], axis=1) for p in (codes, plane))
    far = true > np.median(true)
    return float(np.asarray(spearmanr(true, drawn))[0]), float(
        np.asarray(spearmanr(true[far], drawn[far]))[0]
    )


def maps(runs: list[Run]) -> Result:
    """Measure t-SNE's planes and principal components of the same latents.

    Args:
        runs: on the same data.

    Returns:
        Three rows for each: PCA, t-SNE, and t-SNE of latents ten times as large.
    """
    from sklearn.manifold import trustworthiness

    test = some(runs[0], "test", TESTED)
    labels = np.asarray(runs[0].dataset.labels)[test]
    rows: Rows = []
    for run in runs:
        codes = run.encode(run.dataset.x[test]).reshape(len(test), -1)
        planes = {"PCA": pca(codes), "t-SNE": tsne(codes, 0), "t-SNE of 10 z": tsne(10 * codes, 0)}
        for name, plane in planes.items():
            points = np.asarray(plane.points, dtype=np.float64)
            every, far = distances_kept(codes, points)
            half = len(points) // 2
            rows.append(
                {
                    "run": run.name,
                    "map": name,
                    "spread of the latents": round(float(codes.std()) * (10 if "10" in name else 1), 2),
                    "spread of the map": round(float(points.std()), 1),
                    "distances": round(every, 2),
                    "large distances": round(far, 2),
                    "neighbours": round(float(trustworthiness(codes, points, n_neighbors=NEIGHBOURS)), 3),
                    "k-NN": round(
                        neighbours_agree(points[:half], labels[:half], points[half:], labels[half:]), 3
                    ),
                }
            )
    notes = [
        f"{TESTED:,} test images, seed 0; distances: Spearman's correlation of pairs' distances in the plane",
        "with those in the latents, large: of the half that is further apart; neighbours: trustworthiness",
    ]
    return Result("What a map keeps", rows, notes)


def edges(x: np.ndarray) -> np.ndarray:
    """Give the mean absolute and the root mean square difference of horizontal neighbours.

    The first adds up contours: a blend of two pictures keeps it where their contours are apart. The second
    falls, as the contours of a blend are faint.
    """
    steps = np.diff(x.astype(np.float64), axis=-1)
    return np.array([np.abs(steps).mean(), np.sqrt((steps**2).mean())])


def two_guesses(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Give the mean of each picture and the nearest of others: a decoder that cannot tell them apart."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=1).fit(others.reshape(len(others), -1))
    nearest = found.kneighbors(x.reshape(len(x), -1), return_distance=False)[:, 0]
    return (x.astype(np.float64) + others[nearest]) / 2


def blur(runs: list[Run]) -> Result:
    """Measure sharpness: edges of pictures over those of the data.

    Args:
        runs: on the same data.

    Returns:
        A row for each kind of picture, 1 where it is as sharp as the data.
    """
    from sklearn.decomposition import PCA

    dataset = runs[0].dataset
    train, test = dataset.x[some(runs[0], "train", KNOWN)], dataset.x[some(runs[0], "test", TESTED)]
    flat = PCA(16, random_state=0).fit(train.reshape(len(train), -1))
    shadow = flat.inverse_transform(flat.transform(test.reshape(len(test), -1))).reshape(test.shape)
    pictures: dict[tuple[str, str], np.ndarray] = {
        ("the data", "other test images"): dataset.x[some(runs[0], "test", 2 * TESTED)[TESTED:]],
        ("the data", "mean of an image and the nearest of 10,000"): two_guesses(test, train),
        ("PCA, 16 components", "reconstructions"): shadow.clip(0, 255),
    }
    for run in runs:
        pictures[run.name, "reconstructions"] = run.reconstruct(test)
        pictures[run.name, "samples of a mixture"] = run.made(TESTED, sampler="mixture")
        if run.recipe["model"]["name"] != "autoencoder":
            pictures[run.name, "samples of the prior"] = run.made(TESTED)
    sharp = edges(test)
    rows: Rows = []
    for (of, kind), x in pictures.items():
        absolute, squared = edges(x) / sharp
        rows.append({"of": of, "pictures": kind, "edges": f"{absolute:.3f}", "squared": f"{squared:.3f}"})
    note = (
        f"{TESTED:,} pictures each; differences of horizontal neighbours over those of the data, mean and RMS"
    )
    return Result("Sharpness", rows, [note])


def within(run: Run, radius: float) -> tuple[np.ndarray, float]:
    """Draw latents from N(0, I) whose norm is under a radius, by rejection.

    Args:
        run: whose latents.
        radius: the bound.

    Returns:
        Latents `(SAMPLES, D)`, and the share of draws that was accepted.
    """
    generator, kept, drawn = np.random.default_rng(0), [], 0
    while sum(map(len, kept)) < SAMPLES:
        z = generator.standard_normal((100_000, *run.latent)).astype(np.float32)
        drawn += len(z)
        kept.append(z[np.linalg.norm(z, axis=1) < radius])
    accepted = np.concatenate(kept)
    return accepted[:SAMPLES], len(accepted) / drawn


def norms(runs: list[Run]) -> Result:
    """Measure samples under truncation, of coordinates and of the norm, and with the decoder's noise.

    Args:
        runs: one, with a prior.

    Returns:
        Fréchet distance, precision and recall in a classifier's feature space.
    """
    (run,) = runs
    dataset, (low, high) = run.dataset, run.image_range
    train, test = dataset.splits["train"], dataset.splits["test"]
    labels = np.asarray(dataset.labels)
    space = classifier_features(
        dataset.x[train], labels[train], dataset.x[test], labels[test], low=low, high=high
    )
    real = space(dataset.x[some(run, "test", SAMPLES)])
    rows = [measured("prior", real, space(run.made(SAMPLES)))]
    for bound in COORDINATES:
        rows.append(measured(f"each |z| < {bound:g}", real, space(run.made(SAMPLES, truncation=bound))))
    for radius in NORMS:
        z, share = within(run, radius)
        rows.append(
            measured(f"norm of z < {radius:g} ({share:.1%} of draws)", real, space(run.inference.decode(z)))
        )
    rows.append(measured("prior, decoder noise", real, space(run.made(SAMPLES, noise=True))))
    spare = np.random.default_rng(1).permutation(train)[:SAMPLES]
    rows.append(measured("training images", real, space(dataset.x[spare])))
    return Result("Truncation by norm", rows, [f"{run.name}: {SAMPLES:,} samples, {space.name}"])


def gradients(runs: list[Run]) -> Result:
    """Measure the variance of two estimators of the gradient of E_q[log p(x|z)] in the posterior's mean.

    Args:
        runs: one VAE.

    Returns:
        Mean over images and latents; the score function's with and without the mean taken off as a baseline.
    """
    (run,) = runs
    x = run.transform.expected(torch.from_numpy(run.dataset.x[some(run, "test", 100)]))
    model = run.model
    found: dict[str, list[np.ndarray]] = {"reparametrised": [], "score function": [], "with a baseline": []}
    for row in x:
        with torch.no_grad():
            q = model.encode(row[None])
        mean, width = q.mean[0], q.variance[0].sqrt()
        noise = torch.randn(DRAWS, len(mean), generator=torch.Generator().manual_seed(0))
        z = (mean + width * noise).requires_grad_()
        value = model.decode(z).log_prob(row[None].expand(DRAWS, *row.shape))
        (slope,) = torch.autograd.grad(value.sum(), z)
        score = noise / width
        value = value.detach()[:, None]
        found["reparametrised"].append(slope.numpy())
        found["score function"].append((value * score).numpy())
        found["with a baseline"].append(((value - value.mean()) * score).numpy())
    variance = {name: float(np.mean([g.var(axis=0) for g in each])) for name, each in found.items()}
    least = variance["reparametrised"]
    rows: Rows = [
        {"estimator": name, "variance": f"{value:.3g}", "times": f"{value / least:.3g}"}
        for name, value in variance.items()
    ]
    note = f"{run.name}: variance of one draw over {DRAWS}, mean over 100 test images and {len(mean)} latents"
    return Result("Gradients", rows, [note])


WAYS: dict[str, Callable[[list[Run]], Result]] = {
    "latents": latents,
    "maps": maps,
    "blur": blur,
    "norms": norms,
    "gradients": gradients,
}


def main() -> None:
    """Print a table, and keep it."""
    if len(sys.argv) < 3 or sys.argv[1] not in WAYS:
        raise SystemExit(f"give one of {', '.join(WAYS)} and runs on MNIST")
    result = WAYS[sys.argv[1]]([latentia.open_run(Path(name)) for name in sys.argv[2:]])
    machine = describe_machine()
    print(result.table(machine))
    print(f"written to {result.write(RESULTS / f'claims-{sys.argv[1]}.json', machine)}")


if __name__ == "__main__":
    main()
