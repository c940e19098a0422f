"""What codes say about factors, in nats: the mutual information gap, and modularity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentia.metrics.factor_table import tabulate

BINS = 20


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Measure how much each code says about each factor.

    I(z_d; f) = sum p(b, v) log[p(b, v) / (p(b) p(v))] over the bins b of the code and the values v of
    the factor, with the frequencies in the table for p. The bins are 20 of equal width from the
    smallest to the largest value of the code; a constant code falls into one.

    Args:
        codes: shape `(N, D)`, finite.
        factors: shape `(N, F)`, the values numbered from 0.

    Returns:
        Shape `(D, F)`, in nats.
    """
    from sklearn.metrics import mutual_info_score

    information = np.zeros((codes.shape[1], factors.shape[1]))
    sizes = factors.max(axis=0) + 1
    for d, code in enumerate(codes.T):
        edges = np.linspace(code.min(), code.max(), BINS + 1)
        bins = np.searchsorted(edges[1:-1], code, side="right")
        for f, size in enumerate(sizes):
            counts = np.bincount(bins * size + factors[:, f], minlength=BINS * size)
            information[d, f] = mutual_info_score(None, None, contingency=counts.reshape(BINS, size))
    return information


def mig(codes: np.ndarray, factors: np.ndarray, names: Sequence[str] = ()) -> float:
    """Measure the mutual information gap.

    The mean over factors of (I(z_1; f) - I(z_2; f)) / H(f), where z_1 and z_2 are the codes that say
    most about the factor. It is 1 where one code determines each factor and no other says anything.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.

    Returns:
        The gap, between 0 and 1.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if there are fewer than two codes, a factor has one value, a code is not finite,
            or there are fewer rows than cells of a bin and a value.

    References:
        Ricky T. Q. Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018.
    """
    from scipy.stats import entropy

    table = tabulate(codes, factors, names, least_codes=2)
    table.need_rows(BINS, f"{BINS} bins of codes")
    information = np.sort(mutual_information(table.codes, table.factors), axis=0)
    most = np.array([entropy(np.bincount(values)) for values in table.factors.T])
    return float(np.mean((information[-1] - information[-2]) / most))


def modularity(codes: np.ndarray, factors: np.ndarray, names: Sequence[str] = ()) -> float:
    """Measure whether each code is about one factor only.

    The mean over codes of 1 - sum_{f != best} I(z_d; f)^2 / (I(z_d; best)^2 (F - 1)); 0 for a code that
    says nothing. Several codes may be about the same factor.

    Args:
        codes: shape `(N, D)`.
        factors: shape `(N, F)`, whole numbers.
        names: of the factors, for messages.

    Returns:
        The modularity, between 0 and 1.

    Raises:
        ConfigError: if the shapes do not fit.
        Unmeasurable: if there are fewer than two factors, a factor has one value, a code is not finite,
            or there are fewer rows than cells of a bin and a value.

    References:
        Karl Ridgeway and Michael C. Mozer, "Learning Deep Disentangled Embeddings with the F-Statistic
        Loss", 2018.
    """
    table = tabulate(codes, factors, names, least_factors=2)
    table.need_rows(BINS, f"{BINS} bins of codes")
    squared = mutual_information(table.codes, table.factors) ** 2
    best = squared.max(axis=1)
    says = best > 0
    rest = squared[says].sum(axis=1) - best[says]
    scores = np.zeros(len(squared))
    scores[says] = 1 - rest / (best[says] * (len(table.names) - 1))
    return float(scores.mean())
