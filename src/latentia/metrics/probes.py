"""Probes: how much of the classes simple methods find in a representation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from latentia.metrics.clusters import matched
from latentia.metrics.figures import Better, Figure, Ledger, Unmeasurable, mean_and_error

LIMIT = 10_000
"""How many examples of a split are used at most."""
NEIGHBOURS = 10
BUDGETS = (10, 100, 1000)
"""The numbers of labels of the figures of label efficiency."""
DRAWS = 5
STARTS = 4
STEPS = 3 + len(BUDGETS)
"""How often `probe` ticks for each space."""

_GROUPS = (
    ("linear_probe_accuracy",),
    ("knn_accuracy",),
    ("kmeans_nmi", "kmeans_ari", "kmeans_accuracy"),
    *((f"label_efficiency_{count}",) for count in BUDGETS),
)
"""The figures of a space, as they are measured together."""
_PENALTIES = (1.0, 0.1, 0.01)
_ITERATIONS = 100
_SPACES = {"": "the codes", "pixels": "the pixels", "pca": "the principal components"}


def names_of(spaces: Iterable[str]) -> list[str]:
    """List the figures that `probe` gives.

    Args:
        spaces: the names of the representations.

    Returns:
        The stable names.
    """
    return [_named(figure, space) for space in spaces for group in _GROUPS for figure in group]


def _named(figure: str, space: str) -> str:
    return f"{figure}_{space}" if space else figure


@dataclass(frozen=True)
class _Space:
    """One representation of the labelled examples of two splits.

    Attributes:
        name: what follows the figures' names; empty for the model's own codes.
        train: shape `(N, D)`, float32.
        test: shape `(M, D)`, float32.
        labels: of the training examples.
        truth: the labels of the test examples.
        split: the name of the test split.
        rows: where the test examples stand in the data.
        seed: seed of everything that is drawn.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    split: str
    rows: np.ndarray
    seed: int

    @property
    def better(self) -> Better:
        """Which way is better: of a baseline neither, it is no merit of a model."""
        return "" if self.name else "higher"

    def named(self, figure: str) -> str:
        """Give the stable name of a figure in this space."""
        return _named(figure, self.name)

    @property
    def words(self) -> str:
        """Say what the representation is."""
        return _SPACES.get(self.name, f"the {self.name}")

    def accuracy(self, predicted: np.ndarray, protocol: str) -> Figure:
        """Compare predictions with the truth; the error is that of a share."""
        right = predicted == self.truth
        return Figure.mean_of(right, "", self.split, protocol, self.better, rows=self.rows)


def probe(
    ledger: Ledger,
    spaces: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels_train: np.ndarray | None,
    labels_test: np.ndarray | None,
    *,
    split: str,
    rows: np.ndarray | None = None,
    seed: int = 0,
    tick: Callable[[str], None] | None = None,
) -> None:
    """Measure how useful representations are, by what simple methods make of them.

    For each space: the accuracies of a linear classifier and of a vote of the nearest neighbours, the
    agreement of k-means clusters with the classes, and the accuracy of the linear classifier from
    few labels. The names are `linear_probe_accuracy`, `knn_accuracy`, `kmeans_nmi`, `kmeans_ari` and
    `label_efficiency_10`, `_100`, `_1000`, each followed by `_` and the name of the space.

    Args:
        ledger: takes the figures.
        spaces: arrays `(N, ...)` of the training and `(M, ...)` of the test examples, by name; the
            empty name is the model's own codes.
        labels_train: the classes of the training examples, `(N,)`, -1 for none; None without labels.
        labels_test: the classes of the test examples, `(M,)`, -1 for none; None without labels.
        split: name of the test split.
        rows: where the test examples stand in the data, `(M,)`; in order by default.
        seed: seed of the choice of examples and of the starts of k-means.
        tick: called with a few words on what was measured, `STEPS` times for each space.

    References:
        Guillaume Alain, Yoshua Bengio, "Understanding intermediate layers using linear classifier
        probes", 2016.
    """
    train, test = _labelled(labels_train, seed), _labelled(labels_test, seed)
    none = np.zeros(0, dtype=np.int64)
    for name, (codes, others) in spaces.items():
        # Rows of a table may have more digits than float32 has, but few around their mean.
        wide = codes.dtype == np.float64 and len(train) > 0
        middle = codes[train].mean(axis=0, keepdims=True) if wide else None
        space = _Space(
            name,
            _rows(codes, train, middle),
            _rows(others, test, middle),
            none if labels_train is None else labels_train[train],
            none if labels_test is None else labels_test[test],
            split,
            test if rows is None else rows[test],
            seed,
        )
        measures: list[Callable[[_Space], dict[str, Figure]]] = [_linear, _neighbours, _clusters]
        measures += [partial(_from_few_labels, count=count) for count in BUDGETS]
        for group, measure in zip(_GROUPS, measures, strict=True):
            ledger.measure([space.named(figure) for figure in group], partial(measure, space))
            if tick:
                tick(f"{group[0].replace('_', ' ')} of {space.words}")


