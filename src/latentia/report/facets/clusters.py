"""What the components of a mixture prior stand for."""

from __future__ import annotations

import numpy as np
import torch

from latentia.core.noise import seeded
from latentia.plots.exhibits import Panel, Section, Words
from latentia.probability import MixturePrior
from latentia.report.study import Study
from latentia.report.views import IN_ROW, View

MOST = 20
"""Components that are shown at the most: those with the largest weights."""


def sections(study: Study, view: View) -> list[Section]:
    """Show samples of each component.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The section; nothing for a run whose prior is no mixture.
    """
    run, prior = study.run, study.run.model.prior
    if not isinstance(prior, MixturePrior):
        return []
    with torch.no_grad(), seeded(study.seed):
        mixture = prior()
        weights = mixture.mixture_distribution.probs
        chosen = weights.argsort(descending=True)[:MOST]
        drawn = mixture.component_distribution.sample(torch.Size((IN_ROW,)))[:, chosen]
    z = drawn.movedim(0, 1).flatten(0, 1).cpu().numpy()
    c = run.conditions_for(len(z), seed=study.seed)
    made = run.inference.decode(z, c).reshape(len(chosen), IN_ROW, *run.event)
    names = [f"{int(k) + 1}: {float(weights[k]):.0%}" for k in chosen]
    grid = view.traversal(
        Words(
            f"{study.prefix}clusters",
            "Samples by component",
            f"One row for each of {len(names)} components of the prior, with its weight; the heaviest first. "
            f"Seed {study.seed}.",
            f"Samples of {study.title}, one row for each component of the prior",
        ),
        np.asarray(made),
        names,
    )
    lead = "What the clusters that the prior has found look like."
    return [Section("clusters", "By cluster", lead, (Panel(study.title, (grid,)),))]
