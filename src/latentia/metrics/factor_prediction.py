"""How well codes predict factors, and which of them do: SAP, and DCI."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latentia.metrics.factor_table import FactorTable, check_count, tabulate
from latentia.metrics.figures import Unmeasurable

Tick = Callable[[str], None]

_DCI_WORK = 2_500_000
"""Rows x codes x trees in a round of boosting, at most.

About a minute on one core: 66 s for 7,776 rows, 10 codes and 30 trees; 57 s for 1,302 rows and 64 codes.
"""

_DCI_LEAST_ROWS = 200


def silent(text: str) -> None:
    """Say nothing of the progress.

    Args:
        text: what was begun.
    """


def sap(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    tick: Tick = silent,
) -> float:
    """Measure the separated attribute predictability.

    A linear support vector machine (C = 0.01, balanced classes) predicts each factor from each single
    code. The score is the gap in test accuracy between the two best codes, averaged over factors.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.
        seed: seed of the choice of rows to fit and to test on.
        tick: told of each factor before its machines are fitted.

    Returns:
        The gap, between 0 and 1.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if there are fewer than two codes or too few rows, a factor has one value, or a
            code is not finite.

    References:
        Abhishek Kumar et al., "Variational Inference of Disentangled Latent Concepts from Unlabeled
        Observations", 2018.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    table = tabulate(codes, factors, names, least_codes=2)
    table.need_rows(3, "predictions")
    fit, test = table.divide(seed)
    accuracy = np.zeros((table.codes.shape[1], len(table.names)))
    for f, (name, values) in enumerate(zip(table.names, table.factors.T)):
        tick(f"SAP: factor '{name}' ({f + 1} of {len(table.names)})")
        for d, code in enumerate(table.codes.T[:, :, None]):
            # With one feature this is the primal problem: the same optimum, sooner, without random numbers.
            machine = LinearSVC(C=0.01, class_weight="balanced", dual="auto")
            with warnings.catch_warnings():
                # A code of an extreme scale may not converge; what it predicts by then is still tested.
                warnings.simplefilter("ignore", ConvergenceWarning)
                machine.fit(code[fit], values[fit])
            accuracy[d, f] = np.mean(machine.predict(code[test]) == values[test])
    ranked = np.sort(accuracy, axis=0)
    return float(np.mean(ranked[-1] - ranked[-2]))


@dataclass(frozen=True, eq=False)
class DCI:
    """What gradient boosted trees need of each code to predict each factor, and how well they do.

    Attributes:
        importance: shape `(D, F)`; a column is the share of each code in the trees of a factor.
        correct: shape `(T,)`, the share of the factors that are predicted right, for each test row.
        fitted: how many rows the trees were fitted to.
    """

    importance: np.ndarray
    correct: np.ndarray
    fitted: int

    @property
    def disentanglement(self) -> float:
        """Mean over codes of 1 - H_F(share of each factor in the code), weighted by importance."""
        return _concentration(self.importance.T, "known factor")

    @property
    def completeness(self) -> float:
        """Mean over factors of 1 - H_D(share of each code in the factor), weighted by importance."""
        return _concentration(self.importance, "latent dimension")

    @property
    def informativeness(self) -> float:
        """Mean over factors of the test accuracy."""
        return float(self.correct.mean())


def _concentration(importance: np.ndarray, what: str) -> float:
    from scipy.stats import entropy

    check_count(what, len(importance), 2)
    # 1e-11 as in the published runs: a column without any importance has the entropy of a uniform one.
    spread = entropy(importance + 1e-11, base=len(importance), axis=0)
    weight = importance.sum(axis=0)
    if not weight.any():
        weight = np.ones_like(weight)
    return float(((1 - spread) * weight).sum() / weight.sum())


def dci(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    tick: Tick = silent,
) -> DCI:
    """Predict each factor from all codes with gradient boosted trees, and see which codes they use.

    scikit-learn's `GradientBoostingClassifier` with its defaults: 100 rounds of a tree of depth 3 for
    each value. The time it takes grows with rows x codes x values; where 10,000 rows would take much
    more than a minute, fewer are fitted, and `fitted` says how many.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.
        seed: seed of the choice of rows, and of the order in which trees look at equally good codes.
        tick: told of each factor before its trees are fitted.

    Returns:
        The importances and the test's outcome.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if a factor has one value, a code is not finite, there are too few rows, or so
            many codes and values that the trees would take too long.

    References:
        Cian Eastwood and Christopher K. I. Williams, "A Framework for the Quantitative Evaluation of
        Disentangled Representations", 2018.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    table = tabulate(codes, factors, names)
    table.need_rows(3, "predictions")
    fit, test = table.divide(seed, _affordable(table))
    importance = np.zeros((table.codes.shape[1], len(table.names)))
    correct = np.zeros((len(test), len(table.names)))
    for f, (name, values) in enumerate(zip(table.names, table.factors.T)):
        tick(f"DCI: factor '{name}' ({f + 1} of {len(table.names)})")
        trees = GradientBoostingClassifier(random_state=seed)
        trees.fit(table.codes[fit], values[fit])
        importance[:, f] = trees.feature_importances_
        correct[:, f] = trees.predict(table.codes[test]) == values[test]
    return DCI(importance, correct.mean(axis=1), len(fit))


def _affordable(table: FactorTable) -> int:
    trees = sum(size if size > 2 else 1 for size in table.sizes)
    rows = _DCI_WORK // (trees * table.codes.shape[1])
    least = max(_DCI_LEAST_ROWS, 2 * max(table.sizes))
    if rows < least:
        raise Unmeasurable(
            f"boosted trees for {sum(table.sizes):,} values of the factors on {table.codes.shape[1]:,} "
            f"latent dimensions take too long for more than {rows:,} examples, and need {least:,}; "
            "use a model with fewer dimensions"
        )
    return rows
