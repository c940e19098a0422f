"""What latents say of classes and of factors of variation, encoded without being told of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from latentia.evaluation.subject import ITSELF, Subject, named
from latentia.metrics.figures import Unmeasurable
from latentia.metrics.reconstruction import principal_components


def representation(subject: Subject) -> None:
    """Measure what can be read off the posterior mean, against raw values and PCA.

    Args:
        subject: the run under assessment.
    """
    from latentia.metrics.probes import STEPS, names_of, probe

    if subject.run.model.copies:
        subject.ledger.lack(names_of(("", "pixels", "pca")), ITSELF)
        return
    labels = subject.labels(subject.rows)
    if labels is None or subject.dataset.classes < 2:
        reason = "the data have no labels" if labels is None else "all labels are the same"
        subject.ledger.lack(names_of(("", "pixels", "pca")), reason)
        return
    try:
        own = subject.own
    except Unmeasurable as error:
        subject.ledger.lack(names_of(("", "pixels", "pca")), str(error))
        return
    spaces = {"": (own.blind(subject.known_rows), subject.blind(subject.rows))}
    if reason := subject.unlike_numbers or own.unlike_numbers:
        reason = f"a baseline needs numbers, all of them known, and {reason}"
        subject.ledger.lack(names_of(("pixels", "pca")), reason)
    else:
        spaces |= _baselines(subject)
    with subject.progress("probes", STEPS * len(spaces)) as bar:
        probe(
            subject.ledger, spaces, own.labels(subject.known_rows), labels,
            split=subject.split, rows=subject.rows, seed=subject.settings.seed, tick=named(bar),
        )  # fmt: skip
    _add_to_protocols(subject, names_of(("",)))


def _baselines(subject: Subject) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give the raw values, and PCA of as many numbers as the latents have, where there is one."""
    from latentia.metrics.probes import names_of

    known, given = (subject.scaled(x).reshape(len(x), -1) for x in (subject.known, subject.x))
    spaces = {"pixels": (known, given)}
    try:
        fitted, placed, _ = principal_components(known, given, subject.latents, subject.settings.seed)
        spaces["pca"] = (fitted, placed)
    except Unmeasurable as error:
        subject.ledger.lack(names_of(("pca",)), str(error))
    return spaces


def _add_to_protocols(subject: Subject, names: Iterable[str]) -> None:
    """Say of figures that hold latents against what a model may be told how these were encoded."""
    figures = subject.ledger.figures
    for name in figures.keys() & set(names):
        figures[name] = replace(figures[name], protocol=figures[name].protocol + subject.blindness)


def disentanglement(subject: Subject) -> None:
    """Hold latents against the known factors of the data.

    Args:
        subject: the run under assessment.
    """
    from latentia.metrics.disentanglement import METRICS
    from latentia.metrics.disentanglement import disentanglement as measure

    dataset = subject.dataset
    if subject.run.model.copies:
        subject.ledger.lack(METRICS, ITSELF)
        return
    if dataset.factors is None:
        subject.ledger.lack(METRICS, "the data have no known factors")
        return
    codes = subject.blind(np.arange(len(dataset)))
    varied = [f for f in range(dataset.factors.shape[1]) if len(np.unique(dataset.factors[:, f])) > 1]
    names = [dataset.factor_names[f] for f in varied]
    fixed = [name for name in dataset.factor_names if name not in names]
    if fixed:  # as the colour of dSprites, which is always white
        subject.warnings.append(
            f"mig: factors with one value are left out of these metrics: {', '.join(fixed)}"
        )
    steps = 2 * len(varied) + 2  # two metrics fit a model for each factor
    with subject.progress("disentanglement", steps) as bar:
        measure(
            subject.ledger, codes, dataset.factors[:, varied], names,
            split="all", seed=subject.settings.seed, tick=named(bar),
        )  # fmt: skip
    _add_to_protocols(subject, METRICS)
