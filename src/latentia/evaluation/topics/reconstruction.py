"""Reconstructions, beside what a constant and PCA leave."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from latentia.evaluation.subject import Subject
from latentia.metrics.figures import Figure, Unmeasurable, mean_and_error
from latentia.metrics.reconstruction import principal_components, reconstruction
from latentia.runs.scores import reconstructed


def reconstructions(subject: Subject) -> None:
    """Measure reconstructions, beside PCA with as many numbers.

    Args:
        subject: the run under assessment.
    """
    run = subject.run
    found = reconstructed(run, subject.x, run.told(subject.rows, subject.dataset), keep=True)
    given, decoded = (subject.unit(np.asarray(values)) for values in (found.given, found.decoded))
    units, dataset = subject.units, subject.dataset
    reconstruction(
        subject.ledger, given, decoded, image=subject.image, units=units, split=subject.split,
        labels=subject.labels(subject.rows), names=dataset.label_names,
    )  # fmt: skip

    def constant() -> Mapping[str, Figure]:
        if not len(subject.known):
            raise Unmeasurable("there are no training examples to take the mean of")
        mean_example = subject.unit(subject.scaled(subject.known)).mean(axis=0, dtype=np.float64)
        mean, error = mean_and_error(((mean_example - given) ** 2).reshape(len(given), -1).mean(axis=1))
        how = (
            f"squared error per value of the mean of {len(subject.known):,} training examples, given for "
            f"every example, {units}"
        )
        return {"mse_mean": Figure(mean, "", subject.split, how, error, len(given))}

    def linear() -> Mapping[str, Figure]:
        known = subject.unit(subject.scaled(subject.known))
        _, _, back = principal_components(known, given, math.prod(run.latent), subject.settings.seed)
        errors = ((back - given) ** 2).reshape(len(given), -1).mean(axis=1)
        how = (
            f"squared error per value of PCA with {subject.latents} components, fitted to {len(known):,} "
            f"training examples, {units}"
        )
        return {"mse_pca": Figure.mean_of(errors, "", subject.split, how)}

    subject.ledger.measure(["mse_mean"], constant)
    subject.ledger.measure(["mse_pca"], linear)
