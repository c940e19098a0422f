"""What the encoder was shown of examples, and what came back."""

from __future__ import annotations

import numpy as np

from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.group import Group
from latentia.report.study import Study
from latentia.report.views import IN_ROW


def section(group: Group) -> Section | None:
    """Show examples, what the encoder saw of them, and what the model made of that.

    Args:
        group: the runs.

    Returns:
        The section; None where no run has a corruption.
    """
    lead = "What the encoder is shown, and what comes back."
    return group.apiece("restored", "Restoration", lead, _panel)


def _panel(study: Study) -> Panel | None:
    run = study.run
    if "corruption" not in run.recipe:
        return None
    positions = study.inputs.shown[:IN_ROW]
    x = study.inputs.dataset.x[positions]
    saw, made = run.inference.restore(x, seed=study.seed)
    rows = np.stack([np.asarray(x, dtype=np.float32), saw, made])
    name = run.recipe["corruption"]["name"]
    shown = study.view.traversal(
        Words(
            f"{study.prefix}restored",
            "Clean, corrupted, restored",
            f"Held-out examples, the same under the corruption '{name}', and what the model makes of these. "
            f"Seed {study.seed}.",
            f"{len(x)} examples clean, corrupted, and restored by {study.title}",
        ),
        rows,
        ["clean", "corrupted", "restored"],
    )
    return Panel(study.title, (shown,))
