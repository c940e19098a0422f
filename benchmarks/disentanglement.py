"""The mutual information gap of several runs, by objective, with its spread over seeds.

python -m benchmarks.disentanglement RUN RUN ...      runs on data with known factors

Each figure is what `latentia evaluate RUN --only disentanglement` calls `mig`, without the metrics that need
minutes. The picture of the page on objectives is drawn from the same numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import latentia
from latentia.metrics.factor_information import mig

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "objectives-mig.png"


def gaps(paths: Sequence[str]) -> dict[str, list[float]]:
    """Measure the runs.

    Args:
        paths: run folders.

    Returns:
        The gaps by the objective and its weight, in the order of the paths.
    """
    found: dict[str, list[float]] = {}
    for path in paths:
        run = latentia.open_run(path)
        factors = run.dataset.factors
        if factors is None:
            raise SystemExit(f"{path}: its data have no known factors")
        value = mig(run.encode(run.dataset.x), factors, run.dataset.factor_names)
        objective = run.spec["objective"]
        weight = next((f", {key} {objective[key]:g}" for key in ("beta", "gamma") if key in objective), "")
        found.setdefault(objective["name"] + weight, []).append(value)
    return found


def draw(found: Mapping[str, Sequence[float]], path: Path) -> None:
    """Draw a dot for each run and a line at each mean.

    Args:
        found: gaps by objective.
        path: the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 0.6 + 0.5 * len(found)), layout="constrained")
    axes = figure.subplots()
    for row, values in enumerate(found.values()):
        axes.plot(values, [row] * len(values), "o", alpha=0.6)
        axes.plot([np.mean(values)] * 2, [row - 0.25, row + 0.25], color="black")
    axes.set(yticks=range(len(found)), yticklabels=list(found), ylim=(len(found) - 0.5, -0.5))
    axes.set_xlabel("mutual information gap, one dot for each seed, a line at the mean")
    axes.set_xlim(left=0)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print a line for each objective and draw the picture."""
    found = gaps(sys.argv[1:])
    for name, values in found.items():
        spread = f" ± {np.std(values, ddof=1):.3f} (standard deviation)" if len(values) > 1 else ""
        each = ", ".join(f"{value:.3f}" for value in values)
        print(f"{name}: MIG {np.mean(values):.3f}{spread} over {len(values)} seeds: {each}")
    draw(found, PICTURE)


if __name__ == "__main__":
    main()
