"""Samples beside data, in a feature space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentia.core.errors import DataError, RunError
from latentia.data.conditions import Labels
from latentia.evaluation.subject import MOMENTS, Subject
from latentia.metrics.figures import Figure, mean_and_error

GENERATED = 10_000
"""Samples of each kind at the most."""
POSTERIOR = "posterior"
"""Latents drawn from posteriors of training examples: samples of the best prior that there could be."""
MIDPOINT = "midpoint"
"""Latents halfway between those of two examples, in the place of a sampler's."""


def generation(subject: Subject) -> None:
    """Compare samples with data in a feature space, and data with data.

    Args:
        subject: the run under assessment.
    """
    from latentia.evaluation.classifier import ClassifierFeatures
    from latentia.metrics.generation import METRICS, compare_samples

    kinds = _kinds(subject)

    def measure() -> Mapping[str, Figure]:
        space = subject.space
        count = min(GENERATED, len(subject.x), len(subject.known))
        told = isinstance(subject.run.condition, Labels) and isinstance(space, ClassifierFeatures)
        generated, found = {}, {}
        for kind in kinds:
            x, c = _generated(subject, kind, count)
            if not told or kind == MIDPOINT or c is None:
                generated[kind] = space(x)
                continue
            generated[kind], classes = space.look(x)
            known = ~np.isnan(c).any(axis=1)
            if known.any():
                hits = (classes == c.argmax(axis=1))[known]
                found[f"condition_accuracy_{kind}"] = _recognised(subject, kind, hits)
        compare_samples(
            subject.ledger, space(subject.drawn(subject.x, count)), generated,
            space(subject.drawn(subject.known, count)),
            space=space.name, split=subject.split, seed=subject.settings.seed,
        )  # fmt: skip
        return found

    names = [f"{metric}_{kind}" for metric in METRICS for kind in (*kinds, "real")]
    if subject.of_moments:
        subject.ledger.lack(names, MOMENTS)
        return
    try:
        subject.ledger.measure(names, measure)
    except (RunError, DataError) as error:  # the mixture is fitted to the run's own data, which may be gone
        subject.ledger.lack(names, str(error))


def _recognised(subject: Subject, kind: str, hits: np.ndarray) -> Figure:
    how = f"samples compared with the data, latents from {kind}, that are recognised as their own label"
    mean, error = mean_and_error(hits.astype(float))
    return Figure(mean, "share", subject.split, how, error, len(hits), "higher")


def _kinds(subject: Subject) -> tuple[str, ...]:
    """Say where the latents of samples come from: of a model with codes, nowhere but from codes."""
    asked = subject.settings.samplers
    if subject.run.model.coder is None:
        return asked if subject.run.model.copies else (*asked, POSTERIOR, MIDPOINT)
    fit = ["autoregressive"] if subject.run.kept_sampler("autoregressive") else []
    return tuple(dict.fromkeys([name for name in asked if name in ("prior", "autoregressive")] + fit))


def _generated(subject: Subject, kind: str, count: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode latents of one kind to the likelihood's means, in the data's units; with their conditions."""
    seed = subject.settings.seed
    if kind == POSTERIOR:
        rows = subject.run.examples("train", count)
        c = subject.run.conditions_at(rows)
        z = subject.run.inference.encode(subject.run.dataset.part(rows), c, sample=True, seed=seed)
        return subject.run.inference.decode(z, c), c
    if kind != MIDPOINT:
        c = subject.run.conditions_for(count, seed=seed)
        # A fit to codes takes minutes, and is known by its file; others are those of default settings.
        sampler = (subject.run.kept_sampler(kind) if kind == "autoregressive" else None) or kind
        settings: dict[str, Any] = {"path": subject.settings.latent_run} if kind == "run" else {}
        return subject.run.made(count, c, sampler, seed=seed, quiet=subject.quiet, **settings), c
    order = np.random.default_rng([seed, 1]).permutation(len(subject.codes))  # not the one of the data
    halfway = 0.5 * (subject.codes[order] + subject.codes[np.roll(order, 1)])[:count]
    c = subject.run.conditions_at(
        subject.rows[order][:count], subject.dataset
    )  # both ends under the first's condition
    return subject.run.inference.decode(halfway.reshape(len(halfway), *subject.run.latent), c), c
