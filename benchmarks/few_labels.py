"""Test error with few labels and nothing else: what a semi-supervised model has to beat.

    python -m benchmarks.few_labels DATA [DATA ...] [--count 100] [--draws 5]

For each source (the images, or the latents of a run as `latentia encode --split each` writes them) and each
draw of labels as the condition `some_labels` makes it: a network with one hidden layer of 500 units (its
strength of weight decay chosen by cross-validation over the labels) and the nearest labelled neighbour.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np

from latentia.data import load
from latentia.data.conditions import SomeLabels


def errors(source: str, count: int, draw: int) -> tuple[float, float]:
    """Train on the labels of one draw; give the test error of the network and of the neighbour."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    data = load(source)
    labels = np.asarray(data.labels)
    x = np.asarray(data.x).reshape(len(data), -1) / (data.high if data.x.dtype == np.uint8 else 1.0)
    shown, test = SomeLabels(data.classes, count, draw).shown(data), data.splits["test"]
    network = MLPClassifier((500,), max_iter=200, random_state=draw)
    search = GridSearchCV(network, {"alpha": [0.01, 1.0]}, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may stop before it has converged
        search.fit(x[shown], labels[shown])
    neighbour = KNeighborsClassifier(1).fit(x[shown], labels[shown])
    wrong = [float((model.predict(x[test]) != labels[test]).mean()) for model in (search, neighbour)]
    return wrong[0], wrong[1]


def main() -> None:
    """Print a line for each source and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--draws", type=int, default=5)
    asked = parser.parse_args()
    for source in asked.sources:
        found = np.array([errors(source, asked.count, draw) for draw in range(asked.draws)])
        for name, row in zip(("network", "nearest neighbour"), found.T):
            each = " ".join(f"{value:.2%}" for value in row)
            print(f"{source}: {name}: {row.mean():.2%} +- {row.std(ddof=1):.2%} ({each})")


if __name__ == "__main__":
    main()
