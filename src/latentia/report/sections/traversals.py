"""What each latent dimension does."""

from __future__ import annotations

from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.words import number

LEAD = (
    "One latent dimension moves, from three standard deviations below to three above the mean of the "
    "training data's latents; the others stay. The most used dimensions come first."
)


def section(group: Group) -> Section | None:
    """Show what the most used dimensions of each run do.

    Args:
        group: the runs.

    Returns:
        The section; None of many runs.
    """
    return group.apiece("traversals", "Traversals", LEAD, _panel)


def _panel(study: Study) -> Panel:
    if not study.flat:
        return Panel(
            study.title, note="This latent has height and width; its dimensions are not walked one by one."
        )
    dims, values, decoded = study.traversal()
    labels = [
        f"z{dim}: {number(row[0], 2)} to {number(row[-1], 2)}" for dim, row in zip(dims, values, strict=True)
    ]
    start = "the prior's mean" if study.bound else "the mean code of the training data"
    by = "KL" if study.kl else "the variance of the codes"
    total = study.run.latent[0]
    most = f"The {len(dims)} dimensions" if len(dims) == total else f"{len(dims)} of {total} dimensions"
    if total == 1:
        most = "The one dimension"
    light = "" if study.inputs.kind == "image" else " Low values are dark, high ones light."
    caption = f"{most}, by {by}, from {start}. Beside each: the values that it takes.{light}"
    alt = f"What each of {len(dims)} latent dimensions of {study.title} changes"
    words = Words(f"{study.prefix}traversals", "Traversals", caption, alt)
    return Panel(study.title, (study.view.traversal(words, decoded, labels),))