def _labelled(labels: np.ndarray | None, seed: int) -> np.ndarray:
    """Choose the examples to use: those with a label, drawn by chance where there are too many."""
    rows = np.zeros(0, dtype=np.int64) if labels is None else np.flatnonzero(labels >= 0)
    if len(rows) <= LIMIT:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, LIMIT, replace=False))


def _rows(codes: np.ndarray, rows: np.ndarray, middle: np.ndarray | None) -> np.ndarray:
    chosen = codes[rows] if middle is None else codes[rows] - middle
    return chosen.reshape(len(rows), math.prod(codes.shape[1:])).astype(np.float32)


def _check(space: _Space, *, supervised: bool) -> None:
    """Refuse what cannot be measured, with the reason."""
    if supervised and len(space.labels) == 0:
        raise Unmeasurable("the training examples have no labels")
    if len(space.truth) == 0:
        raise Unmeasurable(f"the examples of the {space.split} split have no labels")
    classes = np.unique(space.labels if supervised else space.truth)
    if len(classes) < 2:
        raise Unmeasurable(f"all labelled examples are of one class, {classes[0]}")
    if not (np.isfinite(space.test).all() and (not supervised or np.isfinite(space.train).all())):
        raise Unmeasurable(f"{space.words} are not all finite")
    if supervised and (unknown := np.setdiff1d(space.truth, classes)).size:
        raise Unmeasurable(
            f"class {unknown[0]} of the {space.split} split is not among the "
            f"{len(space.labels):,} training examples"
        )


def _standardised(space: _Space) -> tuple[np.ndarray, np.ndarray]:
    """Give each feature mean 0 and variance 1 over the training examples; a constant one becomes 0."""
    mean, std = space.train.mean(axis=0, dtype=np.float64), space.train.std(axis=0, dtype=np.float64)
    scale = np.where(std > 1e-12 * (np.abs(mean) + 1e-30), std, np.inf)
    train, test = ((codes - mean) / scale for codes in (space.train, space.test))
    return train.astype(np.float32), test.astype(np.float32)


