"""What the components of a mixture prior stand for."""

from __future__ import annotations

import numpy as np
import torch

from latentia.core.noise import seeded
from latentia.plots.exhibits import Panel, Section, Words
from latentia.probability import MixturePrior
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.views import IN_ROW

MOST = 20
"""Components that are shown at the most: those with the largest weights."""


def section(group: Group) -> Section | None:
    """Show samples of each component.

    Args:
        group: the runs.

    Returns:
        The section; None where no run's prior is a mixture.
    """
    lead = "What the clusters that the prior has found look like."
    return group.apiece("clusters", "By cluster", lead, _panel)


def _panel(study: Study) -> Panel | None:
    run, prior = study.run, study.run.model.prior
    if not isinstance(prior, MixturePrior):
        return None
    with torch.no_grad(), seeded(study.seed):
        mixture = prior()
        weights = mixture.mixture_distribution.probs
        chosen = weights.argsort(descending=True)[:MOST]
        drawn = mixture.component_distribution.sample(torch.Size((IN_ROW,)))[:, chosen]
    z = drawn.movedim(0, 1).flatten(0, 1).cpu().numpy()
    c = run.conditions_for(len(z), seed=study.seed)
    made = run.inference.decode(z, c).reshape(len(chosen), IN_ROW, *run.event)
    names = [f"{int(k) + 1}: {float(weights[k]):.0%}" for k in chosen]
    grid = study.view.traversal(
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
    return Panel(study.title, (grid,))
