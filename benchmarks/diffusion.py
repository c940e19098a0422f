"""What guidance does to samples of a latent diffusion, and how long they take.

python -m benchmarks.diffusion CODEC PRIOR [--guidance 1,1.5,2,3] [--count 10000]

CODEC is a run, PRIOR one that was trained on its latents. Of a `conditional_diffusion` samples of every label
in equal parts are compared with the test split in the feature space of the classifier of the data, which is
also asked whether it sees the label. Samples of another one are compared in EfficientNet-Lite2's features,
beside those of the prior, the mixture and the posteriors, and with how near they come to training images.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np

from latentia.evaluation.records import Settings
from latentia.evaluation.subject import Subject
from latentia.metrics.features import FeatureSpace
from latentia.metrics.figures import Figure, Ledger
from latentia.metrics.generation import compare_samples
from latentia.metrics.judge import JudgeFeatures
from latentia.runs.run import Run

SHOWN = ("frechet", "precision", "recall", "coverage")


def main() -> None:
    """Read the command line, measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("codec")
    parser.add_argument("prior")
    parser.add_argument("--guidance", default="1,1.5,2,3,4,5")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args()
    run, prior = Run.open(given.codec), Run.open(given.prior)
    subject = Subject(run, Settings(only=("generation",)), True, print)
    count = min(given.count, len(subject.x))
    guided(subject, prior, count, given) if prior.condition else judged(subject, count, given)
    times = [_seconds(run, given, prior) for _ in range(5)]
    print(f"64 samples, {given.steps} steps, decoded: median {median(times):.2f} s")


def guided(subject: Subject, prior: Run, count: int, given: argparse.Namespace) -> None:
    """Compare samples of every label under guidance, in the space of the data's classifier."""
    run, space = subject.run, subject.space
    compared = _Compared(space, space(subject.drawn(subject.x, count)))
    labels = np.arange(count) % len(prior.named_conditions()[0])
    print(f"features: {space.name}; {count:,} samples, {given.steps} steps")
    _head("recognised")
    rows = subject.drawn(subject.known_rows, count)
    seen = space.classify(run.dataset.x[rows]) == np.asarray(run.dataset.labels)[rows]
    print(_row("training images", _share(seen), compared(run.dataset.x[rows])))
    for guidance in map(float, given.guidance.split(",")):
        made = run.made(
            count, None, "run", path=given.prior, condition="all", guidance=guidance, steps=given.steps
        )
        seen = space.classify(made) == labels
        print(_row(f"guidance {guidance:g}", _share(seen), compared(made)), flush=True)


def judged(subject: Subject, count: int, given: argparse.Namespace) -> None:
    """Compare samples without labels in EfficientNet-Lite2's features, beside their floors and the best."""
    run = subject.run
    channels, height, width = run.event
    judge = JudgeFeatures(channels, height * width, high=run.image_range[1])
    compared = _Compared(judge, judge(subject.drawn(subject.x, count)))
    known = subject.drawn(subject.known_rows, count)
    z = run.inference.encode(run.dataset.part(known), sample=True, seed=0)
    made = {
        "training images": np.asarray(run.dataset.x[known]),
        "posterior": run.inference.decode(z),
        "prior": run.made(count, None, "prior"),
        "mixture": run.made(count, None, "mixture"),
        "diffusion": run.made(count, None, "run", path=given.prior, steps=given.steps),
    }
    print(f"features: {judge.name}; {count:,} samples, {given.steps} steps")
    _head("median distance to the nearest training image")
    train = judge(subject.known)
    for name, images in made.items():
        images = np.clip(images, *run.image_range).astype(np.float32)
        near = _nearest(judge(images), train, own=name == "training images")
        print(_row(name, f"{near:.2f}", compared(images)), flush=True)
    print(f"test images: median distance {_nearest(compared.real, train):.2f}")


class _Compared:
    """Figures of samples beside real examples, in a feature space."""

    def __init__(self, space: FeatureSpace, real: np.ndarray) -> None:
        self.space, self.real = space, real

    def __call__(self, x: np.ndarray) -> tuple[str, ...]:
        ledger = Ledger({}, {})
        compare_samples(ledger, self.real, {"x": self.space(x)}, None, space=self.space.name, split="test")
        return tuple(_text(ledger.figures[f"{name}_x"]) for name in SHOWN)


def _nearest(features: np.ndarray, known: np.ndarray, own: bool = False) -> float:
    """Give the median distance to the nearest of the known ones; to the nearest but itself of their own."""
    squares = (features**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * features @ known.T
    return float(np.median(np.sqrt(np.maximum(np.sort(squares, axis=1)[:, int(own)], 0))))


def _head(first: str) -> None:
    print(f"| samples | {first} | " + " | ".join(SHOWN) + " |")
    print("|---|---:" + "|---:" * len(SHOWN) + "|")


def _share(seen: np.ndarray) -> str:
    return f"{float(seen.mean()):.2%} ± {float(seen.std() / len(seen) ** 0.5):.2%}"


def _row(name: str, first: str, figures: tuple[str, ...]) -> str:
    return f"| {name} | {first} | " + " | ".join(figures) + " |"


def _text(figure: Figure) -> str:
    return f"{figure.value:.3f} ± {figure.error:.3f}"


def _seconds(run: Run, given: argparse.Namespace, prior: Run) -> float:
    told: dict[str, Any] = {"condition": "all"} if prior.condition else {}
    sampler = run.sampler("run", path=given.prior, steps=given.steps, **told)
    begun = time.perf_counter()
    run.inference.decode(run.draw(64, None, sampler))
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
