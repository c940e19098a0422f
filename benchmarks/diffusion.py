"""What guidance does to samples of a latent diffusion, and how long they take.

python -m benchmarks.diffusion CODEC PRIOR [--guidance 1,1.5,2,3] [--count 10000]

CODEC is a run, PRIOR a `conditional_diffusion` that was trained on its latents. Samples of every label in
equal parts are compared with the test split in the feature space of the classifier of the data, which is also
asked whether it sees the label; beside them stand real examples of the training split.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np

from latentia.evaluation.records import Settings
from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Figure, Ledger
from latentia.metrics.generation import compare_samples
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
    space = subject.space
    count = min(given.count, len(subject.x))
    real = space(subject.drawn(subject.x, count))
    names, _ = prior.named_conditions()
    labels = np.arange(count) % len(names)

    def figures(x: np.ndarray) -> tuple[str, ...]:
        ledger = Ledger({}, {})
        compare_samples(ledger, real, {"x": space(x)}, None, space=space.name, split="test")
        return tuple(_text(ledger.figures[f"{name}_x"]) for name in SHOWN)

    print(f"features: {space.name}; {count:,} samples, {given.steps} steps")
    print("| samples | recognised | " + " | ".join(SHOWN) + " |")
    print("|---|---:" + "|---:" * len(SHOWN) + "|")
    rows = subject.drawn(subject.known_rows, count)
    seen = space.classify(run.dataset.x[rows]) == run.dataset.labels[rows]
    print(_row("training images", seen, figures(run.dataset.x[rows])))
    for guidance in map(float, given.guidance.split(",")):
        made = run.made(
            count, None, "run", path=given.prior, condition="all", guidance=guidance, steps=given.steps
        )
        print(_row(f"guidance {guidance:g}", space.classify(made) == labels, figures(made)), flush=True)
    times = [_seconds(run, given) for _ in range(5)]
    print(f"64 samples, {given.steps} steps, decoded: median {median(times):.2f} s")


def _row(name: str, seen: np.ndarray, figures: tuple[str, ...]) -> str:
    share, error = float(seen.mean()), float(seen.std() / len(seen) ** 0.5)
    return f"| {name} | {share:.2%} ± {error:.2%} | " + " | ".join(figures) + " |"


def _text(figure: Figure) -> str:
    return f"{figure.value:.3f} ± {figure.error:.3f}"


def _seconds(run: Run, given: argparse.Namespace) -> float:
    sampler = run.sampler("run", path=given.prior, condition="all", steps=given.steps)
    begun = time.perf_counter()
    run.inference.decode(run.draw(64, None, sampler))
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
