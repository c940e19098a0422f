"""Scores that ask which factor was held fixed: FactorVAE's and beta-VAE's.

Both were published for a renderer that makes an example for any combination of factors. Here the
examples are the rows of a table. "Fix a factor and vary the others" means: take a random row for the
value, then draw rows with replacement among all that have this value. Where every combination of
factors is in the table equally often, that is the published sampling.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from latentia.metrics.factor_table import FactorTable, tabulate
from latentia.metrics.figures import Unmeasurable

BATCH = 64
TRAIN_VOTES = 10_000
EVALUATION_VOTES = 5_000
LEAST_STD = 0.05

_CHUNK = 4_000_000  # numbers gathered at a time: 32 MB


def factorvae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    train_votes: int = TRAIN_VOTES,
    evaluation_votes: int = EVALUATION_VOTES,
) -> float:
    """Tell the fixed factor from the code that varies least.

    A vote fixes a random factor at the value of a random row and draws 64 rows with it. The code with
    the smallest var(z_d) / Var(z_d), local variance over that of all rows, votes for the factor.
    Codes whose standard deviation over all rows is below 0.05 are left out. The majority of the
    training votes says which factor a code stands for.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.
        seed: seed of the draws.
        train_votes: how many votes the majority is taken of.
        evaluation_votes: how many other votes are counted.

    Returns:
        The share of the evaluation votes that name the fixed factor; 0 if all codes were left out.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if there are fewer than two factors, a factor has one value or a value that
            only one row has, or a code is not finite.

    References:
        Hyunjik Kim and Andriy Mnih, "Disentangling by Factorising", 2018.
    """
    table = tabulate(codes, factors, names, least_factors=2)
    groups = _Groups.of(table)
    std = table.codes.std(axis=0, ddof=1)
    active = std >= LEAST_STD
    if not active.any():
        return 0.0
    scaled = (table.codes[:, active] - table.codes[:, active].mean(axis=0)) / std[active]
    rng = np.random.default_rng(seed)
    train = _votes(scaled, groups, train_votes, rng)
    evaluation = _votes(scaled, groups, evaluation_votes, rng)
    named = train.argmax(axis=1)
    return float(evaluation[np.arange(len(named)), named].sum() / evaluation.sum())


def betavae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    train_points: int = TRAIN_VOTES,
    evaluation_points: int = EVALUATION_VOTES,
) -> float:
    """Tell the shared factor from the differences of pairs.

    A point fixes a random factor, draws 64 random rows, and for each another row that has the same
    value of the factor. Its features are the means of |z_d - z'_d| over the pairs. A logistic
    regression (multinomial, C = 1) tells which factor the pairs share.

    The two rows of a pair are never the same row. In the published sampling they can be; with a large
    grid that makes no difference, but in a small table it happens more often for a factor with few
    rows for each value, and differences of zero give that factor away even where the codes are noise.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.
        seed: seed of the draws.
        train_points: how many points the regression is fitted to.
        evaluation_points: how many other points it is tested on.

    Returns:
        The share of the evaluation points whose factor it tells.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if there are fewer than two factors, a factor has one value or a value that
            only one row has, or a code is not finite.

    References:
        Irina Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", 2017.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    table = tabulate(codes, factors, names, least_factors=2)
    groups = _Groups.of(table)
    rng = np.random.default_rng(seed)
    points, labels = _points(table.codes, groups, train_points, rng)
    fresh, truth = _points(table.codes, groups, evaluation_points, rng)
    regression = LogisticRegression(max_iter=1000)
    # Small products: threads bring nothing, and wait for each other where another process holds a core.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # Codes of very unequal scale converge slowly; what is learnt by then is still tested fairly.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(points, labels)
        return float(np.mean(regression.predict(fresh) == truth))


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows of a table sorted by the value of each factor, so that all rows of a value lie together.

    Attributes:
        order: shape `(F, N)`, the rows in that order.
        start: shape `(N, F)`, where the rows begin that share a row's value.
        count: shape `(N, F)`, how many they are; two or more.
        place: shape `(N, F)`, where among them the row itself is.
    """

    order: np.ndarray
    start: np.ndarray
    count: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, table: FactorTable) -> _Groups:
        rows, factors = table.factors.shape
        order = np.empty((factors, rows), dtype=np.int64)
        start, count, place = (np.empty((rows, factors), dtype=np.int64) for _ in range(3))
        for factor, (name, size) in enumerate(zip(table.names, table.sizes)):
            values = table.factors[:, factor]
            counts = np.bincount(values, minlength=size)
            alone = int((counts == 1).sum())
            if alone:
                raise Unmeasurable(
                    f"factor '{name}' has {alone:,} of {size:,} values with a single example, so that "
                    "nothing varies while it is fixed; use more data"
                )
            order[factor] = np.argsort(values, kind="stable")
            start[:, factor] = (np.cumsum(counts) - counts)[values]
            count[:, factor] = counts[values]
            place[order[factor], factor] = np.arange(rows)
        return cls(order, start, count, place - start)

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and factors there are."""
        return self.start.shape[0], self.start.shape[1]

    def like(self, rows: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw, for each of (M,) rows, 64 rows with its value of a factor: (M, 64)."""
        offset = rng.integers(0, self.count[rows, factor][:, None], size=(len(rows), BATCH))
        return self.order[factor[:, None], self.start[rows, factor][:, None] + offset]

    def partners(self, rows: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw, for each of (M, 64) rows, another row with its value of the M-th factor."""
        factor = factor[:, None]
        count = self.count[rows, factor]
        # A step of 1 to count - 1 around the circle of the rows with this value never comes back.
        offset = (self.place[rows, factor] + rng.integers(1, count)) % count
        return self.order[factor, self.start[rows, factor] + offset]


def _chunks(total: int, codes: np.ndarray) -> Iterator[int]:
    size = max(1, _CHUNK // (BATCH * codes.shape[1]))
    for start in range(0, total, size):
        yield min(size, total - start)


def _votes(scaled: np.ndarray, groups: _Groups, total: int, rng: np.random.Generator) -> np.ndarray:
    """Count votes, (D, F): how often the code varied least while the factor was fixed."""
    rows, factors = groups.shape
    counts = np.zeros(scaled.shape[1] * factors, dtype=np.int64)
    for size in _chunks(total, scaled):
        factor = rng.integers(0, factors, size)
        drawn = groups.like(rng.integers(0, rows, size), factor, rng)
        steadiest = scaled[drawn].var(axis=1).argmin(axis=1)
        counts += np.bincount(steadiest * factors + factor, minlength=len(counts))
    return counts.reshape(-1, factors)


def _points(
    codes: np.ndarray, groups: _Groups, total: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give points, (total, D), and the factor that the pairs of each share."""
    rows, factors = groups.shape
    points, labels = [], []
    for size in _chunks(total, codes):
        factor = rng.integers(0, factors, size)
        first = rng.integers(0, rows, (size, BATCH))
        second = groups.partners(first, factor, rng)
        points.append(np.abs(codes[first] - codes[second]).mean(axis=1))
        labels.append(factor)
    return np.concatenate(points), np.concatenate(labels)
