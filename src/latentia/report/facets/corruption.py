"""What the encoder was shown of examples, and what came back."""

from __future__ import annotations

import numpy as np

from latentia.plots.exhibits import Panel, Section, Words
from latentia.report.study import Study
from latentia.report.views import IN_ROW, View


def sections(study: Study, view: View) -> list[Section]:
    """Show examples, what the encoder saw of them, and what the model made of that.

    Args:
        study: the run.
        view: how the data are shown.

    Returns:
        The section; nothing for a run without.
    """
    run = study.run
    if "corruption" not in run.recipe:
        return []
    positions = study.inputs.shown[:IN_ROW]
    x = study.inputs.dataset.x[positions]
    saw, made = run.inference.restore(x, seed=study.seed)
    rows = np.stack([np.asarray(x, dtype=np.float32), saw, made])
    name = run.recipe["corruption"]["name"]
    shown = view.traversal(
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
    lead = "What the encoder is shown, and what comes back."
    return [Section("restored", "Restoration", lead, (Panel(study.title, (shown,)),))]
