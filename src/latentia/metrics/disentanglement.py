"""How the dimensions of a code relate to known factors of variation: six metrics, eight figures.

The protocols are those of Francesco Locatello et al., "Challenging Common Assumptions in the
Unsupervised Learning of Disentangled Representations", 2019, who ran all of these metrics side by side
on the mean of q(z|x). Their examples came from a renderer, ours are the rows of a table; the docstrings
and the protocol of each figure say where that makes a difference.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from latentia.metrics.factor_information import BINS, mig, modularity, mutual_information
from latentia.metrics.factor_prediction import DCI, Tick, dci, sap, silent
from latentia.metrics.factor_table import divided
from latentia.metrics.factor_votes import (
    BATCH,
    EVALUATION_VOTES,
    LEAST_STD,
    TRAIN_VOTES,
    betavae_score,
    factorvae_score,
)
from latentia.metrics.figures import Figure, Ledger, mean_and_error

__all__ = [
    "DCI",
    "METRICS",
    "betavae_score",
    "dci",
    "disentanglement",
    "factorvae_score",
    "mig",
    "modularity",
    "mutual_information",
    "sap",
]

METRICS = (
    "mig",
    "sap",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "modularity",
    "factorvae_score",
    "betavae_score",
)

_Data = tuple[np.ndarray, np.ndarray, Sequence[str]]
_Measures = dict[str, Callable[[], Figure]]


def disentanglement(
    ledger: Ledger,
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str],
    *,
    split: str,
    seed: int = 0,
    tick: Tick = silent,
) -> None:
    """Measure all of `METRICS` that can be measured, and note why the others cannot.

    Args:
        ledger: receives the figures and the reasons.
        codes: means of q(z|x), shape `(N, D)`.
        factors: the known factors of the same examples, shape `(N, F)`, whole numbers.
        names: of the factors.
        split: which split the examples are.
        seed: seed of every draw.
        tick: told of each factor before something is fitted to it, and of each score before its draws.

    Raises:
        ConfigError: if the shapes do not fit.

    References:
        Francesco Locatello et al., "Challenging Common Assumptions in the Unsupervised Learning of
        Disentangled Representations", 2019.
    """
    data = (codes, factors, names)
    figure = functools.partial(Figure, unit="", split=split, better="higher")
    measures = {
        **_information(figure, data),
        **_prediction(figure, data, seed, tick),
        **_scores(figure, data, seed, tick),
    }
    for name in METRICS:
        ledger.measure([name], functools.partial(_named, name, measures[name]))


def _named(name: str, give: Callable[[], Figure]) -> Mapping[str, Figure]:
    return {name: give()}


def _information(figure: Callable[..., Figure], data: _Data) -> _Measures:
    rows = len(data[0])
    basis = f"mutual information over {rows:,} examples with codes in {BINS} equal-width bins"
    gap = f"gap of the two codes that say most about a factor over its entropy, mean over factors; {basis}"
    focus = (
        "1 - mean squared information of a code about the other factors over that about its best factor, "
        f"mean over codes, 0 for a code that says nothing; {basis}"
    )
    return {
        "mig": lambda: figure(mig(*data), protocol=gap, examples=rows),
        "modularity": lambda: figure(modularity(*data), protocol=focus, examples=rows),
    }


def _prediction(figure: Callable[..., Figure], data: _Data, seed: int, tick: Tick) -> _Measures:
    train, test = divided(len(data[0]))
    machines = (
        "gap in test accuracy of the two codes that best predict a factor, each alone, with a linear SVM "
        f"(C 0.01, balanced), mean over factors; {train:,} random examples to fit and {test:,} others to test"
    )
    fit = functools.cache(lambda: dci(*data, seed=seed, tick=tick))
    bounded = f" (of {train:,}, to bound the time)"

    def trees(what: str, give: Callable[[DCI], float], informative: bool = False) -> Figure:
        found = fit()
        protocol = (
            f"{what}; scikit-learn's gradient boosted trees, {found.fitted:,} random examples to fit"
            f"{bounded if found.fitted < train else ''} and {test:,} others to test"
        )
        error = mean_and_error(found.correct)[1] if informative else None
        return figure(give(found), protocol=protocol, error=error, examples=found.fitted + test)

    return {
        "sap": lambda: figure(sap(*data, seed=seed, tick=tick), protocol=machines, examples=train + test),
        "dci_disentanglement": lambda: trees(
            "1 - entropy of a code's importance over factors, mean weighted by importance",
            lambda found: found.disentanglement,
        ),
        "dci_completeness": lambda: trees(
            "1 - entropy of a factor's importance over codes, mean weighted by importance",
            lambda found: found.completeness,
        ),
        "dci_informativeness": lambda: trees(
            "test accuracy of the prediction of a factor from all codes, mean over factors",
            lambda found: found.informativeness,
            informative=True,
        ),
    }


def _scores(figure: Callable[..., Figure], data: _Data, seed: int, tick: Tick) -> _Measures:
    rows = len(data[0])
    counts = f"{TRAIN_VOTES:,} to learn from and {EVALUATION_VOTES:,} to evaluate"
    drawn = (
        f"rows drawn with replacement among those of {rows:,} examples that have the value, which on a full "
        "grid is the published sampling"
    )
    votes = (
        f"accuracy of the majority vote of the code that varies least in {BATCH} rows with a factor fixed, "
        f"codes with a standard deviation below {LEAST_STD} left out; {counts}; {drawn}"
    )
    pairs = (
        f"accuracy of logistic regression from the mean |z - z'| of {BATCH} pairs with one factor in common; "
        f"{counts}; {drawn}, but that no example is paired with itself"
    )

    def score(title: str, protocol: str, run: Callable[..., float]) -> Figure:
        tick(title)
        value = run(*data, seed=seed)
        error = math.sqrt(value * (1 - value) / EVALUATION_VOTES)
        return figure(value, protocol=protocol, error=error, examples=rows)

    return {
        "factorvae_score": lambda: score("FactorVAE score", votes, factorvae_score),
        "betavae_score": lambda: score("beta-VAE score", pairs, betavae_score),
    }
