"""Reconstructions, beside what a constant and PCA leave."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from latentia.evaluation.subject import ITSELF, Subject
from latentia.metrics.figures import Figure, Unmeasurable, mean_and_error
from latentia.metrics.floor import CHUNK
from latentia.metrics.floor import constant as constant_example
from latentia.metrics.reconstruction import counted_in_bits, principal_components, reconstruction
from latentia.metrics.terms import squared_error
from latentia.runs.scores import reconstructed

MEASURED = ("mse", "mse_mean", "mse_pca")


def reconstructions(subject: Subject) -> None:
    """Measure reconstructions, beside PCA with as many numbers.

    Args:
        subject: the run under assessment.
    """
    run = subject.run
    if run.model.copies:
        subject.ledger.lack(MEASURED, ITSELF)
        return
    found = reconstructed(run, subject.x, run.conditions_at(subject.rows, subject.dataset), keep=True)
    given, decoded = (subject.unit(np.asarray(values)) for values in (found.given, found.decoded))
    units, dataset = subject.units, subject.dataset
    nominal = None if run.model.nominal is None else run.model.nominal.cpu()
    reconstruction(
        subject.ledger, given, decoded, image=subject.image, units=units, split=subject.split,
        labels=subject.labels(subject.rows), names=dataset.label_names, nominal=nominal,
    )  # fmt: skip

    def constant() -> Mapping[str, Figure]:
        if not len(subject.known):
            raise Unmeasurable("there are no training examples to take the mean of")
        known = torch.from_numpy(subject.unit(subject.scaled(subject.known)))
        best = constant_example(known.split(CHUNK), dataset.event, nominal)
        mean, error = mean_and_error(squared_error(best, torch.from_numpy(given), nominal).numpy())
        how = (
            f"squared error per value of the mean of {len(subject.known):,} training examples, given for "
            f"every example, {units}"
        )
        return {"mse_mean": Figure(mean, "", subject.split, how, error, len(given))}

    def linear() -> Mapping[str, Figure]:
        known = subject.unit(subject.scaled(subject.known))
        if reason := subject.unlike_numbers or subject.own.unlike_numbers:
            raise Unmeasurable(f"PCA needs numbers, all of them known, and {reason}")
        if counted_in_bits(run.model):
            raise Unmeasurable(
                "a latent of codes or rounded values is counted in bits: PCA has no equal of it"
            )
        _, _, back = principal_components(known, given, math.prod(run.latent), subject.settings.seed)
        errors = ((back - given) ** 2).reshape(len(given), -1).mean(axis=1)
        how = (
            f"squared error per value of PCA with {subject.latents} components, fitted to {len(known):,} "
            f"training examples, {units}"
        )
        return {"mse_pca": Figure.mean_of(errors, "", subject.split, how)}

    subject.ledger.measure(["mse_mean"], constant)
    subject.ledger.measure(["mse_pca"], linear)