def _regress(x: np.ndarray, labels: np.ndarray, test: np.ndarray, penalty: float) -> np.ndarray:
    """Predict by multinomial logistic regression; `penalty` is scikit-learn's C, 1 over the strength."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # Threads bring nothing to products this small, and where another process holds a core they spin.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # After 100 steps the accuracy stands, even where the weights of separable classes still grow.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=penalty, max_iter=_ITERATIONS).fit(x, labels).predict(test)


def _best_penalty(x: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Choose the penalty on a fifth of the training examples, held out."""
    order = np.random.default_rng(seed).permutation(len(x))
    held, rest = order[: len(x) // 5], order[len(x) // 5 :]
    if len(held) == 0 or len(np.unique(labels[rest])) < 2:
        return _PENALTIES[0]
    right = [(_regress(x[rest], labels[rest], x[held], c) == labels[held]).mean() for c in _PENALTIES]
    return _PENALTIES[int(np.argmax(right))]


def _linear(space: _Space) -> dict[str, Figure]:
    _check(space, supervised=True)
    train, test = _standardised(space)
    penalty = _best_penalty(train, space.labels, space.seed)
    protocol = (
        f"multinomial logistic regression on {space.words} of {len(train):,} training examples, each feature "
        f"standardised; L2 penalty C = {penalty:g}, the best of 1, 0.1 and 0.01 on a fifth held out"
    )
    predicted = _regress(train, space.labels, test, penalty)
    return {space.named("linear_probe_accuracy"): space.accuracy(predicted, protocol)}


def _neighbours(space: _Space) -> dict[str, Figure]:
    from sklearn.neighbors import KNeighborsClassifier

    _check(space, supervised=True)
    if len(space.train) < NEIGHBOURS:
        raise Unmeasurable(f"{NEIGHBOURS} neighbours were asked of {len(space.train)} training examples")
    vote = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(space.train, space.labels)
    protocol = (
        f"majority vote of the {NEIGHBOURS} nearest of {len(space.train):,} training examples, by the "
        f"Euclidean distance of {space.words}"
    )
    return {space.named("knn_accuracy"): space.accuracy(vote.predict(space.test), protocol)}


def _clusters(space: _Space) -> dict[str, Figure]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    _check(space, supervised=False)
    classes = len(np.unique(space.truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different codes than classes
        means = KMeans(classes, n_init=STARTS, random_state=space.seed)  # pyright: ignore[reportArgumentType]
        found = means.fit_predict(space.test)
    about = f"classes against k-means clusters of {space.words}, k = {classes}, the best of {STARTS} starts; "
    examples = len(space.truth)
    nmi = float(normalized_mutual_info_score(space.truth, found))
    ari = float(adjusted_rand_score(space.truth, found))
    mutual = "mutual information over the mean of the two entropies"
    chance = "Rand index, adjusted to be 0 by chance and 1 for equal partitions"
    right = "share right, clusters matched one to one with classes as well as can be"
    return {
        space.named("kmeans_accuracy"): Figure.mean_of(
            matched(space.truth, found), "", space.split, about + right, space.better, rows=space.rows
        ),
        space.named("kmeans_nmi"): Figure(nmi, "", space.split, about + mutual, None, examples, space.better),
        space.named("kmeans_ari"): Figure(ari, "", space.split, about + chance, None, examples, space.better),
    }


def _draw(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw examples as evenly over the classes as they allow: one of each in turn, while there are any."""
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels))
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        turn[of_class] = np.arange(len(of_class)) + rng.random()  # which class comes first is chance
    return np.argsort(turn, kind="stable")[:count]


def _from_few_labels(space: _Space, count: int) -> dict[str, Figure]:
    _check(space, supervised=True)
    classes = len(np.unique(space.labels))
    if len(space.labels) < count:
        raise Unmeasurable(f"{count:,} labels were asked of {len(space.labels):,} labelled training examples")
    if classes > count:
        raise Unmeasurable(f"{count} labels cannot cover {classes} classes")
    train, test = _standardised(space)
    rng = np.random.default_rng(space.seed)
    chosen = [_draw(space.labels, count, rng) for _ in range(DRAWS)]
    right = [
        (_regress(train[rows], space.labels[rows], test, _PENALTIES[0]) == space.truth).mean()
        for rows in chosen
    ]
    mean, drawn = mean_and_error(np.array(right))
    error = math.hypot(drawn or 0.0, math.sqrt(mean * (1 - mean) / len(space.truth)))
    protocol = (
        f"multinomial logistic regression (C = {_PENALTIES[0]:g}) on {space.words} of {count:,} labelled "
        f"training examples in all, as even over the classes as they allow; features standardised over "
        f"{len(train):,} training examples; mean over {DRAWS} draws; error over draws and test examples"
    )
    figure = Figure(mean, "", space.split, protocol, error, len(space.truth), space.better)
    return {space.named(f"label_efficiency_{count}"): figure}
