"""The use of codes, for models whose latents consist of them."""

from __future__ import annotations

import numpy as np

from latentia.core.errors import shell
from latentia.plots.charts import bars
from latentia.plots.exhibits import Exhibit, Panel, Section, Words
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.words import number

DRAWN = 256
"""Bars side by side at the most."""


def coded_samples(study: Study) -> list[tuple[str, str]]:
    """Say where the samples of a model with codes come from.

    Args:
        study: the run.

    Returns:
        Samplers, each with the caption of its samples.
    """
    fitted = study.run.kept_sampler("autoregressive") is not None
    uniform = "Codes drawn uniformly, each for itself: they do not know of each other."
    if not fitted:
        folder = shell(study.run.folder.path)
        uniform += f" latentia sample {folder} --sampler autoregressive fits one that does."
    learned = "Codes drawn one after the other by a causal transformer, fitted to those of the training data."
    return [("prior", uniform), *([("autoregressive", learned)] if fitted else [])]


def section(group: Group) -> Section | None:
    """Show how often each code is used.

    Args:
        group: the runs.

    Returns:
        The section; None where no run's latents are codes.
    """
    lead = (
        "How often each code is used. As many equally frequent codes as the perplexity are as hard to guess."
    )
    return group.apiece("codebook", "Use of the codes", lead, _panel)


def _panel(study: Study) -> Panel | None:
    if not study.coded:
        return None
    import torch

    from latentia.metrics.codes import code_counts, code_use

    run, coder = study.run, study.run.coder
    positions = study.inputs.encoded
    codes = torch.from_numpy(
        run.inference.codes(study.inputs.dataset.x[positions], run.conditions_at(positions))
    )
    counts = code_counts(codes, coder)
    used, perplexity = code_use(counts)
    of = f"{len(positions):,} {study.inputs.split} {study.inputs.noun}"
    exhibits = tuple(
        _level(study, level, row / row.sum(), f"{int((row > 0).sum())} of {coder.size} codes serve {of}.")
        for level, row in enumerate(counts)
    )
    note = f"{used:.0%} of the codes are in use, with a perplexity of {number(perplexity)} of {coder.size}."
    return Panel(study.title, exhibits, note)


def _level(study: Study, level: int, shares: np.ndarray, caption: str) -> Exhibit:
    most = np.sort(shares)[::-1][:DRAWN]
    cut = f" The {len(most)} most frequent are drawn." if len(most) < len(shares) else ""
    several = study.run.coder.levels > 1
    words = Words(
        f"{study.prefix}codes" + f"-{level}" * several,
        "Frequency of each code" + f", level {level}" * several,
        caption + cut,
        f"Bar chart of the share of each code of {study.title}, sorted",
    )
    names = [str(rank) for rank in range(len(most))]
    return bars(words, most.tolist(), names, "code, by frequency", "share")
