"""How well the components of a mixture prior, read as clusters, agree with the classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from latentia.evaluation.subject import Subject
from latentia.metrics.clusters import matched
from latentia.metrics.figures import Figure, Unmeasurable
from latentia.probability import MixturePrior

if TYPE_CHECKING:
    from latentia.runs.run import Run

TOPIC = "representation"


def has(run: Run) -> bool:
    """Say whether the prior of a run is a mixture.

    Args:
        run: the run.

    Returns:
        Whether it is.
    """
    return isinstance(run.model.prior, MixturePrior)


def measure(subject: Subject) -> None:
    """Measure it.

    Args:
        subject: the run under assessment.
    """
    z = subject.blind(subject.rows).reshape(-1, *subject.run.latent)
    shares = subject.run.inference.components(z)
    mean = shares.mean(axis=0, dtype=np.float64)
    what = f"exp of the entropy of the {len(mean)} components' shares, p(k|z) at posterior means"
    used = float(np.exp(-mean @ np.log(mean + 1e-30)))
    subject.ledger.figures["clusters_used"] = Figure(used, "", subject.split, what, None, len(shares))
    names = ["cluster_accuracy", "cluster_nmi"]
    subject.ledger.measure(names, partial(_agreement, subject, shares))


def _agreement(subject: Subject, shares: np.ndarray) -> Mapping[str, Figure]:
    """Hold the most probable component of each example against its class."""
    from sklearn.metrics import normalized_mutual_info_score

    labels = subject.labels(subject.rows)
    if labels is None or len(np.unique(labels[labels >= 0])) < 2:
        raise Unmeasurable("clusters are held against classes, and the data have none")
    of = labels >= 0
    truth, found = labels[of], shares[of].argmax(axis=1)
    how = f"most probable of {shares.shape[1]} components at the posterior mean, against the classes"
    nmi = float(normalized_mutual_info_score(truth, found))
    return {
        "cluster_accuracy": Figure.mean_of(
            matched(truth, found), "share", subject.split, f"{how}, matched one to one as well as can be",
            "higher", rows=subject.rows[of],
        ),
        "cluster_nmi": Figure(
            nmi, "", subject.split, f"{how}; mutual information over the mean of the two entropies", None,
            len(truth), "higher",
        ),
    }  # fmt: skip
