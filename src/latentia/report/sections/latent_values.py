"""How the latents of several runs are distributed."""

from __future__ import annotations

import numpy as np

from latentia.plots.exhibits import Panel, Section, Words
from latentia.plots.joint_charts import HIGHEST, densities, latent_reach
from latentia.report.group import Group


def section(group: Group) -> Section | None:
    """Draw how the latents of each run are distributed, over the standard normal density.

    Args:
        group: the runs.

    Returns:
        The section; None of a single run.
    """
    if not group.several:
        return None
    inputs = group.inputs
    reach = latent_reach([study.codes for study in group.studies])
    outside = [(study.title, float((np.abs(study.codes) > reach).mean())) for study in group.studies]
    beyond = [f"{100 * share:.1f} % of {title}" for title, share in outside if share > 0.005]
    caption = (
        f"All latent values of {len(inputs.encoded):,} {inputs.split} {inputs.noun}, at their posterior "
        f"means, and the density of N(0, 1). Densities above {HIGHEST:g} are cut off: latents that "
        "carry nothing all lie at zero."
    )
    if beyond:
        caption += f" Outside the axis: {', '.join(beyond)}."
    words = Words("codes", "All latent values", caption, f"Histograms of the latent values of {group.names}")
    chart = densities(words, [(study.title, study.codes) for study in group.studies])
    lead = "A VAE's rate pulls its latents towards the prior; nothing pulls an autoencoder's."
    return Section("codes", "Latent values", lead, (Panel(exhibits=(chart,)),))
